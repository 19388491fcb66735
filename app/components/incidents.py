"""The tab of anomalies: what cost more than was expected, why, and what people say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from app.components import access, bands, cards, formats, links, picked, states, writing
from app.components.cache import ask, ask_now
from app.components.scope import Scope
from app.queries import anomalies, periods
from app.queries.catalog import provider_label
from app.records import triage
from astraeus_pipeline.contracts.days import DayRange

_REASONS: Final = {
    "spike": "Spike",
    "shift": "Lasting change",
    "new_service": "New service",
    "gap": "Missing days",
    "late": "Late",
    "empty": "Empty days",
}
_SEVERITIES: Final = {
    "critical": ("Critical", "red"),
    "high": ("High", "red"),
    "medium": ("Medium", "orange"),
    "low": ("Low", "gray"),
    "data": ("Data", "blue"),
}


def draw(scope: Scope) -> None:
    """Draw the tab. Raises: DatabaseError."""
    _cards(scope)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "State",
            anomalies.STATES,
            default=anomalies.STATES[0],
            key="anomaly_state",
            bind="query-params",
            required=True,
        )
        assignee = st.segmented_control(
            "Looked after by",
            anomalies.ASSIGNEES,
            default=anomalies.ANYBODY,
            key="assignee",
            bind="query-params",
            required=True,
        )
    links.check({"anomaly_state": [str(state)], "assignee": [str(assignee)]})
    rows = ask_now(
        anomalies.compile_list(str(state), scope.account_ids, str(assignee), access.current().email)
    )
    if not rows:
        states.nothing_here("Nothing unexpected in this state, for these accounts.")
        return
    ids = [row["anomaly_id"] for row in rows]
    key = f"anomalies_{hash(tuple(ids))}_{picked.closed('anomaly')}"
    with st.container(border=True):
        _table(rows, key, lambda: picked.choose(key, "anomaly", ids))
        st.caption(
            "The newest first. Impact: cost above what was expected, first to last day; effective"
            " cost of usage. Accounts and their services overlap: never add them up."
        )
        with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
            if text.open:
                _as_text(rows)
    chosen = picked.row_of("anomaly", rows, "anomaly_id")
    if chosen["kind"] == "cost":
        _detail(chosen)
    else:
        _data_detail(chosen)


def _cards(scope: Scope) -> None:
    rows = ask_now(anomalies.compile_counts(scope.account_ids))
    open_ = [row for row in rows if row["state"] == "open"]
    with cards.grid(4, 175):
        cards.figure(
            "Open",
            f"{sum(row['incidents'] for row in open_):,}",
            f"{sum(row['severe'] for row in open_):,} high or critical",
            arrow="off",
        )
        for row in open_[:2]:
            cards.figure(
                f"Impact in {row['currency']}",
                formats.card(row["excess"], row["currency"]),
                note="open, single services",
                help_text="Cost above what was expected, of open anomalies of single services."
                " Those of whole accounts hold the same money, so they are not added.",
            )
        others = sum(row["incidents"] for row in rows if row["state"] not in ("open", "muted"))
        cards.figure(
            "Looked after",
            f"{others:,}",
            f"{sum(row['incidents'] for row in rows if row['state'] == 'muted'):,} muted",
            arrow="off",
            help_text="Acknowledged, explained or dismissed. The like of a dismissed one is muted.",
        )


def _table(rows: Sequence[Mapping[str, Any]], key: str, on_select: Any) -> None:
    st.dataframe(
        [
            {
                "What": what(row),
                "Account": row["account_id"],
                "Severity": [_SEVERITIES[row["severity"]][0]],
                "Found": _REASONS[row["reason"]],
                "Days": _days(row),
                "Impact": row["excess_cost"],
                "Cur.": row["billing_currency"],
                "State": row["state"].capitalize(),
                "Whose": row["assigned_to"],
                "Note": row["state_note"],
            }
            for row in rows
        ],
        hide_index=True,
        key=key,
        height="content" if len(rows) <= 12 else 458,
        placeholder="",
        on_select=on_select,
        selection_mode="single-row",
        alt="Anomalies, the newest first; the same as text below",
        column_config={
            "What": st.column_config.TextColumn(width=190, pinned=True),
            "Account": st.column_config.TextColumn(width=118),
            "Severity": st.column_config.MultiselectColumn(
                width=82,
                options=[label for label, _ in _SEVERITIES.values()],
                color=[color for _, color in _SEVERITIES.values()],
            ),
            "Found": st.column_config.TextColumn(width=108),
            "Days": st.column_config.TextColumn(width=142),
            "Impact": st.column_config.NumberColumn(format="%+,.2f", width=92),
            "Cur.": st.column_config.TextColumn(width=46),
            "State": st.column_config.TextColumn(width=98),
            "Whose": st.column_config.TextColumn(width=100, help="Who looks after it"),
            "Note": st.column_config.TextColumn(width=100),
        },
    )


def _as_text(rows: Sequence[Mapping[str, Any]]) -> None:
    st.table(
        [
            {
                "What": formats.escaped(what(row)),
                "Account": formats.escaped(row["account_id"]),
                "Severity": _SEVERITIES[row["severity"]][0],
                "Found": _REASONS[row["reason"]],
                "Days": _days(row),
                "Impact": formats.money(row["excess_cost"], row["billing_currency"] or ""),
                "State": row["state"].capitalize(),
                "Whose": formats.escaped(row["assigned_to"] or "nobody"),
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )


def _detail(row: Mapping[str, Any]) -> None:
    currency = row["billing_currency"]
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The chart"):
        st.subheader(formats.escaped(what(row)), anchor=False)
        days = ask(
            anomalies.compile_days(
                row["series_key"], row["method"], row["start_date"], row["end_date"]
            )
        )
        if days:
            bands.draw(
                days,
                currency,
                key=f"band_{row['anomaly_id']}",
                alt_text=f"{what(row)}, {_days(row)}:"
                f" {formats.exact(row['excess_cost'], currency)} above what was expected; on"
                f" {formats.day(row['peak_date'])} {formats.exact(row['peak_cost'], currency)}"
                f" instead of {formats.exact(row['expected_cost'], currency)}.",
            )
        _drivers(row)
    with right.container(border=True, height="stretch"), states.guarded("The anomaly"):
        _facts(row)
        _triage(row)


def _drivers(row: Mapping[str, Any]) -> None:
    st.markdown("**What drove it**")
    if not row["drivers"]:
        st.caption("Nothing stands out below the service.")
        return
    st.table(
        [
            {
                "Service": formats.escaped(driver.get("service_name") or ""),
                "Resource or usage": formats.escaped(
                    driver.get("resource_id") or driver.get("usage_type") or "n/a"
                ),
                "Region": formats.escaped(driver.get("region_id") or "global"),
                "More by": formats.money(
                    formats.decimal(driver.get("excess_cost")), row["billing_currency"]
                ),
                "Share": formats.percent_of(formats.decimal(driver.get("share"))),
            }
            for driver in row["drivers"][:5]
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption("Against the four weeks before; share of all that grew.")


def _facts(row: Mapping[str, Any]) -> None:
    currency = row["billing_currency"]
    label, color = _SEVERITIES[row["severity"]]
    st.markdown(
        f":{color}-badge[{label}] **{formats.money(row['excess_cost'], currency)}** above what"
        " was expected"
    )
    facts = {
        "Account": formats.escaped(row["account_id"]),
        "Provider": formats.escaped(provider_label(row["provider"])),
        "Days": f"{_days(row)}, {row['flagged_days']} flagged",
        "Worst day": f"{formats.day(row['peak_date'])}:"
        f" {formats.money(row['peak_cost'], currency)} instead of"
        f" {formats.money(row['expected_cost'], currency)}",
        "State": row["state"].capitalize()
        + (f" by {formats.escaped(row['state_by'])}" if row["state_by"] else ""),
    }
    if row["assigned_to"]:
        facts["Looked after by"] = formats.escaped(row["assigned_to"])
    if row["state_note"]:
        facts["Note"] = formats.escaped(row["state_note"])
    st.table(
        [{"": name, " ": value} for name, value in facts.items()],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def _triage(row: Mapping[str, Any]) -> None:
    _costs_link(row)
    if not access.may("triage"):
        return
    anomaly = row["anomaly_id"]
    key = f"note_{anomaly}"
    st.text_input("Note", key=key, placeholder="What it was, who looks after it")
    with st.container(horizontal=True):
        for state, label, icon in (
            ("acknowledged", "Acknowledge", "visibility"),
            ("explained", "Explain", "chat"),
            ("dismissed", "Dismiss", "close"),
            ("open", "Open again", "undo"),
        ):
            if state == row["state"]:
                continue
            st.button(
                label,
                icon=f":material/{icon}:",
                key=f"{state}_{anomaly}",
                on_click=_say,
                args=(anomaly, state, key),
            )
    st.caption("A dismissed anomaly mutes the like of it, up to a quarter larger.")
    _assignment(row)


def _assignment(row: Mapping[str, Any]) -> None:
    people = triage.assignable(row["account_id"])
    anomaly, now = row["anomaly_id"], row["assigned_to"]
    # Who has left stays in the list, or the box would say that it is nobody's.
    options = list(dict.fromkeys([None, *people, now]))
    key = f"assign_{anomaly}_{now}"
    st.selectbox(
        "Looked after by",
        options,
        index=options.index(now),
        key=key,
        format_func=lambda email: "Nobody" if email is None else people.get(email, email),
        on_change=_assign,
        args=(anomaly, key),
        help="People who see its account. It is in the audit log.",
    )


def _assign(anomaly: str, key: str) -> None:
    email = st.session_state.get(key)
    writing.act("triage", lambda actor: triage.assign(anomaly, email, actor))


def _say(anomaly: str, state: Any, key: str) -> None:
    note = st.session_state.get(key, "")
    writing.act("triage", lambda actor: triage.anomaly(anomaly, state, note, actor))


def _costs_link(row: Mapping[str, Any]) -> None:
    wanted = {"account": row["account_id"], "service": row["service_name"]}
    days = list(dict.fromkeys((str(row["start_date"]), str(row["end_date"]))))
    links.jump(
        "The same days in Costs",
        "costs",
        {
            "period": "Custom",
            "dates": days,
            "by": "Region" if row["service_name"] else "Service",
            **({"ccy": row["billing_currency"]} if row["billing_currency"] else {}),
            "basis": "Effective",
            **{key: value for key, value in wanted.items() if value},
        },
    )


def _data_detail(row: Mapping[str, Any]) -> None:
    with st.container(border=True):
        st.subheader(
            f"{_REASONS[row['reason']]}: {formats.escaped(row['account_id'])}", anchor=False
        )
        st.markdown(
            f"{row['flagged_days']} days, {_days(row)}. This says nothing about money: figures of"
            " these days are lacking, or came without any charge."
        )
        st.page_link(
            "views/accounts.py",
            label="The account, and how to ingest its days again",
            icon=":material/arrow_forward:",
            query_params={"open": row["account_id"]},
        )


def what(row: Mapping[str, Any]) -> str:
    """Name what an incident is about; plain text."""
    return str(row["service_name"] or "Whole account")


def _days(row: Mapping[str, Any]) -> str:
    return periods.spell(DayRange(row["start_date"], row["end_date"]))

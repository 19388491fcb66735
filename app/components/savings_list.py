"""The tab of savings: what could cost less, on what evidence, and whether it came true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from app.components import access, cards, formats, links, picked, states, writing
from app.components.cache import ask_now
from app.components.scope import Scope
from app.queries import savings
from app.queries.catalog import provider_label
from app.records import triage

_CONFIDENCES: Final = {"high": "green", "medium": "orange", "low": "gray"}
_REALISED: Final = {
    "realised": "Came true",
    "partly": "Partly",
    "not_realised": "Did not",
    "pending": "Too early to say",
    "unknown": "Cannot be told",
}
_SOURCES: Final = {
    "resource_cost": "its own cost on the bill",
    "usage_rate": "its size at the account's own price",
    "warehouse_cost": "what the warehouse costs",
    "commitment_cost": "what the commitment costs unused",
    "service_cost": "the least that the service costs on any day",
    "unknown_cost": "unknown: the bill names neither the resource nor its price",
    "unknown_share": "unknown: what the change saves is not known",
}


def draw(scope: Scope) -> None:
    """Draw the tab. Raises: DatabaseError."""
    _cards(scope)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "State",
            savings.STATES,
            default=savings.STATES[0],
            key="saving_state",
            bind="query-params",
            required=True,
        )
        kinds = st.multiselect(
            "Kind",
            [row["kind"] for row in ask_now(savings.KINDS)],
            key="kind",
            bind="query-params",
            placeholder="All kinds",
            width=330,
        )
    links.check({"saving_state": [str(state)], "kind": kinds})
    rows = ask_now(savings.compile_list(str(state), kinds, scope.account_ids))
    if not rows:
        states.nothing_here("No finding in this state, of these kinds and accounts.")
        return
    ids = [row["recommendation_id"] for row in rows]
    key = f"savings_{hash(tuple(ids))}_{picked.closed('saving')}"
    with st.container(border=True):
        _table(rows, str(state), key, lambda: picked.choose(key, "saving", ids))
        st.caption(
            "The dearest first, what has no price last: unknown is not zero. A month of 30 days, at"
            " the account's own effective rates."
            + (f" The first {len(rows)}." if len(rows) == savings.ROWS else "")
        )
        with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
            if text.open:
                _as_text(rows)
    _detail(picked.row_of("saving", rows, "recommendation_id"))


def _cards(scope: Scope) -> None:
    rows = ask_now(savings.compile_totals(scope.account_ids))
    with cards.grid(4, 175):
        for row in [each for each in rows if each["saving"] is not None][:2]:
            cards.figure(
                f"Saving, {row['currency']}",
                formats.card(row["saving"], row["currency"]),
                note="a month, open",
                help_text="Advice on one resource overlaps, so only its largest saving counts."
                " Commitments yet to be bought are left out: they cover what the others take away.",
            )
        cards.figure(
            "Open findings",
            f"{sum(row['open'] for row in rows):,}",
            f"{sum(row['unpriced'] for row in rows):,} without a price",
            arrow="off",
        )
        came = [row for row in rows if row["realised"] is not None]
        cards.figure(
            "Came true",
            formats.card(came[0]["realised"], came[0]["currency"]) if came else "none yet",
            f"{sum(row['came_true'] for row in rows):,} findings" if came else None,
            arrow="off",
            help_text="Cost of 30 days before less cost of 30 days after, of what was acted on.",
        )


def _table(rows: Sequence[Mapping[str, Any]], state: str, key: str, on_select: Any) -> None:
    columns = ["Kind", "Resource", "Found", "Account", "Saving", "Cur.", "Confidence", "Since"]
    if state == "All":
        columns.append("State")
    if state not in ("Open", "Dismissed"):
        columns.append("Came true")
    st.dataframe(
        [
            {
                "Kind": kind(row),
                "Resource": row["resource_name"] or row["resource_id"],
                "Found": row["description"],
                "Account": row["account_id"],
                "Saving": row["monthly_saving"],
                "Cur.": row["billing_currency"],
                "Confidence": [row["confidence"].capitalize()],
                "Since": row["first_seen"],
                "State": row["state"].capitalize(),
                "Came true": _REALISED.get(row["realised"]),
            }
            for row in rows
        ],
        hide_index=True,
        column_order=columns,
        key=key,
        height="content" if len(rows) <= 12 else 458,
        placeholder="unknown",
        on_select=on_select,
        selection_mode="single-row",
        alt="Savings, the dearest first; the same as text below",
        column_config={
            "Kind": st.column_config.TextColumn(width=160, pinned=True),
            "Resource": st.column_config.TextColumn(width=140),
            "Found": st.column_config.TextColumn(width=220),
            "Account": st.column_config.TextColumn(width=108),
            "Saving": st.column_config.NumberColumn(
                format="%,.2f", width=82, help="In a month of 30 days"
            ),
            "Cur.": st.column_config.TextColumn(width=70),
            "Confidence": st.column_config.MultiselectColumn(
                width=84,
                options=[each.capitalize() for each in _CONFIDENCES],
                color=list(_CONFIDENCES.values()),
            ),
            "Since": st.column_config.DateColumn(format="D MMM", width=64),
            "State": st.column_config.TextColumn(width=78),
            "Came true": st.column_config.TextColumn(width=90),
        },
    )


def _as_text(rows: Sequence[Mapping[str, Any]]) -> None:
    st.table(
        [
            {
                "Kind": kind(row),
                "Resource": formats.escaped(row["resource_name"] or row["resource_id"]),
                "Account": formats.escaped(row["account_id"]),
                "Saving": _saving(row),
                "Confidence": row["confidence"].capitalize(),
                "State": row["state"].capitalize(),
            }
            for row in rows[:100]
        ],
        border="horizontal",
        hide_index=True,
    )
    if len(rows) > 100:
        st.caption(f"The first 100 of {len(rows)}; choose a kind for the others.")


def _detail(row: Mapping[str, Any]) -> None:
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The evidence"):
        st.subheader(
            f"{kind(row)}: {formats.escaped(row['resource_name'] or row['resource_id'])}",
            anchor=False,
        )
        st.markdown(
            f"{formats.escaped(row['description'])}."
            f" What to do: **{_words(row['action']).lower()}**."
        )
        evidence = dict(row["evidence"] or {})
        caveat = evidence.pop("caveat", None)
        st.table(
            [
                {"": _words(name), " ": formats.escaped(_spelled(name, value))}
                for name, value in evidence.items()
                if value is not None
            ],
            border="horizontal",
            hide_index=True,
            hide_header=True,
        )
        if caveat:
            st.markdown(
                f":orange-badge[:material/warning: Wrong if] :small[{formats.escaped(caveat)}]"
            )
    with right.container(border=True, height="stretch"), states.guarded("The saving"):
        _facts(row)
        _say(row)


def _facts(row: Mapping[str, Any]) -> None:
    color = _CONFIDENCES[row["confidence"]]
    saving = row["monthly_saving"]
    st.markdown(
        f":{color}-badge[{row['confidence'].capitalize()} confidence]"
        + (
            f" **{formats.money(saving, row['billing_currency'])}** a month"
            if saving is not None
            else " Saving unknown"
        )
    )
    facts = {
        "Costs a month": formats.money(row["monthly_cost"], row["billing_currency"] or ""),
        "Known by": _SOURCES[row["saving_source"]],
        "Account": formats.escaped(row["account_id"]),
        "Provider": formats.escaped(provider_label(row["provider"])),
        "Region": formats.escaped(row["region_id"] or "global"),
        "Id": formats.escaped(row["resource_id"]),
        "Seen": f"{formats.day(row['first_seen'])} to {formats.day(row['last_seen'])}",
    }
    if row["ended_on"] is not None:
        facts["Ended"] = formats.day(row["ended_on"])
        facts["Came true"] = _REALISED.get(row["realised"], "n/a") + (
            f", {formats.money(row['realised_saving'], row['billing_currency'])} a month"
            if row["realised_saving"] is not None
            else ""
        )
    if row["state_note"]:
        by = f" ({formats.escaped(row['state_by'])})" if row["state_by"] else ""
        facts["Note"] = formats.escaped(row["state_note"]) + by
    st.table(
        [{"": name, " ": value} for name, value in facts.items()],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def _say(row: Mapping[str, Any]) -> None:
    finding, key = row["recommendation_id"], f"saving_note_{row['recommendation_id']}"
    if row["state"] not in ("open", "dismissed") or not access.may("triage"):
        return
    is_open = row["state"] == "open"
    st.text_input("Why", key=key, placeholder="Kept, so that nobody looks at it again")
    st.button(
        "Dismiss" if is_open else "Look at it again",
        icon=":material/close:" if is_open else ":material/undo:",
        key=f"saving_say_{finding}",
        on_click=_set,
        args=(finding, "dismissed" if is_open else "open", key),
    )


def _set(finding: str, state: Any, key: str) -> None:
    note = st.session_state.get(key, "")
    writing.act("triage", lambda actor: triage.saving(finding, state, note, actor))


def kind(row: Mapping[str, Any]) -> str:
    """Spell what was found."""
    return _words(row["kind"])


def _saving(row: Mapping[str, Any]) -> str:
    if row["monthly_saving"] is None:
        return "unknown"
    return formats.money(row["monthly_saving"], row["billing_currency"])


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _spelled(name: str, value: Any) -> str:
    if name.endswith("_share"):
        return formats.percent_of(formats.decimal(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{_words(key).lower()} {each}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)

"""The tab of alerts: what was raised, whom it reached, and who looks after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from app.components import access, cards, formats, limits, links, picked, states, writing
from app.components.scope import Scope
from app.queries import periods
from app.records import alerts as records
from app.records.alerts import Raised
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.alert_outbox import Sent

_SEVERITIES: Final = {
    "critical": ("Critical", "red"),
    "warning": ("Warning", "orange"),
    "info": ("Info", "gray"),
}
_FATES: Final = {
    "sent": ("Sent", "green", "check"),
    "pending": ("Waiting", "gray", "schedule"),
    "sending": ("On its way", "gray", "send"),
    "failed": ("Tried again", "orange", "refresh"),
    "dead": ("Given up", "red", "error"),
}


def draw(scope: Scope) -> None:
    """Draw the tab. Raises: DatabaseError."""
    state = st.segmented_control(
        "State",
        records.STATES,
        default=records.STATES[0],
        key="alert_state",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    links.check({"alert_state": [str(state)]})
    rows = records.listed(str(state), _seen(scope))
    _cards(rows, str(state))
    if not rows:
        states.nothing_here("No alert in this state. Rules raise them after each build.")
        return
    ids = [row.alert.id for row in rows]
    key = f"alerts_{hash(tuple(ids))}_{picked.closed('alert')}"
    with st.container(border=True):
        _table(rows, str(state), key, lambda: picked.choose(key, "alert", ids))
        st.caption(
            f"The newest first{f', {len(rows)} at most' if len(rows) == records.ROWS else ''}."
            " Figures as they were when the alert was raised; raised in UTC."
        )
        with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
            if text.open:
                _as_text(rows)
    asked = picked.of("alert")
    found = [row for row in rows if row.alert.id == asked]
    links.check({"alert": [asked] if asked and found else []})
    _detail(found[0] if found else rows[0])


def _seen(scope: Scope) -> tuple[str, ...] | None:
    """Return the accounts to show alerts of: who sees some accounts alone, gets those alone."""
    seen = limits.accounts()
    return scope.account_ids if seen is None or scope.account_ids else tuple(seen)


def _cards(rows: Sequence[Raised], state: str) -> None:
    fates = [fate for row in rows for fate in row.fates]
    with cards.grid(4, 175):
        cards.figure(
            "Alerts" if state == "All" else f"{state} alerts",
            f"{len(rows):,}",
            f"{sum(row.alert.severity == 'critical' for row in rows):,} critical",
            arrow="off",
        )
        for label, wanted, about in (
            ("Sent", ("sent",), "Messages that a channel took."),
            ("Waiting", ("pending", "sending", "failed"), "Due later, or tried again."),
            ("Given up", ("dead",), "No channel took them; they can be sent again."),
        ):
            cards.figure(label, f"{sum(fate.state in wanted for fate in fates):,}", help_text=about)


def _table(rows: Sequence[Raised], state: str, key: str, on_select: Any) -> None:
    columns = ["About", "Found", "Severity", "Raised", "Rule", "Messages"]
    st.dataframe(
        [
            {
                "About": row.about,
                "Found": row.found,
                "Severity": [_SEVERITIES[row.alert.severity][0]],
                "Raised": row.alert.raised_at,
                "Rule": row.alert.rule_name,
                "State": row.state.capitalize(),
                "Messages": _messages(row.fates),
            }
            for row in rows
        ],
        hide_index=True,
        column_order=[*columns, "State"] if state == records.STATES[-1] else columns,
        key=key,
        height="content" if len(rows) <= 12 else 458,
        placeholder="",
        on_select=on_select,
        selection_mode="single-row",
        alt="Alerts, the newest first; the same as text below",
        column_config={
            "About": st.column_config.TextColumn(width=236, pinned=True),
            "Found": st.column_config.TextColumn(width=280),
            "Severity": st.column_config.MultiselectColumn(
                width=82,
                options=[label for label, _ in _SEVERITIES.values()],
                color=[color for _, color in _SEVERITIES.values()],
            ),
            "Raised": st.column_config.DatetimeColumn(
                format="D MMM HH:mm", timezone="UTC", width=100
            ),
            "Rule": st.column_config.TextColumn(width=124),
            "State": st.column_config.TextColumn(width=70),
            "Messages": st.column_config.TextColumn(width=124),
        },
    )


def _as_text(rows: Sequence[Raised]) -> None:
    st.table(
        [
            {
                "Alert": formats.escaped(f"{row.about}: {row.found}"),
                "Severity": _SEVERITIES[row.alert.severity][0],
                "Raised": formats.moment(row.alert.raised_at),
                "Rule": formats.escaped(row.alert.rule_name),
                "State": row.state.capitalize(),
                "Messages": formats.escaped(_messages(row.fates)),
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )


def _messages(fates: Sequence[Sent]) -> str:
    if not fates:
        return "No channel"
    return ", ".join(f"{fate.channel}: {_FATES[fate.state][0].lower()}" for fate in fates)


def _detail(row: Raised) -> None:
    alert = row.alert
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The alert"):
        label, color = _SEVERITIES[alert.severity]
        st.subheader(formats.escaped(row.about), anchor=False)
        st.markdown(f":{color}-badge[{label}] {formats.escaped(row.found)}")
        facts = {
            "Rule": formats.escaped(alert.rule_name),
            "Period": periods.spell(DayRange(alert.period_start, alert.period_end)),
            "About": formats.escaped(
                "; ".join(
                    f"{key.replace('_', ' ')} {', '.join(of)}" for key, of in alert.scope.items()
                )
                or "all accounts"
            ),
            "Found": _value(row, "observed_value"),
            "Threshold": _value(row, "threshold_value"),
            "To be expected": _value(row, "expected_value"),
            "Data": formats.escaped(alert.data_state or "n/a"),
            "State": row.state.capitalize()
            + (f" by {formats.escaped(row.state_by)}" if row.state_by else ""),
        }
        if row.state_note:
            facts["Note"] = formats.escaped(row.state_note)
        st.table(
            [{"": name, " ": value} for name, value in facts.items()],
            border="horizontal",
            hide_index=True,
            hide_header=True,
        )
        links.jump("The same in Costs", "costs", records.costs_of(alert))
    with right.container(border=True, height="stretch"), states.guarded("The messages"):
        st.subheader("Messages", anchor=False)
        _fates(row.fates)
        if access.may("triage"):
            st.subheader("Look after it", anchor=False)
            _say(row)


def _value(row: Raised, name: str) -> str:
    value, alert = getattr(row.alert, name), row.alert
    if value is None:
        return "n/a"
    if alert.unit == "currency" and alert.billing_currency:
        return formats.money(value, alert.billing_currency)
    return f"{formats.spelled(value)} {alert.unit}"


def _fates(fates: Sequence[Sent]) -> None:
    if not fates:
        st.caption("The rule has no channel: the alert is only here.")
    for fate in fates:
        label, color, icon = _FATES[fate.state]
        st.markdown(
            f":{color}-badge[:material/{icon}: {label}] **{formats.escaped(fate.channel)}**"
        )
        st.caption(_fate(fate))
    if any(fate.state == "dead" for fate in fates) and access.may("triage"):
        st.button(
            "Send all that was given up again",
            icon=":material/refresh:",
            key="alert_retry",
            on_click=writing.act,
            args=("triage", records.retry),
        )


def _fate(fate: Sent) -> str:
    parts = []
    if fate.sent_at is not None:
        parts.append(f"Taken {formats.moment(fate.sent_at)} UTC.")
    elif fate.state in ("pending", "failed"):
        parts.append(f"Leaves {formats.moment(fate.next_attempt_at)} UTC, while Dagster runs.")
    if fate.kind != "alert":
        parts.append("Together with others in one message.")
    if fate.last_error:
        parts.append(f"{formats.escaped(fate.last_error)} ({fate.attempts} attempts)")
    if fate.is_repeat_possible:
        parts.append("It may arrive twice: an attempt ended without an answer.")
    return " ".join(parts)


def _say(row: Raised) -> None:
    alert, key = row.alert.id, f"alert_note_{row.alert.id}"
    st.text_input("Note", key=key, placeholder="Kept with the alert")
    with st.container(horizontal=True):
        for state, label, icon in (
            ("acknowledged", "Acknowledge", "visibility"),
            ("resolved", "Resolve", "task_alt"),
            ("open", "Open again", "undo"),
        ):
            if state != row.state:
                st.button(
                    label,
                    icon=f":material/{icon}:",
                    key=f"alert_{state}_{alert}",
                    on_click=_set,
                    args=(alert, state, key),
                )


def _set(alert: str, state: str, key: str) -> None:
    note = st.session_state.get(key, "")
    writing.act("triage", lambda actor: records.say(alert, state, note, actor))

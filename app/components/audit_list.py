"""The audit log: who did what, by day, person and kind; as CSV, too."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Final

import streamlit as st

from app.auth.principal import Principal
from app.components import access, downloads, states
from app.records import people

# Labels are what the address says; values the beginning of an action.
KINDS: Final = {
    "Everything": "",
    "Sign-ins": "session.",
    "People": "user.",
    "Links": "link.",
    "Accounts": "account",
    "Budgets": "budget",
    "Alerts": "alert",
    "Allocation": "allocation",
    "Anomalies": "anomaly",
    "Exports": "export",
    "Views": "view.",
}
_DAYS: Final = 7


def draw() -> None:
    """Draw the tab. Raises: DatabaseError."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            first, last = _days()
            kind = st.selectbox("Kind", list(KINDS), key="kind", bind="query-params", width=190)
            actor = st.text_input("Who", key="by_whom", placeholder="Anybody", width=240)
        found = people.entries(first, last, actor=actor.strip() or None, action=KINDS[kind])
        if not found:
            states.nothing_here("Nothing of that kind happened in these days.")
            return
        st.dataframe(
            [
                {
                    "At": each.at,
                    "Who": each.actor,
                    "Did": each.action,
                    "To": each.subject,
                    "Detail": json.dumps(dict(each.detail), ensure_ascii=False, default=str),
                }
                for each in found
            ],
            hide_index=True,
            height=560 if len(found) > 14 else "content",
            placeholder="",
            alt="The audit log, the newest first",
            column_config={
                "At": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", timezone="UTC")
            },
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            more = f" The newest {people.MOST_ENTRIES:,}; choose fewer days for more."
            st.caption(
                f"{len(found):,} lines, times in UTC."
                + (more if len(found) == people.MOST_ENTRIES else "")
            )
            downloads.button(
                "CSV",
                f"audit_{first}_{last}.csv",
                "text/csv",
                lambda who: _csv(who, first, last, actor.strip(), KINDS[kind]),
                about="These lines with the whole time of each",
            )


def _days() -> tuple[date, date]:
    today = datetime.now(UTC).date()
    default = (today - timedelta(days=_DAYS - 1), today)
    picked = st.date_input("Days (UTC)", default, key="audit_days", width=230)
    chosen = picked if isinstance(picked, tuple) else (picked,)
    return (chosen[0], chosen[-1]) if chosen else default


def _csv(who: Principal, first: date, last: date, actor: str, action: str) -> str:
    access.still(who.session, "audit")
    return people.entries_csv(
        people.entries(first, last, actor=actor or None, action=action or None)
    )

"""A page's title with its scope and how far the data goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.components import formats
from app.components.scope import Scope


def draw(title: str, scope: Scope, sentence: str | None = None) -> DeltaGenerator:
    """Draw title, a sentence (the scope's unless said) and the badge with the accounts' states.

    Returns the place in its row where the page's saved views belong.
    """
    late = late_accounts(scope)
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with row:
        st.title(title, anchor=False, width="stretch")
        if late:
            st.badge(f"{len(late)} late", icon=":material/schedule:", color="orange")
        with st.popover(
            f"Data through {formats.day(scope.through)}",
            type="tertiary",
            icon=":material/event_available:",
        ):
            _accounts(scope)
        slot = st.container(width="content")
    st.caption(scope.sentence() if sentence is None else sentence)
    return slot


def late_accounts(scope: Scope) -> list[dict[str, Any]]:
    """Return the active accounts that are more than two days behind the newest."""
    newest = max(row["data_through"] for row in scope.known if row["data_through"])
    return [
        row
        for row in scope.known
        if row["state"] == "active"
        and not row["is_billed_elsewhere"]
        and (row["data_through"] is None or newest - row["data_through"] > timedelta(days=2))
    ]


def _accounts(scope: Scope) -> None:
    st.markdown("**How far each account goes**")
    st.table(
        [
            {
                "Account": row["account_id"],
                "Data through": "billed elsewhere"
                if row["is_billed_elsewhere"]
                else formats.day(row["data_through"]),
                "Final through": formats.day(row["final_through"]),
                "Held back": f"{row['blocked_days'] or 0} days",
            }
            for row in scope.known
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        "Final: by the provider's own rule, or invoiced. Held back: days with rows in quarantine,"
        " refused, or not tying out; their newest delivery is in no figure."
    )

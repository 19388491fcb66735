"""A page's title with its scope and how far the data goes."""

from __future__ import annotations

import streamlit as st

from app.components import formats
from app.components.scope import Scope


def draw(title: str, scope: Scope) -> None:
    """Draw title, scope sentence and the badge with each account's state behind it."""
    left, right = st.columns([4, 1.3], vertical_alignment="bottom")
    with left:
        st.title(title, anchor=False)
        st.caption(scope.sentence())
    with right, st.popover(f"Data through {formats.day(scope.through)}", width="stretch"):
        st.markdown("**How far each account goes**")
        st.dataframe(
            [
                {
                    "Account": row["account_id"],
                    "Delivered through": row["data_through"],
                    "Final through": row["final_through"],
                    "Held back": row["blocked_days"],
                }
                for row in scope.known
            ],
            hide_index=True,
        )
        st.caption("Held back: days blocked by rows in quarantine or refused as suspicious.")

"""Who is signed in now, and the way to end that."""

from __future__ import annotations

import streamlit as st

from app.components import picked, writing
from app.records import people


def draw() -> None:
    """Draw the tab. Raises: DatabaseError."""
    rows = people.signed_in()
    key = f"sessions_{len(rows)}_{picked.closed('session')}"
    with st.container(border=True):
        st.subheader(f"{len(rows)} sessions", anchor=False)
        st.dataframe(
            [
                {
                    "Email": each.email,
                    "By": each.method,
                    "Address": each.address,
                    "Browser": each.user_agent,
                    "Since": each.created_at,
                    "Last seen": each.last_seen_at,
                    "Ends": each.expires_at,
                }
                for each in rows
            ],
            hide_index=True,
            key=key,
            on_select="rerun",
            selection_mode="multi-row",
            placeholder="",
            alt="Sessions that live, the latest seen first",
            column_config={
                name: st.column_config.DatetimeColumn(format="D MMM HH:mm", timezone="UTC")
                for name in ("Since", "Last seen", "Ends")
            },
        )
        chosen = [
            rows[number].id for number in st.session_state[key].selection.rows if number < len(rows)
        ]
        st.button(
            f"End {len(chosen)} session{'' if len(chosen) == 1 else 's'}",
            icon=":material/block:",
            disabled=not chosen,
            on_click=end,
            args=(chosen,),
        )
        st.caption(
            "Mark the rows first. A session ends after 60 minutes without a click, and after 12"
            " hours. Times in UTC."
        )


def end(chosen: list[object]) -> None:
    """End these sessions; for callbacks."""

    def change(actor: str) -> str:
        for session_id in chosen:
            people.revoke(session_id, actor)  # type: ignore[arg-type] # ids of the table
        return f"{len(chosen)} ended, in every open tab."

    writing.attempt("users", change)
    picked.close("session")

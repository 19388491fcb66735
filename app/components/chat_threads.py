"""The threads of who is signed in, newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from app.auth.principal import Principal
from app.components import chat_session, formats
from app.records import chat


def draw(who: Principal, here: UUID, *, is_open: bool) -> None:
    """Draw a button for each thread, and where the chat `is_open` one for a new thread."""
    if is_open:
        st.button("New thread", icon=":material/add:", on_click=chat_session.begin, width="stretch")
    with st.container(key="chat_threads", gap="xxsmall"):
        last = ""
        for each in chat.threads(who.email):
            if (day := _day(each.last_at)) != last:
                st.caption(day)
                last = day
            st.button(
                formats.escaped(_short(each.title)),
                key=f"thread_{each.session_id}",
                type="secondary" if each.session_id == here else "tertiary",
                on_click=chat_session.open_thread,
                args=(each.session_id,),
                width="stretch",
            )


def _day(at: datetime) -> str:
    days = (datetime.now(UTC).date() - at.astimezone(UTC).date()).days
    return {0: "Today", 1: "Yesterday"}.get(days, "Last 7 days" if days < 7 else "Earlier")


def _short(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= 48 else f"{line[:47]}…"

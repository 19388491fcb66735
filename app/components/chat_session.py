"""What a tab keeps of its chat: the open thread, and what is asked or decided by a button."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

import streamlit as st

KEY: Final = "thread"
_QUESTION: Final = "chat_question"
_DECISION: Final = "chat_decision"
_UNASKED: Final = "chat_unasked"


def here() -> UUID:
    """Return the thread of the address, else of this tab; else a new one."""
    asked = st.query_params.get(KEY)
    if asked is not None:
        try:
            st.session_state.chat_thread = UUID(asked)
        except ValueError:
            st.query_params.pop(KEY, None)
    if "chat_thread" not in st.session_state:
        st.session_state.chat_thread = uuid4()
    found: UUID = st.session_state.chat_thread
    return found


def begin() -> None:
    """Open a new thread."""
    st.session_state.chat_thread = uuid4()
    st.query_params.pop(KEY, None)


def open_thread(thread: UUID) -> None:
    """Open a thread, and name it in the address."""
    st.session_state.chat_thread = thread
    st.query_params[KEY] = str(thread)


def ask(question: str) -> None:
    """Have a question asked in this run as if it were typed."""
    st.session_state[_QUESTION] = question


def decide(thread: UUID, message_id: UUID, is_approved: bool) -> None:
    """Have what an answer waits for approved or refused in this run, in its own thread.

    A browser may still send the address of the thread before, where somebody is quick.
    """
    open_thread(thread)
    st.session_state[_DECISION] = (message_id, is_approved)


def asked() -> str | None:
    """Return the question of a button, once."""
    found: str | None = st.session_state.pop(_QUESTION, None)
    return found


def decided() -> tuple[UUID, bool] | None:
    """Return whose approval was decided and how, once."""
    found: tuple[UUID, bool] | None = st.session_state.pop(_DECISION, None)
    return found


def keep(question: str) -> None:
    """Keep a question that was not asked, as the file that it came with was not read."""
    st.session_state[_UNASKED] = (here(), question)


def unasked() -> str | None:
    """Return the question of the open thread that was kept, until another one is asked."""
    thread, question = st.session_state.get(_UNASKED, (None, None))
    return question if thread == here() else None


def forget_unasked() -> None:
    """Forget the question that was kept: something has been asked since."""
    st.session_state.pop(_UNASKED, None)

"""Changes that people make: who, whether they may, and what the page says afterwards."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.auth.permissions import Permission
from app.components import access, cache, formats
from astraeus_pipeline.errors import AstraeusError


def actor(permission: Permission) -> str:
    """Return who acts, for the audit log. Raises: ForbiddenError if they may not."""
    return access.require(permission).email


def attempt(permission: Permission, change: Callable[[str], str]) -> bool:
    """Make a change and keep its sentence for the page; False, and why, where it cannot be.

    `change` gets the name of who acts. The permission is asked for here, in the callback: a button
    that is not drawn keeps nobody out.
    """
    try:
        sentence = change(actor(permission))
    except AstraeusError as error:
        st.session_state.notice = ("error", str(error))
        return False
    st.session_state.notice = ("success", sentence)
    cache.forget()
    return True


def act(permission: Permission, change: Callable[[str], str]) -> None:
    """Make a change as `attempt` does; for callbacks, which return nothing."""
    attempt(permission, change)


def say() -> None:
    """Say what became of the last change, once."""
    kind, sentence = st.session_state.pop("notice", (None, ""))
    if kind == "error":
        st.error(formats.escaped(sentence), icon=":material/error:")
    elif kind == "success":
        st.success(formats.escaped(sentence), icon=":material/check_circle:")

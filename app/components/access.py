"""Who is at this page, and what they may do: asked first in every run, and by every callback."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import Final, NoReturn
from urllib.parse import urlencode, urlsplit

import streamlit as st

from app.auth import store
from app.auth.cookies import COOKIE, key_of
from app.auth.permissions import Permission
from app.auth.principal import Principal
from app.components import formats
from astraeus_pipeline.errors import DatabaseError, ForbiddenError

# A fragment that runs by itself asks the database again after this long.
_FRESH_SECONDS: Final = 5
_KEPT: Final = "_principal"
# The database notes a sign of life once a minute at most; asking it to for every click is in vain.
_SECONDS_BETWEEN_SIGNS: Final = 30
_SEEN: Final = "_seen"


def principal() -> Principal:
    """Return who is signed in; if the session has ended, say so and stop the run.

    The first call of each full run asks the database and counts as a sign of life.
    Raises: DatabaseError.
    """
    found = _look_up()
    if found is None:
        _ended()
    if monotonic() - st.session_state.get(_SEEN, 0.0) > _SECONDS_BETWEEN_SIGNS:
        store.seen(found.session)
        st.session_state[_SEEN] = monotonic()
    return found


def current() -> Principal:
    """Return who is signed in, as of a few seconds ago; for fragments, callbacks and queries.

    Raises: DatabaseError.
    """
    return _kept() or _look_up() or _ended()


def require(permission: Permission) -> Principal:
    """Return who is signed in, if they may. Callbacks and exports call it; pages call `page_for`.

    Asks the database, so that a role that has been taken away does not act once more.
    Raises: ForbiddenError for the page to show, DatabaseError.
    """
    return _permitted(_look_up(), permission)


def still(session: str, permission: Permission) -> Principal:
    """Return whose session this is, if they may: for downloads, which no run of a page makes.

    Raises: ForbiddenError, DatabaseError.
    """
    return _permitted(store.live(session), permission)


def _permitted(found: Principal | None, permission: Permission) -> Principal:
    if found is None:
        raise ForbiddenError("Your session has ended.", hint="Sign in again.")
    if not found.may(permission):
        raise ForbiddenError(
            f"Your role ({found.role_name}) may not do this.",
            hint="Ask an administrator for another.",
        )
    return found


def page_for(permission: Permission) -> Principal:
    """Return who is signed in, if this page is for them; otherwise say so and stop the run.

    Pages are drawn in full runs, which have asked the database at their beginning.
    Raises: DatabaseError.
    """
    try:
        return _permitted(_kept() or _look_up(), permission)
    except ForbiddenError as error:
        st.error(str(error), icon=":material/lock:")
        st.stop()


def by_account_only() -> None:
    """Say that a page is about accounts, and stop, for who sees what is allocated to teams.

    Raises: DatabaseError.
    """
    who = current()
    if who.is_by_team:
        st.info(
            f"You see {formats.escaped(who.scope)}. This page tells of whole accounts; Dashboard,"
            " Costs and Budgets tell of what is allocated to you.",
            icon=":material/groups:",
        )
        st.stop()


def may(permission: Permission) -> bool:
    """Whether to draw what a permission is needed for; drawing is no control, `require` is."""
    return current().may(permission)


def draw(who: Principal) -> None:
    """Draw who is signed in, and the way out, in the sidebar."""
    with st.sidebar:
        _watch(who.session)
        st.markdown(f"**{formats.escaped(who.name)}**")
        sees = "" if not who.grants else f", sees {formats.escaped(who.scope)}"
        st.caption(f"{who.role_name}{sees}")
        st.button("Sign out", icon=":material/logout:", on_click=_sign_out, width="stretch")


@st.fragment(run_every="60s")
def _watch(key: str) -> None:
    """End an open tab within a minute after its session; looking is no sign of life."""
    if _kept() is not None:  # a full run has just asked
        return
    with suppress(DatabaseError):
        if store.live(key) is None:
            st.rerun()


def _sign_out() -> None:
    store.end(current().session)
    st.session_state.pop(_KEPT, None)


def _kept() -> Principal | None:
    """Return who was found a few seconds ago at most."""
    kept: tuple[float, Principal] | None = st.session_state.get(_KEPT)
    is_fresh = kept is not None and monotonic() - kept[0] < _FRESH_SECONDS
    return kept[1] if kept is not None and is_fresh else None


def _look_up() -> Principal | None:
    found = store.live(_session_key())
    if found is None:
        st.session_state.pop(_KEPT, None)
    else:
        st.session_state[_KEPT] = (monotonic(), found)
    return found


def _session_key() -> str | None:
    """Return the key that the gate put into the headers; behind another server the cookie's."""
    key = st.user.get("session")
    if isinstance(key, str) and key:
        return key
    token = st.context.cookies.get(COOKIE)
    return key_of(token) if isinstance(token, str) and token else None


def _ended() -> NoReturn:
    st.title("Signed out", anchor=False)
    st.info("Your session has ended, or you have signed out.", icon=":material/lock:")
    here = urlsplit(st.context.url or "/")
    back = f"{here.path}?{here.query}" if here.query else here.path
    st.link_button("Sign in", f"/signin?{urlencode({'next': back})}", icon=":material/login:")
    st.stop()

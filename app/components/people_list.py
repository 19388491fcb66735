"""Who may sign in: a list, one person in detail, and the form that adds another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import streamlit as st

from app.auth.principal import ROLE_NAMES
from app.components import access, drawers, formats, picked, writing
from app.components.cache import ask
from app.queries import listings
from app.records import people
from astraeus_pipeline.contracts.people import ROLES, Grant, Role
from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.users import User

_LINK: Final = "one_time_link"
_MAY: Final = {
    "viewer": "reads",
    "analyst": "also exports, saves views and chats",
    "budget_owner": "also edits budgets and rules, and judges anomalies and alerts",
    "admin": "also adds accounts and people, and reads the audit log",
}


def draw() -> None:
    """Draw the tab. Raises: DatabaseError."""
    known = people.people()
    _new_link()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            active = sum(each.is_active for each in known)
            st.subheader("1 person" if active == 1 else f"{active} people", anchor=False)
            st.space("stretch")
            st.button(
                "Add a person",
                icon=":material/person_add:",
                on_click=drawers.open_,
                args=("person",),
            )
        key = f"people_{len(known)}_{picked.closed('person')}"
        _table(
            known,
            key=key,
            on_select=lambda: picked.choose(key, "person", [each.email for each in known]),
        )
        st.caption("Select a row to change role, scope or state. Times in UTC.")
    asked = picked.of("person")
    chosen = next((each for each in known if each.email == asked), None)
    if chosen is not None:
        with st.container(border=True):
            _detail(chosen)


def draw_form() -> None:
    """Draw the form that adds a person, if it is open."""
    drawers.draw({"person": ("Add a person", _form)})


def _table(known: Sequence[User], *, key: str, on_select: Any) -> None:
    st.dataframe(
        [
            {
                "Name": each.name,
                "Email": each.email,
                "Role": ROLE_NAMES[each.role],
                "Sees": ", ".join(map(str, each.grants)) or "everything",
                "State": "active" if each.is_active else "deactivated",
                "Signs in by": each.issuer or ("password" if each.has_password else "link"),
                "Last seen": each.last_seen_at,
            }
            for each in known
        ],
        hide_index=True,
        key=key,
        on_select=on_select,
        selection_mode="single-row",
        placeholder="never",
        alt="People who may sign in, by email",
        column_config={
            "Last seen": st.column_config.DatetimeColumn(format="D MMM HH:mm", timezone="UTC")
        },
    )


def _detail(user: User) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(formats.escaped(user.name), anchor=False, width="stretch")
        st.button(
            "Close",
            icon=":material/close:",
            type="tertiary",
            on_click=picked.close,
            args=("person",),
        )
    role = _role("Role", user.role, key=f"role_{user.email}")
    grants = _grants(user.grants, key=f"grants_{user.email}")
    with st.container(horizontal=True):
        st.button(
            "Save",
            type="primary",
            on_click=_attempt,
            args=(lambda actor: people.change(user, role, grants, actor),),
        )
        if user.is_active:
            st.button("New one-time link", on_click=_give_link, args=(user.email,))
        st.button(
            "Deactivate" if user.is_active else "Activate",
            on_click=_attempt,
            args=(lambda actor: people.set_active(user.email, not user.is_active, actor),),
        )
    st.caption("Each change ends the person's sessions and is in the audit log.")


def _form(_: Any) -> None:
    email = st.text_input("Email", key="person_email", autocomplete="off")
    name = st.text_input("Name", key="person_name", autocomplete="off")
    role = _role("Role", "viewer", key="person_role")
    grants = _grants((), key="person_grants")
    st.caption("They get a link that works once, for a day. It is shown after this, only once.")
    if st.button("Add and make a link", type="primary"):

        def change(actor: str) -> str:
            _show_link(people.add(email, name, role, grants, actor), email)
            return f"Added {email}."

        drawers.finish(writing.attempt("users", change))


def _role(label: str, standing: Role, *, key: str) -> Role:
    chosen = st.selectbox(
        label,
        ROLES,
        index=ROLES.index(standing),
        key=key,
        format_func=lambda role: f"{ROLE_NAMES[role]}: {_MAY[role]}",
    )
    return chosen or standing


def _grants(standing: Sequence[Grant], *, key: str) -> list[Grant]:
    teams: list[str] = []
    with suppress(DatabaseError):  # people are added before the first bill, too
        teams = [row["team"] for row in ask(listings.TEAMS)]
    # What has gone since stays in the list, or saving would take it away unasked.
    there = list(dict.fromkeys([*people.grants_there_are(teams), *standing]))
    return st.multiselect(
        "Sees",
        there,
        default=list(standing),
        key=key,
        format_func=str,
        placeholder="Everything",
        help="Nothing chosen: everything. Several: all that any of them lets them see.",
    )


def _attempt(change: Any) -> None:
    writing.attempt("users", change)


def _give_link(email: str) -> None:
    def change(actor: str) -> str:
        _show_link(people.new_link(email, actor), email)
        return f"Made a link for {email}; earlier ones work no more."

    writing.attempt("users", change)


def _show_link(token: str, email: str) -> None:
    here = urlsplit(st.context.url or "")
    base = Settings.from_env().app_url or f"{here.scheme}://{here.netloc}"
    st.session_state[_LINK] = (email, f"{base.rstrip('/')}/signin/link?t={token}")


def _new_link() -> None:
    kept = st.session_state.get(_LINK)
    if kept is None:
        return
    access.page_for("users")
    with st.container(border=True):
        st.markdown(f"**One-time link for {formats.escaped(kept[0])}**, for a day. Pass it on:")
        st.code(kept[1], language=None, wrap_lines=True)
        st.button("I have it", on_click=lambda: st.session_state.pop(_LINK, None))

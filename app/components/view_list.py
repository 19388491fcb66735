"""The saved views of a page: in the header's row, to open, save, rename, share and delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import streamlit as st

from app.components import access, formats, links, states, writing
from app.components.cache import ask
from app.queries import listings
from app.records import views as records
from app.records.views import EVERYBODY, View

_PATHS: Final = {"dashboard": ""}
_EDITED: Final = "view_edited"
_DAYS: Final = ("Move on with new data", "Stay fixed")


def draw(slot: Any, page: str, fixed: Mapping[str, list[str]] | None = None) -> None:
    """Draw the popover of a page's views into the slot that the header left.

    `fixed` are the parameters that fix the page's days, where it has any. Raises: DatabaseError.
    """
    with slot:
        _popover(page, fixed)


@st.fragment
def _popover(page: str, fixed: Mapping[str, list[str]] | None) -> None:
    with st.popover(
        "Views",
        icon=":material/bookmark:",
        type="tertiary",
        key="views",
        on_change="rerun",
        help="Views of this page, yours and those shared with you",
    ) as popover:
        if popover.open:
            with states.guarded("The views"):
                writing.say()
                _contents(page, fixed)


def _contents(page: str, fixed: Mapping[str, list[str]] | None) -> None:
    who = access.current()
    found = records.listed(who.email, page)
    st.markdown("**Saved views of this page**")
    if not found:
        st.caption("None yet.")
    for view in found:
        _line(view, page)
    if not who.may("views"):
        return
    edited = next((view for view in found if view.id == st.session_state.get(_EDITED)), None)
    st.divider()
    if edited is not None and edited.is_own:
        _edit(edited)
    else:
        _save(page, fixed)


def _line(view: View, page: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        with st.container(width="stretch"):
            links.jump(view.name, _PATHS.get(page, page), view.query)
            st.caption(_shared(view))
        if view.is_own and access.may("views"):
            st.button(
                "Edit",
                key=f"view_edit_{view.id}",
                type="tertiary",
                help=f"Rename or share {formats.escaped(view.name)}",
                on_click=_open,
                args=(view.id,),
            )
            st.button(
                "Delete",
                key=f"view_delete_{view.id}",
                type="tertiary",
                help=f"Delete {formats.escaped(view.name)}",
                on_click=writing.act,
                args=("views", lambda actor: records.delete(actor, view.id)),
            )


def _shared(view: View) -> str:
    with_whom = {None: "only you", EVERYBODY: "everybody"}.get(
        view.shared_with, f"team {view.shared_with}"
    )
    if view.is_own:
        return formats.escaped(f"Yours, for {with_whom}")
    return formats.escaped(f"{view.owner}'s, for {with_whom}")


def _save(page: str, fixed: Mapping[str, list[str]] | None) -> None:
    st.text_input("Save this view as", key="view_name", placeholder="After what it shows")
    _sharing("view_shared", None)
    if fixed is not None:
        st.segmented_control("Its days", _DAYS, default=_DAYS[0], key="view_days", required=True)
    st.button(
        "Save the view",
        icon=":material/check:",
        key="view_save",
        on_click=_keep,
        args=(page, fixed),
    )
    st.caption("It keeps what is asked, no figures: who opens it sees what they may see.")


def _edit(view: View) -> None:
    st.text_input("Name", view.name, key=f"view_name_{view.id}")
    _sharing(f"view_shared_{view.id}", view.shared_with)
    with st.container(horizontal=True):
        st.button(
            "Save changes",
            icon=":material/check:",
            key="view_change",
            on_click=_change,
            args=(view,),
        )
        st.button("Cancel", key="view_cancel", on_click=_close)


def _sharing(key: str, standing: str | None) -> None:
    who = access.current()
    teams = [grant.value for grant in who.grants if grant.kind == "team"]
    if not who.grants:
        teams = [row["team"] for row in ask(listings.TEAMS)]
    options = list(dict.fromkeys([None, EVERYBODY, *teams, standing]))
    st.selectbox("For", options, index=options.index(standing), key=key, format_func=_for)


def _for(shared: str | None) -> str:
    return {None: "Only me", EVERYBODY: "Everybody"}.get(shared, f"Team {shared}")


def _keep(page: str, fixed: Mapping[str, list[str]] | None) -> None:
    state = st.session_state
    query = links.standing()
    if fixed is not None and state.get("view_days") == _DAYS[1]:
        query = {**query, **fixed}
    name, shared = state.get("view_name", ""), state.get("view_shared")
    if writing.attempt("views", lambda actor: records.save(actor, page, name, query, shared)):
        state.view_name = ""


def _change(view: View) -> None:
    name = st.session_state.get(f"view_name_{view.id}", "")
    shared = st.session_state.get(f"view_shared_{view.id}")
    if writing.attempt("views", lambda actor: records.change(actor, view.id, name, shared)):
        _close()


def _open(view_id: UUID) -> None:
    st.session_state[_EDITED] = view_id


def _close() -> None:
    st.session_state.pop(_EDITED, None)

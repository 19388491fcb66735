"""Administration: who may sign in and see what, who is signed in, and what everybody did."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.components import access, audit_list, links, people_list, session_list, states, writing

TABS: Final = ("People", "Sessions", "Audit log")


def page() -> None:
    """Draw the page; only the tab that is open is asked for."""
    access.page_for("users")
    access.page_for("audit")
    st.title("Administration", anchor=False)
    st.caption("Who may sign in, as what, to see what. Every change is in the audit log.")
    links.warn()
    writing.say()
    tabs = st.tabs(TABS, key="tab", bind="query-params")
    links.check({"tab": [str(st.session_state.get("tab") or TABS[0])]})
    bodies = (people_list.draw, session_list.draw, audit_list.draw)
    for tab, name, body in zip(tabs, TABS, bodies, strict=True):
        if tab.open:
            with tab, states.guarded(f"The tab {name}"):
                body()
    people_list.draw_form()


page()

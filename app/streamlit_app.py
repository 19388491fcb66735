"""The entry: page set-up, global filters, navigation. `streamlit run app/streamlit_app.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder on the path; absolute imports want the one above.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from app import measures  # noqa: E402 - after the path is right
from app.components import access, ink, links, scope, states  # noqa: E402 - after the path is right

STATIC = Path(__file__).parent / "static"
WITHOUT_COSTS = ("admin",)  # pages that have something to say before any bill has come
st.set_page_config(page_title="Astraeus", page_icon=str(STATIC / "icon.svg"), layout="wide")
st.logo(
    str(STATIC / f"logo_{'dark' if st.context.theme.type == 'dark' else 'light'}.svg"),
    icon_image=str(STATIC / "icon.svg"),
    size="large",
)
ink.draw()
who = None
with states.guarded("The app"):
    who = access.principal()
if who is None:  # the database did not say who this is
    st.stop()
links.remember()
pages = st.navigation(
    {
        "": [
            st.Page(
                "views/dashboard.py", title="Dashboard", icon=":material/dashboard:", default=True
            ),
            st.Page("views/costs.py", title="Costs", icon=":material/bar_chart:"),
            st.Page("views/resources.py", title="Resources", icon=":material/dns:"),
            st.Page("views/trace.py", title="Trace", icon=":material/account_tree:"),
            st.Page("views/chat.py", title="Chat", icon=":material/forum:"),
        ],
        "Manage": [
            st.Page(
                "views/budgets.py", title="Budgets and alerts", icon=":material/notifications:"
            ),
            st.Page("views/accounts.py", title="Accounts", icon=":material/cloud_sync:"),
            *(
                [
                    st.Page(
                        "views/admin.py",
                        title="Administration",
                        icon=":material/admin_panel_settings:",
                    )
                ]
                if who.may("users")
                else []
            ),
        ],
    }
)
st.session_state.scope = None
with states.guarded("The app"):
    st.session_state.scope = scope.draw()
    if st.session_state.scope is None and pages.url_path not in WITHOUT_COSTS:
        st.title(pages.title, anchor=False)
        if who.grants:
            states.nothing_in_scope(who.scope)
        else:
            states.no_source()
access.draw(who)
with measures.page(pages.url_path or "dashboard", who.email):
    pages.run()

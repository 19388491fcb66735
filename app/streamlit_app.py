"""The entry: page set-up, global filters, navigation. `streamlit run app/streamlit_app.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder on the path; absolute imports want the one above.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from app.components import scope, states  # noqa: E402 - after the path is right

st.set_page_config(
    page_title="Astraeus",
    page_icon=str(Path(__file__).parent / "static" / "icon.svg"),
    layout="wide",
)
pages = st.navigation(
    [
        st.Page("views/dashboard.py", title="Dashboard", icon=":material/dashboard:", default=True),
        st.Page("views/costs.py", title="Costs", icon=":material/payments:"),
    ]
)
st.session_state.scope = None
with states.guarded("The app"):
    st.session_state.scope = scope.draw()
    if st.session_state.scope is None:
        st.title(pages.title, anchor=False)
        states.no_source()
pages.run()

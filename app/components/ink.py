"""The one thing that Streamlit's theme cannot say: what is written on the primary color."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.components import charts

# White on the dark theme's primary is 2.4:1, this is 7.8:1 (WCAG 2.1 AA wants 4.5).
_DARK: Final = "#0B1220"


def draw() -> None:
    """Write dark on primary buttons and chosen tags where the theme is dark."""
    if charts.theme() == "dark":
        st.html(
            "<style>[data-testid^='stBaseButton-primary'], [data-testid^='stBaseButton-primary'] p,"
            f" span[data-baseweb='tag'] {{ color: {_DARK} !important; }}</style>"
        )

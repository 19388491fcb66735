"""What theme and settings of Streamlit cannot say, in CSS: ink, no other exports, lists."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.components import charts

# White on the dark theme's primary is 2.4:1, this is 7.8:1 (WCAG 2.1 AA wants 4.5).
_DARK: Final = "#0B1220"
# Charts have buttons of their own that hand out picture and points; `disableDataExport` takes those
# of grids alone. Ours ask who takes it, and write it down.
_NO_EXPORTS: Final = (
    "button[aria-label^='Download as PNG'], button[aria-label^='Copy Vega-Lite spec']"
    " { display: none; }"
)
_ON_PRIMARY: Final = (
    "[data-testid^='stBaseButton-primary'], [data-testid^='stBaseButton-primary'] p,"
    f" span[data-tag], span[data-tag] span {{ color: {_DARK} !important; }}"
)
# Threads are a list to be read: from the left, a line each; beside a narrow thread not in its way.
_THREADS: Final = (
    ".st-key-chat_threads button, .st-key-chat_threads button > div"
    " { justify-content: flex-start; text-align: left; width: 100%; }"
    " .st-key-chat_threads button p { white-space: nowrap; overflow: hidden;"
    " text-overflow: ellipsis; }"
    " @media (max-width: 640px) { .st-key-chat_threads { max-height: 11rem; overflow-y: auto; } }"
)


def draw() -> None:
    """Hide the charts' own exports, align lists; if the theme is dark, write dark on primary."""
    rules = [_NO_EXPORTS, _THREADS, *([_ON_PRIMARY] if charts.theme() == "dark" else [])]
    st.html(f"<style>{' '.join(rules)}</style>")

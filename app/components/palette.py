"""Colours of groups: one per slot and theme, Other always grey. Tested for contrast."""

from __future__ import annotations

from typing import Final

LIGHT: Final = (
    "#0358CF", "#BE734B", "#008069", "#673F80", "#C33458", "#706E00", "#2293C1", "#704539",
    "#6B7688",
)  # fmt: skip
DARK: Final = (
    "#1A85FD", "#F79346", "#0D967B", "#986AB6", "#D55668", "#6E801C", "#50BBFA", "#E0BAA8",
    "#8A97A9",
)  # fmt: skip
BACKGROUND: Final = {"light": "#FFFFFF", "dark": "#10151D"}
# Streamlit's own chart text is too pale on white.
INK: Final = {"light": "#4B5768", "dark": "#C3CCD8"}
LINES: Final = {"light": "#DDE3EB", "dark": "#2E3846"}


def slots(theme: str) -> tuple[str, ...]:
    """Return the nine colours of a theme, the last for Other."""
    return DARK if theme == "dark" else LIGHT

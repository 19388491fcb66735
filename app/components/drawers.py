"""Which form lies open at the side of a page: one at a time, over reruns, until it is closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import streamlit as st

from app.components import charts, states, writing

_KEY: Final = "drawer"


def main() -> Literal["primary", "secondary"]:
    """Return the type of a form's main button: white on the dark theme's blue cannot be read."""
    return "primary" if charts.theme() == "light" else "secondary"


def open_(name: str, subject: Any = None) -> None:
    """Open a form, about `subject`; for callbacks."""
    st.session_state[_KEY] = (name, subject)


def close() -> None:
    """Close whatever is open; for callbacks."""
    st.session_state.pop(_KEY, None)


def draw(forms: Mapping[str, tuple[str, Callable[[Any], None]]]) -> None:
    """Draw the form that lies open, if it is one of these: name to title and contents."""
    name, subject = st.session_state.get(_KEY, (None, None))
    if name not in forms:
        return
    title, contents = forms[name]

    def guarded() -> None:
        with states.guarded("The form"):
            contents(subject)

    st.dialog(title, width="medium", position="right", on_dismiss=close)(guarded)()


def finish(is_done: bool) -> None:
    """Close the form and draw the page again once a change is made; else say why it is not."""
    if is_done:
        close()
        st.rerun()
    writing.say()

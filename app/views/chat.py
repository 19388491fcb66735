"""Chat: questions in plain words, answered with figures that can be checked; else by forms."""

from __future__ import annotations

import streamlit as st

from app.assistant import turn
from app.auth.principal import Principal
from app.components import access, attachment, chat_thread, header, links, states, tool_form
from app.components.scope import Scope

_WORDS = "In words"
_FORM = "By form"
_SENTENCE = (
    "Answers are about all that you may see: the filters of the sidebar do not bound them."
    " Every number is checked against the data."
)


def page(scope: Scope) -> None:
    """Draw the page."""
    who = access.page_for("read")
    header.draw("Chat", scope, _SENTENCE)
    desk = None
    with states.guarded("The assistant"):
        desk = turn.desk()
    # Where questions are asked in words, if any model can be; tables of a file are read without.
    answering = desk if desk is not None and desk.is_open else None
    if answering is None:
        st.info(
            "No model provider has a key, so nothing is answered in words. The same questions can"
            " be asked by form. For words, set OPENAI\\_API\\_KEY, ANTHROPIC\\_API\\_KEY,"
            " GOOGLE\\_API\\_KEY or ASTRAEUS\\_LLM\\_COMPATIBLE\\_URL and start the app anew.",
            icon=":material/key_off:",
        )
    if _how(who, is_answered=answering is not None) == _WORDS:
        links.warn()
        chat_thread.draw(scope, who, answering)
        return
    with states.guarded("The form"):
        tool_form.draw(scope)
    if desk is not None and who.may("chat"):
        with states.guarded("The file"):
            attachment.draw(desk, {"currency": [scope.currency]})
    links.warn()


def _how(who: Principal, *, is_answered: bool) -> str:
    """Return how to ask: in words who may; without a model former threads can be read."""
    if not who.may("chat"):
        st.info(
            f"Your role ({who.role_name}) may ask by form, not in words.", icon=":material/lock:"
        )
        return _FORM
    how = st.segmented_control(
        "Ask",
        [_WORDS, _FORM],
        default=_WORDS if is_answered else _FORM,
        key="ask",
        bind="query-params",
        required=True,
    )
    links.check({"ask": [str(how)]})
    return str(how)


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)

"""One answer of the assistant: its words, figures, choices, what it waits for, how it is rated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import streamlit as st

from app.assistant import render
from app.assistant.tools.contract import ToolResult
from app.assistant.tools.registry import TOOLS
from app.components import access, chat_session, formats, tool_result
from app.records import chat
from app.records.chat import Message
from astraeus_pipeline.errors import AstraeusError

_ASKING_BACK: Final = frozenset(name for name, each in TOOLS.items() if each.ends_turn)
ASSISTANT: Final = ":material/auto_awesome:"


def draw(message: Message, question: str, *, is_last: bool, is_open: bool) -> None:
    """Draw an answer; the last one whole, and where the thread `is_open` with what it waits for."""
    found = [ToolResult.model_validate(each) for each in message.results]
    back = [each for each in found if each.tool in _ASKING_BACK]
    results = [each for each in found if each not in back]
    answer = render.rendered(message.content, results, question)
    with st.chat_message("assistant", avatar=ASSISTANT):
        _steps(message.usage.get("tools") or ())
        if message.content:
            # Its only tags are those of `render`: what a model says is inert.
            st.markdown(answer.markdown, unsafe_allow_html=True)
        _checked(answer, int(message.usage.get("first_unverified") or 0))
        for each in back:
            _which(each, message.id, is_open=is_open)
        if message.usage.get("is_cut"):
            st.warning("The answer was cut at its greatest length.", icon=":material/content_cut:")
        if message.status == "stopped":
            st.caption("Stopped.")
        elif message.status == "running":
            st.caption("Still being answered: reload in a moment.")
        elif message.status == "failed":
            why = message.usage.get("error") or "It did not come to an end."
            st.error(formats.escaped(str(why)), icon=":material/error:")
        for number, result in enumerate(results, 1):
            key = f"result_{message.id}_{number}"
            if is_last:
                with st.container(border=True):
                    st.markdown(f"**{tool_result.title(result, number)}**")
                    tool_result.draw(result, key)
                continue
            with st.expander(tool_result.title(result, number), on_change="rerun", key=key) as more:
                if more.open:
                    tool_result.draw(result, key)
        if message.status == "awaiting_approval":
            _approval(message, is_open=is_open)
        elif message.status != "running":
            _footer(message)


def _steps(tools: Sequence[Mapping[str, Any]]) -> None:
    """Say which tools were called, and which of them were refused."""
    if not tools:
        return
    said = []
    for each in tools:
        spec = TOOLS.get(str(each["name"]))
        what = spec.title if spec else str(each["name"])
        said.append(f"{what} (refused)" if each.get("state") == "failed" else what)
    st.caption(f":material/build: {formats.escaped(', '.join(said))}")


def _which(result: ToolResult, message_id: UUID, *, is_open: bool) -> None:
    """Ask the person back: each reading is a button while the thread waits for it."""
    st.markdown(render.inert(str(result.params["question"])))
    for number, row in enumerate(result.rows):
        choice = str(row["choice"])
        st.button(
            formats.escaped(choice),
            key=f"choice_{message_id}_{number}",
            icon=":material/subdirectory_arrow_right:",
            on_click=chat_session.ask,
            args=(choice,),
            disabled=not is_open,
        )


def _checked(answer: render.Answer, first_unverified: int) -> None:
    """Count the numbers, and say which of them nothing says."""
    numbers = len(answer.claims)
    if answer.unverified:
        st.warning(
            f"{answer.unverified} of {numbers} numbers (underlined) not found in the data.",
            icon=":material/unpublished:",
        )
    elif numbers:
        again = " It was asked for once more: the first one did not." if first_unverified else ""
        what = f"All {numbers} numbers stand" if numbers > 1 else "Its number stands"
        st.caption(f":material/verified: {what} in the data below.{again}")
    if answer.unknown_citations:
        st.warning("It cites a result that there is not.", icon=":material/link_off:")


def _footer(message: Message) -> None:
    """Say who answered, how long it took and what it cost; let it be rated."""
    usage = message.usage
    said = [str(message.model)] if message.model else []
    if usage.get("latency_ms"):
        said.append(f"{int(usage['latency_ms']) / 1000:.1f} s")
    if usage.get("attempts"):
        cost = usage.get("cost_usd")
        said.append("cost unknown" if cost is None else f"{Decimal(str(cost)):.4f} USD")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if message.status == "complete":
            _rating(message)
        st.caption(formats.escaped(" · ".join(said)))
    if message.feedback == "down":
        key = f"why_{message.id}"
        st.text_input(
            "What was wrong?",
            value=message.feedback_note or "",
            max_chars=2000,
            key=key,
            on_change=_explain,
            args=(message.id, key),
            placeholder="Kept with the answer",
        )


def _rating(message: Message) -> None:
    key = f"rating_{message.id}"
    now = None if message.feedback is None else int(message.feedback == "up")
    st.feedback("thumbs", key=key, default=now, on_change=_rate, args=(message.id, key))


def _rate(message_id: UUID, key: str) -> None:
    thumb = st.session_state.get(key)
    _say(message_id, None if thumb is None else ("down", "up")[thumb], "")


def _explain(message_id: UUID, key: str) -> None:
    _say(message_id, "down", st.session_state.get(key, ""))


def _say(message_id: UUID, feedback: chat.Feedback | None, note: str) -> None:
    try:
        chat.say(access.require("chat").email, message_id, feedback, note)
    except AstraeusError as error:
        st.session_state.notice = ("error", str(error))


def _approval(message: Message, *, is_open: bool) -> None:
    if not is_open:
        st.caption("Was not approved: the thread went on, or no model can be asked.")
        return
    with st.container(border=True):
        st.markdown(
            ":material/front_hand: **Nothing has been changed yet.** Is this what you want?"
        )
        for each in message.usage.get("pending") or ():
            spec = TOOLS.get(str(each["name"]))
            st.markdown(f"**{formats.escaped(spec.title if spec else str(each['name']))}**")
            if spec:
                st.caption(formats.escaped(" ".join(spec.description.split())))
            st.table(
                [
                    {
                        "With": formats.escaped(name),
                        "Value": formats.escaped(tool_result.spelled(value)),
                    }
                    for name, value in each["arguments"].items()
                ],
                border="horizontal",
                hide_index=True,
            )
        with st.container(horizontal=True):
            st.button(
                "Approve",
                type="primary",
                icon=":material/check:",
                on_click=chat_session.decide,
                args=(chat_session.here(), message.id, True),
            )
            st.button(
                "Refuse",
                icon=":material/close:",
                on_click=chat_session.decide,
                args=(chat_session.here(), message.id, False),
            )

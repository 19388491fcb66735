"""A thread with the assistant: what was said, what runs now, what waits for a person's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final
from uuid import UUID, uuid4

import streamlit as st

from app.assistant import render
from app.assistant.tools.contract import ToolResult
from app.assistant.tools.registry import TOOLS
from app.assistant.turn import Cleared, Closed, Desk, Running, Step, Words
from app.auth.principal import Principal
from app.components import access, attachment, formats, header, states, tool_result
from app.components.cache import ask
from app.components.scope import Scope
from app.queries.compiler import compile_members
from app.records import chat
from app.records.chat import Message
from astraeus_pipeline.errors import AstraeusError, ForbiddenError

_KEY: Final = "thread"
_QUESTION: Final = "chat_question"
_DECISION: Final = "chat_decision"
_LONGEST: Final = 4000
_SECONDS_BETWEEN_DRAWINGS: Final = 0.1


def draw(scope: Scope, who: Principal, desk: Desk) -> None:
    """Draw the threads of who is signed in, and the one that is open."""
    left, right = st.columns([1, 3.2], gap="medium")
    here = _open_thread()
    with left, states.guarded("Your threads"):
        _threads(who, here)
    with right, states.guarded("The thread"):
        _thread(scope, who, desk, here)


def _threads(who: Principal, here: UUID) -> None:
    st.button("New thread", icon=":material/add:", on_click=_begin, width="stretch")
    for each in chat.threads(who.email):
        st.button(
            formats.escaped(_short(each.title)),
            key=f"thread_{each.session_id}",
            type="secondary" if each.session_id == here else "tertiary",
            on_click=_open,
            args=(each.session_id,),
            width="stretch",
        )


def _thread(scope: Scope, who: Principal, desk: Desk, here: UUID) -> None:
    try:
        messages = chat.thread(who.email, here)
    except ForbiddenError as error:
        st.error(formats.escaped(str(error)), icon=":material/lock:")
        return
    question = ""
    for number, message in enumerate(messages):
        if message.role == "user":
            question = message.content
            _question(question)
        else:
            _answer(message, question, is_last=number == len(messages) - 1)
    place = st.container()
    if not messages:
        with place:
            _starters(scope)
    given = st.chat_input(
        "Ask about costs, resources, budgets",
        key="chat_box",
        max_chars=_LONGEST,
        submit_mode="stop",
        **attachment.ACCEPTED,
    )
    asked, file = attachment.parts(given)
    asked = asked or st.session_state.pop(_QUESTION, None)
    decided = st.session_state.pop(_DECISION, None)
    if not asked and decided is None and file is None:
        return
    with place:
        try:
            # Asked anew: a role that was taken away does not ask once more.
            who = access.require("chat")
            if file is not None:
                _question(f"Attached: {file.name}")
                running = desk.attach(who, here, file.name, file.content, _context(scope))
                st.query_params[_KEY] = str(here)
                _follow(running)
                asked = asked and attachment.with_question(str(asked), file.name, running)
                if not asked:
                    st.rerun()
            if decided is not None:
                running = desk.decide(who, messages[-1], is_approved=decided)
            else:
                _question(str(asked))
                running = desk.ask(who, here, str(asked), _context(scope))
        except AstraeusError as error:
            st.error(formats.escaped(str(error)), icon=":material/error:")
            return
        st.query_params[_KEY] = str(here)
        _follow(running)
    st.rerun()


def _follow(running: Running) -> None:
    """Show what happens as it happens. Streamlit stops a script only where it draws."""
    try:
        with st.chat_message("assistant"):
            steps, words, busy = st.container(), st.empty(), st.empty()
            busy.caption("Thinking")
            drawn: dict[str, Any] = {}
            last = 0.0
            for event in running:
                match event:
                    case None:
                        busy.caption("Working")
                    case Cleared():
                        words.empty()
                    case Words():
                        # Not for each token: the whole text goes to the browser each time.
                        if monotonic() - last > _SECONDS_BETWEEN_DRAWINGS:
                            words.markdown(render.inert(running.text))
                            last = monotonic()
                    case Step():
                        _step(steps, drawn, event)
                    case Closed():
                        busy.empty()
    finally:
        running.stop()


def _step(place: Any, drawn: dict[str, Any], step: Step) -> None:
    spec = TOOLS.get(step.name)
    label = formats.escaped(spec.title if spec else step.name)
    if step.call_id not in drawn:
        with place:
            drawn[step.call_id] = st.status(label, state="running")
            with drawn[step.call_id]:
                st.caption(formats.escaped(_arguments(step.arguments)) or "No arguments")
    status = drawn[step.call_id]
    if step.state == "done" and step.result is not None:
        status.update(label=f"{label}: {step.result.row_count} rows", state="complete")
    elif step.state == "failed":
        with status:
            st.caption(formats.escaped(step.words))
        status.update(label=f"{label}: refused", state="error")


def _question(text: str) -> None:
    with st.chat_message("user"):
        st.markdown(render.inert(text))


def _answer(message: Message, question: str, *, is_last: bool) -> None:
    results = [ToolResult.model_validate(each) for each in message.results]
    answer = render.rendered(message.content, results, question)
    with st.chat_message("assistant"):
        _steps(message.usage.get("tools") or ())
        if message.content:
            # Its only tags are those of `render`: what a model says is inert.
            st.markdown(answer.markdown, unsafe_allow_html=True)
        _checked(answer)
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
            _approval(message, is_last=is_last)


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


def _checked(answer: render.Answer) -> None:
    """Count the numbers, and say which of them nothing says."""
    numbers = len(answer.claims)
    if answer.unverified:
        st.warning(
            f"{answer.unverified} of {numbers} numbers (underlined) not found in the data.",
            icon=":material/unpublished:",
        )
    elif numbers:
        st.caption(f":material/verified: All {numbers} numbers stand in the data below.")
    if answer.unknown_citations:
        st.warning("It cites a result that there is not.", icon=":material/link_off:")


def _approval(message: Message, *, is_last: bool) -> None:
    if not is_last:
        st.caption("Was not approved: the thread went on.")
        return
    with st.container(border=True):
        st.markdown("**Waits for your approval**")
        for each in message.usage.get("pending") or ():
            spec = TOOLS.get(str(each["name"]))
            st.markdown(formats.escaped(spec.title if spec else str(each["name"])))
            st.caption(formats.escaped(_arguments(each["arguments"])))
        with st.container(horizontal=True):
            st.button("Approve", type="primary", on_click=_decide, args=(True,))
            st.button("Reject", on_click=_decide, args=(False,))


def _starters(scope: Scope) -> None:
    st.markdown("**Questions to begin with**")
    for number, question in enumerate(_questions(scope)):
        st.button(
            formats.escaped(question),
            key=f"starter_{number}",
            icon=":material/chat:",
            on_click=_ask,
            args=(question,),
        )


def _questions(scope: Scope) -> list[str]:
    """Return questions that the data can answer: of its dearest service, of who is late."""
    found = [f"What did we spend this month by provider, in {scope.currency}?"]
    services = ask(compile_members("service", scope.currency))
    if services:
        found.append(
            f"Why did the cost of {services[0]['member']} change in the 28 days to"
            f" {scope.through.isoformat()} against the 28 days before?"
        )
    late = header.late_accounts(scope)
    if late:
        found.append(f"Why is {late[0]['account_id']} late, and since when?")
    found.append("Which unexpected costs should I look at first?")
    return found


def _context(scope: Scope) -> dict[str, list[str]]:
    return {
        "currency": [scope.currency],
        "basis": [scope.basis],
        "provider": [*scope.providers],
        "account": [*scope.accounts],
    }


def _open_thread() -> UUID:
    """Return the thread of the address, else of this tab; else a new one."""
    asked = st.query_params.get(_KEY)
    if asked is not None:
        try:
            st.session_state.chat_thread = UUID(asked)
        except ValueError:
            st.query_params.pop(_KEY, None)
    if "chat_thread" not in st.session_state:
        st.session_state.chat_thread = uuid4()
    found: UUID = st.session_state.chat_thread
    return found


def _begin() -> None:
    st.session_state.chat_thread = uuid4()
    st.query_params.pop(_KEY, None)


def _open(thread: UUID) -> None:
    st.session_state.chat_thread = thread
    st.query_params[_KEY] = str(thread)


def _ask(question: str) -> None:
    st.session_state[_QUESTION] = question


def _decide(is_approved: bool) -> None:
    st.session_state[_DECISION] = is_approved


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in arguments.items())


def _short(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= 48 else f"{line[:47]}…"

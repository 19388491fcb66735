"""A thread with the assistant: what was said, the box for more, and what runs now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

import streamlit as st

from app.assistant import exported, render
from app.assistant.tools.registry import TOOLS
from app.assistant.turn import Cleared, Closed, Desk, Running, Step, Words
from app.auth.principal import Principal
from app.components import (
    access,
    attachment,
    chat_answer,
    chat_session,
    chat_threads,
    downloads,
    formats,
    header,
    states,
    tool_form,
    tool_result,
    writing,
)
from app.components.cache import ask
from app.components.scope import Scope
from app.queries.compiler import compile_members
from app.records import chat
from app.records.chat import Message
from astraeus_pipeline.errors import AstraeusError, ConfigError, ForbiddenError

_PERSON: Final = ":material/person:"
_LONGEST: Final = 4000
# Questions and answers that are drawn at once: a long thread need not be drawn to be gone on with.
_NEWEST: Final = 6
_SECONDS_BETWEEN_DRAWINGS: Final = 0.1


def draw(scope: Scope, who: Principal, desk: Desk | None) -> None:
    """Draw the threads of who is signed in, and the one that is open; without a desk to read."""
    writing.say()
    left, right = st.columns([1, 3.2], gap="medium")
    here = chat_session.here()
    with left, states.guarded("Your threads"):
        chat_threads.draw(who, here, is_open=desk is not None)
    messages: Sequence[Message] | None = None
    with right, states.guarded("The thread"):
        messages = _thread(scope, who, desk, here)
    if desk is None or messages is None:
        return
    # Outside of the columns, where Streamlit keeps it at the bottom of the window.
    given = st.chat_input(
        "Ask about costs, resources, budgets",
        key="chat_box",
        max_chars=_LONGEST,
        submit_mode="stop",
        **attachment.ACCEPTED,
    )
    with right, states.guarded("The answer"):
        _go_on(scope, desk, here, messages, given)


def _thread(
    scope: Scope, who: Principal, desk: Desk | None, here: UUID
) -> Sequence[Message] | None:
    """Draw what was said so far and return it; None where it is another's thread."""
    try:
        messages = chat.thread(who.email, here)
    except ForbiddenError as error:
        st.error(formats.escaped(str(error)), icon=":material/lock:")
        return None
    earlier, newest = messages[:-_NEWEST], messages[-_NEWEST:]
    if earlier:
        told = f"Earlier in this thread ({len(earlier) // 2})"
        with st.expander(told, icon=":material/history:", on_change="rerun", key="earlier") as more:
            if more.open:
                _messages(earlier, is_newest=False, is_open=False)
    _messages(newest, is_newest=True, is_open=desk is not None)
    if messages:
        _export(here)
    elif desk is None:
        st.caption("Threads that you began are on the left.")
    else:
        _starters(scope)
    if desk is not None:
        if messages and messages[-1].status == "failed":
            _by_form(scope)
        _unasked()
    return messages


def _go_on(scope: Scope, desk: Desk, here: UUID, messages: Sequence[Message], given: Any) -> None:
    """Ask what was typed or chosen, read what was attached, do what was approved."""
    asked, file = attachment.parts(given)
    asked = asked or chat_session.asked()
    decided = chat_session.decided()
    if not asked and decided is None and file is None:
        return
    chat_session.forget_unasked()
    question = str(asked) if asked and file is not None else None
    try:
        # Asked anew: a role that was taken away does not ask once more.
        who = access.require("chat")
        if file is not None:
            _question(f"Attached: {file.name}")
            running = desk.attach(who, here, file.name, file.content, _context(scope))
            st.query_params[chat_session.KEY] = str(here)
            _follow(running)
            asked = asked and attachment.with_question(str(asked), file.name, running)
            if not asked:
                if question:
                    chat_session.keep(question)
                st.rerun()
        if decided is not None:
            running = desk.decide(who, _waiting(messages, decided[0]), is_approved=decided[1])
        else:
            _question(str(asked))
            running = desk.ask(who, here, str(asked), _context(scope))
    except AstraeusError as error:
        if question:
            chat_session.keep(question)
        st.error(formats.escaped(str(error)), icon=":material/error:")
        return
    st.query_params[chat_session.KEY] = str(here)
    _follow(running)
    st.rerun()


def _waiting(messages: Sequence[Message], message_id: UUID) -> Message:
    for each in messages:
        if each.id == message_id:
            return each
    raise ConfigError(
        "What you decided on is not in this thread: nothing was done.",
        hint="Open its thread on the left.",
    )


def _messages(messages: Sequence[Message], *, is_newest: bool, is_open: bool) -> None:
    """Draw questions and their answers; of the newest the last one whole."""
    question = ""
    for number, message in enumerate(messages):
        if message.role == "user":
            question = message.content
            _question(question)
            continue
        is_last = is_newest and number == len(messages) - 1
        chat_answer.draw(message, question, is_last=is_last, is_open=is_last and is_open)


def _follow(running: Running) -> None:
    """Show what happens as it happens. Streamlit stops a script only where it draws."""
    try:
        with st.chat_message("assistant", avatar=chat_answer.ASSISTANT):
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
    with st.chat_message("user", avatar=_PERSON):
        st.markdown(render.inert(text))


def _export(here: UUID) -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        downloads.button(
            "Markdown",
            f"thread_{here.hex[:8]}.md",
            "text/markdown",
            lambda who: exported.as_markdown(
                chat.thread(who.email, here), who.email, datetime.now(UTC)
            ),
            about="The whole thread with its figures and SQL",
            key="thread_md",
        )
        downloads.button(
            "CSV",
            f"thread_{here.hex[:8]}.zip",
            "application/zip",
            lambda who: exported.as_zip(chat.thread(who.email, here), who.email, datetime.now(UTC)),
            about="The thread, and each result with every decimal",
            key="thread_zip",
        )


def _by_form(scope: Scope) -> None:
    """Offer the tools, which need no model, where one has failed."""
    with st.expander("The same figures by form, without a model", icon=":material/list_alt:"):
        tool_form.draw(scope)


def _unasked() -> None:
    """Offer what was typed beside a file that could not be read."""
    if question := chat_session.unasked():
        st.caption("Not asked, as the file was not read. Without the file:")
        st.button(
            formats.escaped(question),
            key="unasked",
            icon=":material/chat:",
            on_click=chat_session.ask,
            args=(question,),
        )


def _starters(scope: Scope) -> None:
    st.markdown("**Questions to begin with**")
    for number, question in enumerate(_questions(scope)):
        st.button(
            formats.escaped(question),
            key=f"starter_{number}",
            icon=":material/chat:",
            on_click=chat_session.ask,
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


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {tool_result.spelled(value)}" for name, value in arguments.items())

"""A thread with the assistant: what was said, what runs now, what waits for a person's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any, Final
from uuid import UUID, uuid4

import streamlit as st

from app.assistant import exported, render
from app.assistant.tools.contract import ToolResult
from app.assistant.tools.registry import TOOLS
from app.assistant.turn import Cleared, Closed, Desk, Running, Step, Words
from app.auth.principal import Principal
from app.components import (
    access,
    attachment,
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
from astraeus_pipeline.errors import AstraeusError, ForbiddenError

_KEY: Final = "thread"
_QUESTION: Final = "chat_question"
_DECISION: Final = "chat_decision"
_ASSISTANT: Final = ":material/auto_awesome:"
_PERSON: Final = ":material/person:"
_LONGEST: Final = 4000
_ASKING_BACK: Final = frozenset(name for name, each in TOOLS.items() if each.ends_turn)
# Questions and answers that are drawn at once: the box for the next one stays in reach.
_NEWEST: Final = 6
_SECONDS_BETWEEN_DRAWINGS: Final = 0.1


def draw(scope: Scope, who: Principal, desk: Desk | None) -> None:
    """Draw the threads of who is signed in, and the one that is open; without a desk to read."""
    writing.say()
    left, right = st.columns([1, 3.2], gap="medium")
    here = _open_thread()
    with left, states.guarded("Your threads"):
        _threads(who, here, is_open=desk is not None)
    with right, states.guarded("The thread"):
        _thread(scope, who, desk, here)


def _threads(who: Principal, here: UUID, *, is_open: bool) -> None:
    if is_open:
        st.button("New thread", icon=":material/add:", on_click=_begin, width="stretch")
    with st.container(key="chat_threads", gap="xxsmall"):
        last = ""
        for each in chat.threads(who.email):
            if (day := _day(each.last_at)) != last:
                st.caption(day)
                last = day
            st.button(
                formats.escaped(_short(each.title)),
                key=f"thread_{each.session_id}",
                type="secondary" if each.session_id == here else "tertiary",
                on_click=_open,
                args=(each.session_id,),
                width="stretch",
            )


def _day(at: datetime) -> str:
    days = (datetime.now(UTC).date() - at.astimezone(UTC).date()).days
    return {0: "Today", 1: "Yesterday"}.get(days, "Last 7 days" if days < 7 else "Earlier")


def _thread(scope: Scope, who: Principal, desk: Desk | None, here: UUID) -> None:
    try:
        messages = chat.thread(who.email, here)
    except ForbiddenError as error:
        st.error(formats.escaped(str(error)), icon=":material/lock:")
        return
    earlier, newest = messages[:-_NEWEST], messages[-_NEWEST:]
    if earlier:
        told = f"Earlier in this thread ({len(earlier) // 2})"
        with st.expander(told, icon=":material/history:", on_change="rerun", key="earlier") as more:
            if more.open:
                _messages(earlier, is_newest=False, is_open=False)
    _messages(newest, is_newest=True, is_open=desk is not None)
    if messages:
        _export(here)
    if desk is None:
        if not messages:
            st.caption("Threads that you began are on the left.")
        return
    if messages and messages[-1].status == "failed":
        _by_form(scope)
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
                [waiting] = [each for each in messages if each.id == decided[0]]
                running = desk.decide(who, waiting, is_approved=decided[1])
            else:
                _question(str(asked))
                running = desk.ask(who, here, str(asked), _context(scope))
        except AstraeusError as error:
            st.error(formats.escaped(str(error)), icon=":material/error:")
            return
        st.query_params[_KEY] = str(here)
        _follow(running)
    st.rerun()


def _messages(messages: Sequence[Message], *, is_newest: bool, is_open: bool) -> None:
    """Draw questions and their answers; of the newest the last one whole."""
    question = ""
    for number, message in enumerate(messages):
        if message.role == "user":
            question = message.content
            _question(question)
            continue
        is_last = is_newest and number == len(messages) - 1
        _answer(message, question, is_last=is_last, is_open=is_last and is_open)


def _follow(running: Running) -> None:
    """Show what happens as it happens. Streamlit stops a script only where it draws."""
    try:
        with st.chat_message("assistant", avatar=_ASSISTANT):
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


def _answer(message: Message, question: str, *, is_last: bool, is_open: bool) -> None:
    """Draw an answer; the last one whole, and where the thread `is_open` with what it waits for."""
    found = [ToolResult.model_validate(each) for each in message.results]
    back = [each for each in found if each.tool in _ASKING_BACK]
    results = [each for each in found if each not in back]
    answer = render.rendered(message.content, results, question)
    with st.chat_message("assistant", avatar=_ASSISTANT):
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
            on_click=_ask,
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
    with st.container(border=True):
        st.markdown("**The same figures by form**, without a model")
        tool_form.draw(scope)


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
                on_click=_decide,
                args=(message.id, True),
            )
            st.button("Refuse", icon=":material/close:", on_click=_decide, args=(message.id, False))


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


def _decide(message_id: UUID, is_approved: bool) -> None:
    st.session_state[_DECISION] = (message_id, is_approved)


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {tool_result.spelled(value)}" for name, value in arguments.items())


def _short(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= 48 else f"{line[:47]}…"

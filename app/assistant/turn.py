"""A question on its way: the loop that agents run in, what happens as it happens, and Stop.

One thread of this process owns one event loop; a turn puts events into a queue that a page reads.
Nothing of Streamlit here. LangChain takes seconds to import: at the first question.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import structlog

from app.assistant import flow
from app.assistant.ledger import Ledger, Turn
from app.assistant.models import Models
from app.assistant.policy import Policy, read_policy
from app.assistant.render import is_cut, rendered
from app.assistant.router import Router
from app.assistant.settings import AssistantSettings
from app.assistant.tools.contract import SCOPES, Scope, ToolResult, text
from app.assistant.tools.registry import TOOLS
from app.assistant.tools.web import pay_by
from app.auth.principal import Principal
from app.queries import standing
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.warehouse.chat_messages import Message, Status

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, ToolMessage

_LOG = structlog.get_logger(__name__)
# How long who stops a turn waits until it is written down as stopped.
_CLOSING_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Cleared:
    """A model begins anew: what was shown of its words is void."""


@dataclass(frozen=True)
class Words:
    """The answer so far, whole."""

    text: str


@dataclass(frozen=True)
class Step:
    """A call of a tool; the later state of the same `call_id` takes the place of the former."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    state: Literal["running", "done", "failed"] = "running"
    result: ToolResult | None = None
    words: str = ""


@dataclass(frozen=True)
class Closed:
    """The last event: how it ended, and in words why where it failed."""

    status: Status
    error: str = ""


Happening = Cleared | Words | Step | Closed


@dataclass
class Running:
    """A turn as the page holds it. Iterate over it; `stop` when the page goes away.

    It yields None where nothing has happened for a moment, so that the page can look up.
    """

    turn: Turn
    question: str
    text: str = ""
    steps: dict[str, Step] = field(default_factory=dict)
    earlier: tuple[ToolResult, ...] = ()
    is_cut: bool = False
    pending: list[dict[str, Any]] = field(default_factory=list)
    _box: SimpleQueue[Happening] = field(default_factory=SimpleQueue)
    _is_closed: Event = field(default_factory=Event)
    _is_stopped: bool = False
    _task: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Happening | None]:
        while True:
            try:
                event = self._box.get(timeout=0.3)
            except Empty:
                yield None
                continue
            yield event
            if isinstance(event, Closed):
                return

    def stop(self) -> None:
        """End the turn if it runs, and wait a little until it is written down."""
        if not self._is_closed.is_set():
            _loop().call_soon_threadsafe(self._cancel)
            self._is_closed.wait(_CLOSING_SECONDS)

    @property
    def results(self) -> list[ToolResult]:
        """What its tools have answered, each once, in the order of the calls."""
        found = [*self.earlier, *(each.result for each in self.steps.values() if each.result)]
        return list({each.result_id: each for each in found}.values())

    def tell(self, event: Happening) -> None:
        """Keep what happened, and say it."""
        match event:
            case Cleared():
                self.text = ""
            case Words():
                self.text = event.text
            case Step():
                self.steps[event.call_id] = event
            case Closed():
                self._is_closed.set()
        self._box.put(event)

    def _cancel(self) -> None:
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()

    async def run(self, work: Coroutine[Any, Any, None], ledger: Ledger) -> None:
        """Do the work and write down how it ended, whatever happens; not to be cancelled."""
        with flow.request(str(self.turn.message_id)):
            flow.question(self.turn, self.question)
            await self._run(work, ledger)

    async def _run(self, work: Coroutine[Any, Any, None], ledger: Ledger) -> None:
        self._task = asyncio.create_task(work)
        if self._is_stopped:
            self._task.cancel()
        await asyncio.wait({self._task})
        status, error = self._ending()
        try:
            await asyncio.to_thread(self._close, ledger, status, error)
        except AstraeusError as failed:
            status, error = "failed", str(failed)
        except Exception as failed:  # noqa: BLE001 - who reads must be told that it has ended
            status, error = "failed", self._unforeseen(failed)
        flow.answer(self.turn, status, self.text, len(self.results))
        self.tell(Closed(status, error))

    def _ending(self) -> tuple[Status, str]:
        assert self._task is not None  # noqa: S101 - it has ended
        if self._task.cancelled():
            return "stopped", ""
        failed = self._task.exception()
        if failed is None:
            return ("awaiting_approval" if self.pending else "complete"), ""
        if isinstance(failed, AstraeusError):
            return "failed", str(failed)
        return "failed", self._unforeseen(failed)

    def _unforeseen(self, failed: BaseException) -> str:
        told = "".join(traceback.format_exception(failed))
        _LOG.error("an answer failed", message_id=str(self.turn.message_id), traceback=told)
        return f"Something unexpected happened (quote {self.turn.message_id.hex[:8]})."

    def _close(self, ledger: Ledger, status: Status, error: str) -> None:
        answer = rendered(self.text, self.results, self.question)
        ledger.finish(
            self.turn,
            status,
            self.text,
            [each.model_dump(mode="json") for each in self.results],
            tools=[
                {"name": each.name, "arguments": dict(each.arguments), "state": each.state}
                for each in self.steps.values()
            ],
            numbers=len(answer.claims),
            unverified=answer.unverified,
            is_cut=self.is_cut,
            pending=self.pending,
            error=error,
        )


class Desk:
    """Where questions are asked: the models of this process, their limits and their prices."""

    def __init__(
        self,
        settings: AssistantSettings,
        policy: Policy,
        ledger: Ledger | None = None,
        models: Models | None = None,
    ) -> None:
        self._policy = policy
        self._ledger = ledger or Ledger(policy)
        self._models = models or Models(settings, policy)
        self._router = Router(self._models, policy, settings, self._ledger)

    @property
    def is_open(self) -> bool:
        """Whether any provider of models can be asked."""
        return bool(self._models.providers)

    def ask(
        self, who: Principal, thread: UUID, question: str, context: Mapping[str, Any] | None = None
    ) -> Running:
        """Begin to answer a question.

        Raises: ConfigError while another answer for the same person runs; ForbiddenError for
        somebody else's thread; DatabaseError.
        """
        turn = self._ledger.begin(who.email, thread, question, context)
        return self._start(
            Running(turn, question), who, {"messages": [{"role": "user", "content": question}]}
        )

    def attach(
        self,
        who: Principal,
        thread: UUID,
        name: str,
        content: bytes,
        context: Mapping[str, Any] | None = None,
    ) -> Running:
        """Begin to read a file that a person attaches; without any model where it is a table.

        Raises: ConfigError while another answer for the same person runs; ForbiddenError for
        somebody else's thread; DatabaseError.
        """
        from app.assistant.attachments.attaching import attach  # it stands on this module

        turn = self._ledger.begin(who.email, thread, f"Attached: {text(name)}", context)
        running = Running(turn, "")
        work = attach(running, Scope.of(who, SCOPES), self._router, name, content)
        asyncio.run_coroutine_threadsafe(running.run(work, self._ledger), _loop())
        return running

    def decide(self, who: Principal, message: Message, *, is_approved: bool) -> Running:
        """Let an answer go on that waits for an approval, or for a refusal.

        Raises: ConfigError where it does not wait any more, or another answer runs; DatabaseError.
        """
        turn, question = self._ledger.resume(who.email, message, is_approved=is_approved)
        earlier = tuple(ToolResult.model_validate(each) for each in message.results)
        decision = {"type": "approve" if is_approved else "reject"}
        decisions = [decision for _ in message.usage.get("pending", ())]
        return self._start(Running(turn, question, earlier=earlier), who, None, decisions)

    def _start(
        self, running: Running, who: Principal, given: Any, decisions: list[Any] | None = None
    ) -> Running:
        scope = Scope.of(who, SCOPES)
        work = self._work(running, scope, given, decisions)
        asyncio.run_coroutine_threadsafe(running.run(work, self._ledger), _loop())
        return running

    async def _work(
        self, running: Running, scope: Scope, given: Any, decisions: list[Any] | None
    ) -> None:
        await asyncio.to_thread(_import)
        from langgraph.types import Command

        from app.assistant.bound import bound
        from app.assistant.graph import Asking, build_agent
        from app.assistant.memory import forget_steps, open_memory

        pay_by(running.turn, self._ledger, self._policy)
        database = await asyncio.to_thread(standing.opened)
        allowed = [each for each in TOOLS.values() if each.scope in scope.scopes and each.is_on()]
        async with open_memory(database) as memory:
            agent = build_agent(
                self._router,
                self._policy,
                bound(allowed),
                approved=[each.name for each in allowed if each.is_write],
                outgoing=[each.name for each in allowed if each.is_outgoing],
                ending=[each.name for each in allowed if each.ends_turn],
                is_checked=True,
                checkpointer=memory,
            )
            if decisions is not None:
                given = Command(resume={"decisions": decisions})
            thread = running.turn.session_id
            stream = agent.astream(
                given,
                {"configurable": {"thread_id": str(thread)}},
                context=Asking(running.turn, scope, datetime.now(UTC).date()),
                stream_mode=["messages", "updates", "custom"],
            )
            async for mode, part in stream:
                _take(running, str(mode), part)
            await forget_steps(memory, thread)


def desk() -> Desk:
    """Return the desk of this process, by its environment. Raises: ConfigError."""
    return _desk(AssistantSettings.from_env())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="assistant", daemon=True).start()
    return loop


@cache
def _desk(settings: AssistantSettings) -> Desk:
    """Keep one desk per settings: its limits and breakers are of the process."""
    return Desk(settings, read_policy(settings.models_file))


def _import() -> None:
    """Import in a thread what takes seconds: other turns go on in the loop."""
    import app.assistant.bound
    import app.assistant.graph
    import app.assistant.memory  # noqa: F401


def _take(running: Running, mode: str, part: Any) -> None:
    """Tell what of the agent's stream concerns a reader."""
    if mode == "custom":
        if isinstance(part, Mapping) and "attempt" in part:
            running.tell(Cleared())
    elif mode == "messages":
        message, metadata = part
        # A part of an answer: other nodes' messages and whole ones come with the updates.
        is_part = message.type == "AIMessageChunk" and metadata.get("langgraph_node") == "model"
        if is_part and message.text:
            running.tell(Words(running.text + message.text))
    else:
        for node, update in part.items():
            if node == "__interrupt__":
                running.pending = [
                    {"name": each["name"], "arguments": each["args"]}
                    for interrupt in update
                    for each in interrupt.value["action_requests"]
                ]
            else:
                _take_messages(running, node, (update or {}).get("messages") or ())


def _take_messages(running: Running, node: str, messages: Any) -> None:
    for message in messages if isinstance(messages, list | tuple) else (messages,):
        if message.type == "ai" and node == "model":
            _take_answer(running, message)
        elif message.type == "tool":
            _take_result(running, message)


def _take_answer(running: Running, message: AIMessage) -> None:
    running.is_cut = is_cut(message.response_metadata)
    if message.text != running.text:
        running.tell(Words(message.text))
    for call in message.tool_calls:
        call_id = str(call["id"])
        if call_id not in running.steps:
            running.tell(Step(call_id, call["name"], call["args"]))


def _take_result(running: Running, message: ToolMessage) -> None:
    known = running.steps.get(message.tool_call_id)
    name = known.name if known else str(message.name or "")
    arguments = known.arguments if known else {}
    if message.status == "error" or message.artifact is None:
        step = Step(message.tool_call_id, name, arguments, "failed", words=message.text)
    else:
        result = ToolResult.model_validate(message.artifact)
        step = Step(message.tool_call_id, name, arguments, "done", result)
    running.tell(step)

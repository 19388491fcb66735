"""The agent: a model that calls tools until it can answer, within limits. No rules by keywords.

Imports LangGraph: at the first question only.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import takewhile
from pathlib import Path
from string import Template
from typing import Any, Final, TypeAlias, cast

import structlog
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    HumanInTheLoopMiddleware,
    InterruptOnConfig,
    ModelCallLimitMiddleware,
    ModelRequest,
    ModelResponse,
    ToolCallLimitMiddleware,
    ToolCallRequest,
    ToolErrorMiddleware,
    hook_config,
)
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatResult
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from app.assistant.arguments import hearing
from app.assistant.checking import Check
from app.assistant.ledger import Turn
from app.assistant.models import forbid_tracing
from app.assistant.policy import Policy
from app.assistant.router import Call, Router
from app.assistant.tools.contract import Scope, acting
from app.assistant.transcripts import answered
from astraeus_pipeline.errors import AstraeusError, LimitError, PayloadError

_LOG = structlog.get_logger(__name__)
_PROMPT: Final = Path(__file__).parent / "prompts" / "analyst.md"
_MOST_REPAIRS: Final = 2
# Figures and JSON have fewer characters to a token than prose.
_CHARACTERS_PER_TOKEN: Final = 3.0


@dataclass(frozen=True)
class Asking:
    """What a run of the agent knows beside the messages; in no checkpoint."""

    turn: Turn
    scope: Scope
    today: date


Agent: TypeAlias = CompiledStateGraph[Any, Asking, Any, Any]
_Model: TypeAlias = Callable[[ModelRequest[Asking]], Awaitable[ModelResponse[Any]]]
_Tool: TypeAlias = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]


def build_agent(
    router: Router,
    policy: Policy,
    tools: Sequence[BaseTool],
    *,
    approved: Collection[str] = (),
    outgoing: Collection[str] = (),
    ending: Collection[str] = (),
    is_checked: bool = False,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
) -> Agent:
    """Return the agent; run it with `context=Asking(...)`.

    Tools named in `approved` wait for a person (an interrupt, which needs a checkpointer); those in
    `outgoing` do once other tools have answered, as a model could send away what it read. After one
    of `ending` has answered, no model is asked any more. With `is_checked` an answer with numbers
    that no tool's artifact has is asked for once more. The
    custom stream says {"attempt": n} before each call of a model: what was shown of the last one
    is void. A run raises what `Router.run` does, LimitError after too many calls of models, and
    PayloadError where a model's calls of tools stay unreadable.
    """
    forbid_tracing()
    middleware: list[AgentMiddleware[Any, Asking, Any]] = [
        *((_Ending(ending),) if ending else ()),
        _ModelCalls(run_limit=policy.caps.model_calls, exit_behavior="error"),
        ToolCallLimitMiddleware(run_limit=policy.caps.tool_calls),
        *((Check(),) if is_checked else ()),
        Repair(),
        Route(router),
        Bind(),
        ToolErrorMiddleware(_words_of),
    ]
    waiting: dict[str, bool | InterruptOnConfig] = {
        **{name: InterruptOnConfig(allowed_decisions=["approve", "reject"]) for name in approved},
        **{
            name: InterruptOnConfig(
                allowed_decisions=["approve", "reject"], when=_HasRead(frozenset(outgoing))
            )
            for name in outgoing
        },
    }
    if waiting:
        middleware.append(HumanInTheLoopMiddleware(waiting))
    return create_agent(
        _Routed(),
        tools,
        middleware=middleware,
        context_schema=Asking,
        checkpointer=checkpointer,
    )


class Route(AgentMiddleware[AgentState[Any], Asking, Any]):
    """Lets the router choose who answers, with the instructions as the one system message."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def awrap_model_call(
        self, request: ModelRequest[Asking], handler: _Model
    ) -> ModelResponse[Any]:
        """Call a model, by the router."""
        asking = request.runtime.context
        system = SystemMessage(_instructions().substitute(today=asking.today.isoformat()))

        async def ask(model: BaseChatModel) -> ModelResponse[Any]:
            with hearing() as heard:
                response = await handler(request.override(model=model, system_message=system))
            said = [
                heard.strict(each) if isinstance(each, AIMessage) else each
                for each in response.result
            ]
            return replace(response, result=said)

        tokens = count_tokens_approximately(
            [system, *request.messages],
            chars_per_token=_CHARACTERS_PER_TOKEN,
            tools=request.tools,
        )
        writer = request.runtime.stream_writer
        return await self._router.run(
            asking.turn,
            Call(ask, _answer, tokens, begins=lambda number: writer({"attempt": number})),
        )


class Repair(AgentMiddleware[AgentState[Any], Asking, Any]):
    """Sends only transcripts that providers take; asks again where a call cannot be read."""

    async def awrap_model_call(
        self, request: ModelRequest[Asking], handler: _Model
    ) -> ModelResponse[Any]:
        """Call a model until it answers or its calls are readable, thrice at most.

        Raises: PayloadError if they are not by then: the run would end with an empty answer.
        """
        turn = request.runtime.context.turn
        messages = answered(request.messages)
        for _ in range(_MOST_REPAIRS + 1):
            response = await handler(request.override(messages=messages))
            said = _answer(response)
            if said.tool_calls or not said.invalid_tool_calls:
                return response  # unreadable ones beside others are answered with the next request
            turn.signals["repairs"] += 1
            messages = answered([*messages, said])
        raise PayloadError(
            "The model called tools in a way that cannot be read, three times.",
            hint="Ask in other words, or take the figures from the pages.",
        )


class Bind(AgentMiddleware[AgentState[Any], Asking, Any]):
    """Calls tools as who asks, and counts calls that were refused."""

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: _Tool
    ) -> ToolMessage | Command[Any]:
        """Call a tool for the person of the run."""
        asking = cast("Asking", request.runtime.context)
        with acting(asking.scope):
            result = await handler(request)
        if isinstance(result, ToolMessage) and result.status == "error":
            asking.turn.signals["invalid_arguments"] += 1
        return result


@dataclass(frozen=True)
class _HasRead:
    """Whether a conversation has answers of tools other than those that search outside.

    Refusals too: they name what the person has.
    """

    outgoing: frozenset[str]

    def __call__(self, request: ToolCallRequest) -> bool:
        return any(
            isinstance(each, ToolMessage) and each.name not in self.outgoing
            for each in request.state["messages"]
        )


class _Ending(AgentMiddleware[AgentState[Any], Any, Any]):
    """Ends a turn with the answer of a tool, where the tool did not refuse."""

    def __init__(self, tools: Collection[str]) -> None:
        self._tools = frozenset(tools)

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Jump over the model."""
        answers = takewhile(lambda each: isinstance(each, ToolMessage), state["messages"][::-1])
        if any(each.name in self._tools and each.status != "error" for each in answers):
            return {"jump_to": "end"}
        return None


class _ModelCalls(ModelCallLimitMiddleware[Any, Any]):
    """The stock limit with an error of ours."""

    def before_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Count. Raises: LimitError."""
        try:
            return super().before_model(state, runtime)
        except ModelCallLimitExceededError:
            raise LimitError(
                f"The question needed more than {self.run_limit} calls of models.",
                hint="Ask for one thing at a time.",
            ) from None


class _Routed(BaseChatModel):
    """Stands where the agent wants a model; the router puts another in its place."""

    @property
    def _llm_type(self) -> str:
        return "routed"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # LangChain's class demands it; each call is handed to the model that the router chose.
        raise NotImplementedError("the router chooses the model")


def _answer(response: ModelResponse[Any]) -> AIMessage:
    return next(each for each in response.result if isinstance(each, AIMessage))


def _words_of(error: Exception, request: ToolCallRequest) -> str:
    """Return what a model reads of a tool that failed: our own words, or that it failed."""
    if isinstance(error, AstraeusError):
        return str(error)
    # As text: the log's own way to write a traceback shows local variables, secrets among them.
    told = "".join(traceback.format_exception(error))
    _LOG.error("a tool failed", tool=request.tool_call["name"], traceback=told)
    return f"{request.tool_call['name']} failed. Do not call it again for this question."


@cache
def _instructions() -> Template:
    return Template(_PROMPT.read_text())

"""An answer whose numbers stand in no result is asked for once more, of the next better tier.

Imports LangChain: at the first question only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from app.assistant.ledger import Turn
from app.assistant.tools.contract import ToolResult
from app.assistant.verifier import verify
from astraeus_pipeline.errors import AstraeusError

_TOLD: Final = 10
_AGAIN: Final = (
    "A check of your answer, made by a program: these numbers stand in no result of this question:"
    " {numbers}. Write the whole answer anew, with figures as the results have them, each in the"
    " sentence of the row that it is of. If a figure is missing, call the tool that has it, or say"
    " that you do not have it. Do not mention this check."
)


class Asked(Protocol):
    """What a run of the agent knows beside the messages."""

    @property
    def turn(self) -> Turn:
        """Whose signals let the router take a better model."""


_Model: TypeAlias = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


class Check(AgentMiddleware[AgentState[Any], Any, Any]):
    """Holds an answer against the results of its question, and asks once more where it must.

    Where the second answer cannot be had the first one stands: the page flags its numbers.
    """

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: _Model
    ) -> ModelResponse[Any]:
        """Call a model; again if it says numbers that no result has, for the first time."""
        response = await handler(request)
        asked: Asked = request.runtime.context
        said = next(each for each in response.result if isinstance(each, AIMessage))
        if said.tool_calls or asked.turn.signals["unverified_numbers"]:
            return response
        missing = unfounded(said.text, request.messages)
        if not missing:
            return response
        asked.turn.signals["unverified_numbers"] += len(missing)
        told = HumanMessage(_AGAIN.format(numbers=", ".join(missing[:_TOLD])))
        try:
            return await handler(request.override(messages=[*request.messages, said, told]))
        except AstraeusError:
            return response


def unfounded(text: str, messages: Sequence[AnyMessage]) -> list[str]:
    """Return the numbers of an answer that stand in no result since the last question."""
    since = max(
        (at for at, each in enumerate(messages) if isinstance(each, HumanMessage)), default=-1
    )
    results = [
        ToolResult.model_validate(each.artifact)
        for each in messages[since + 1 :]
        if isinstance(each, ToolMessage) and isinstance(each.artifact, dict)
    ]
    question = messages[since].text if since >= 0 else ""
    claims = verify(text, results, question)
    return [text[each.start : each.end].strip() for each in claims if not each.is_verified]

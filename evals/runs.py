"""What an agent did with a question, whoever ran it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage, BaseMessage

from app.assistant.tools.contract import ToolResult


@dataclass(frozen=True)
class Made:
    """A call of a tool as it was made; without a result it was refused or waits for a person."""

    tool: str
    arguments: Mapping[str, Any]
    result: ToolResult | None = None


@dataclass(frozen=True)
class Run:
    """An answer, the calls before it, and the requests to models where they were kept."""

    answer: str
    calls: tuple[Made, ...] = ()
    requests: tuple[Sequence[AnyMessage | BaseMessage], ...] = ()
    status: str = "complete"
    cost_usd: str | None = None
    seconds: float = 0.0
    error: str = ""

    @property
    def results(self) -> list[ToolResult]:
        """What tools answered, each once."""
        found = [each.result for each in self.calls if each.result is not None]
        return list({each.result_id: each for each in found}.values())


@dataclass(frozen=True)
class Verdict:
    """The faults of a run; none is a pass."""

    faults: tuple[str, ...] = field(default=())

    @property
    def is_pass(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

"""The agent itself, asked a question at a time: the product's desk, router, graph and ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage

from app.assistant.models import Candidate, Models
from app.assistant.policy import Caps, Policy, Provider
from app.assistant.settings import AssistantSettings
from app.assistant.turn import Closed, Desk
from evals.cases import Who
from evals.oracles import Known
from evals.runs import Made, Run
from evals.scripts import perfect
from evals.world import World

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


_NO_LIMIT: Final = 1_000_000


class _Recorder(AsyncCallbackHandler):
    def __init__(self, requests: list[Sequence[BaseMessage]]) -> None:
        self._requests = requests

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep a request as it is sent."""
        self._requests += [list(each) for each in messages]


class Recorded(Models):
    """The models of a policy, which keep what they are sent."""

    def __init__(self, settings: AssistantSettings, policy: Policy) -> None:
        super().__init__(settings, policy)
        self.requests: list[Sequence[BaseMessage]] = []

    def get(self, candidate: Candidate) -> BaseChatModel:
        """Return the model, heard."""
        model = super().get(candidate)
        return model.model_copy(update={"callbacks": [_Recorder(self.requests)]})


def only(policy: Policy, provider: Provider, model: str) -> Policy:
    """Return a policy with one model, and without a limit per day: who evaluates sets another."""
    caps = Caps.model_validate({**policy.caps.model_dump(), "usd_per_user_day": _NO_LIMIT})
    changes = {
        "chain": (provider,),
        "tiers": {"only": {provider: model}},
        "start": "only",
        "escalate_on": {},
        "caps": caps,
    }
    return policy.model_copy(update=changes)


class Asker:
    """Asks the agent."""

    def __init__(self, world: World, settings: AssistantSettings, policy: Policy) -> None:
        self._world = world
        self._models = Recorded(settings, policy)
        self._desk = Desk(settings, policy, models=self._models)

    def ask(self, who: Who, question: str, before: Sequence[str] = ()) -> Run:
        """Ask in a thread of its own, and wait for the end. Raises: AstraeusError.

        `before` are questions that are asked first; what they cost counts, nothing else of them.
        """
        thread = uuid4()
        runs = [self._ask(who, thread, each) for each in (*before, question)]
        costs = [Decimal(each.cost_usd) for each in runs if each.cost_usd is not None]
        cost = str(sum(costs, Decimal(0))) if len(costs) == len(runs) else None
        return replace(runs[-1], cost_usd=cost)

    def _ask(self, who: Who, thread: UUID, question: str) -> Run:
        self._models.requests.clear()
        began = time.monotonic()
        running = self._desk.ask(self._world.principal(who), thread, question)
        *_, last = (each for each in running if each is not None)
        made = [Made(each.name, each.arguments, each.result) for each in running.steps.values()]
        costs = [each.cost_usd for each in running.turn.attempts]
        known = [each for each in costs if each is not None]
        return Run(
            running.text,
            tuple(made),
            tuple(self._models.requests),
            last.status if isinstance(last, Closed) else "lost",
            str(sum(known, Decimal(0))) if len(known) == len(costs) else None,
            time.monotonic() - began,
            last.error if isinstance(last, Closed) else "",
        )


def played_by_a_server(world: World, known: Sequence[Known]) -> list[dict[str, Any]]:
    """Return the perfect script of each case's question as a model server's fixtures.

    Ids of results are known beforehand: the same call of the same person has the same.
    """
    fixtures: list[dict[str, Any]] = []
    asked_for = [one for each in known for one in each.thread]
    for each in {one.case.id: one for one in asked_for}.values():
        script = perfect(each)
        run = script.played(each.case.user, world.call)
        asked = {"userMessage": each.case.ask}
        if script.calls:
            calls = [
                {"name": call.tool, "arguments": json.dumps(call.arguments)}
                for call in script.calls
            ]
            fixtures.append(
                {"match": {**asked, "hasToolResult": False}, "response": {"toolCalls": calls}}
            )
        fixtures.append({"match": asked, "response": {"content": run.answer}})
    return fixtures

"""Which model answers a call: the cheapest that the turn lets do, the next provider where it fails.

Only here is anything tried again. Each attempt is kept and priced before its answer is used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from app.assistant.faults import Fault, fault_in, fault_of
from app.assistant.gates import Gate
from app.assistant.ledger import Attempt, Outcome, Price, Recorder, Tokens, Turn, price
from app.assistant.models import Candidate, Models
from app.assistant.policy import Policy
from app.assistant.settings import AssistantSettings
from astraeus_pipeline.errors import (
    AstraeusError,
    AuthError,
    ConfigError,
    LimitError,
    PermanentError,
    TransientError,
)

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

_LOG = structlog.get_logger(__name__)
T = TypeVar("T")

_TRIES: Final = 2
_LONGEST_PAUSE: Final = 5.0
_OUT: Final = 30.0
_BARRED: Final = 300.0
_NOT_SET_UP: Final = Fault("barred", "ConfigError", "cannot be set up as it is configured")
_LABELS: Final = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "google": "Google",
    "compatible": "the compatible server",
}


@dataclass(frozen=True)
class Call(Generic[T]):
    """What is asked of a model: `ask` calls it, `answer_of` finds the message in what that gives.

    `input_tokens` is an estimate. `begins` hears of each attempt, from 1: half an answer may have
    been shown by then, and another model begins anew. `sees`: only models that see are asked.
    """

    ask: Callable[[BaseChatModel], Awaitable[T]]
    answer_of: Callable[[T], AIMessage]
    input_tokens: int
    begins: Callable[[int], None] = lambda number: None
    sees: bool = False


class Router:
    """Routes calls of one event loop; keeps each provider's state between turns."""

    def __init__(
        self,
        models: Models,
        policy: Policy,
        settings: AssistantSettings,
        recorder: Recorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = models
        self._policy = policy
        self._settings = settings
        self._recorder = recorder
        self._clock = clock
        self._gates = {each: Gate(policy.limits.get(each), clock) for each in policy.chain}

    def tier(self, turn: Turn) -> str:
        """Return the tier of a turn's next call: one higher for each signal that it has reached."""
        names = list(self._policy.tiers)
        reached = sum(turn.signals[name] >= at for name, at in self._policy.escalate_on.items())
        return names[min(names.index(self._policy.start) + reached, len(names) - 1)]

    async def run(self, turn: Turn, call: Call[T]) -> T:
        """Return the first answer that a model gives.

        Raises: ConfigError without any key; LimitError where a cap is reached; AuthError,
        TransientError (with `retry_after`) or PermanentError where no model answered, saying for
        each provider why; DatabaseError where an attempt cannot be kept.
        """
        turn.signals["input_tokens"] = max(turn.signals["input_tokens"], call.input_tokens)
        until = self._clock() + self._settings.call_seconds
        faults: list[tuple[Candidate, Fault]] = []
        for candidate in self._ready(turn, call):
            gate = self._gates[candidate.provider]
            tries = 1 if gate.is_trial else _TRIES
            try:
                model = await asyncio.to_thread(self._models.get, candidate)
            except ConfigError:
                faults.append((candidate, _NOT_SET_UP))
                gate.shut(_BARRED)
                continue
            for number in range(1, tries + 1):
                if not await self._may_go_on(turn, candidate, call.input_tokens, until, faults):
                    raise _failed(faults, self._soonest())
                answer = await self._try(turn, candidate, model, call, until)
                if not isinstance(answer, Fault):
                    gate.open()
                    return answer
                faults.append((candidate, answer))
                pause = answer.retry_after
                if pause is None:
                    pause = self._settings.pause_seconds
                if answer.kind == "rejected":
                    break  # the transcript's fault: the provider may still do for others
                if answer.kind == "barred":
                    gate.shut(_BARRED)
                    break
                if number == tries or pause > _LONGEST_PAUSE:
                    gate.shut(max(_OUT, min(pause, _BARRED)))
                    break
                await asyncio.sleep(pause)
        raise _failed(faults, self._soonest())

    def _ready(self, turn: Turn, call: Call[T]) -> list[Candidate]:
        """Return who may be asked: at once first, then who must be waited for a little."""
        models = self._models
        candidates = models.seeing() if call.sees else models.candidates(self.tier(turn))
        waits = {each: self._gates[each.provider].wait(call.input_tokens) for each in candidates}
        soon = [
            each
            for each in candidates
            if waits[each] <= _LONGEST_PAUSE and not self._gates[each.provider].is_out
        ]
        return sorted(soon, key=lambda each: waits[each])

    def _soonest(self) -> float:
        return min(self._gates[each].wait(0) for each in self._models.providers)

    async def _may_go_on(
        self,
        turn: Turn,
        candidate: Candidate,
        tokens: int,
        until: float,
        faults: list[tuple[Candidate, Fault]],
    ) -> bool:
        """Whether there is time and money for one more. Raises: LimitError before the first."""
        wait = self._gates[candidate.provider].wait(tokens)
        if self._clock() + wait >= until:
            return False
        caps = self._policy.caps
        estimate = price(candidate, Tokens(tokens, 0), self._policy).cost or Decimal(0)
        next_call = max(caps.usd_per_call, estimate)
        today = await asyncio.to_thread(self._recorder.spent_today, turn)
        for spent, cap, whose in (
            (turn.spent(caps.usd_per_call), caps.usd_per_turn, "This question"),
            (today, caps.usd_per_user_day, "Your questions of today"),
        ):
            if spent + next_call > cap:
                if faults:
                    return False
                raise LimitError(
                    f"{whose} may cost {cap} USD, and {spent:.4f} USD are spent.",
                    hint="The same figures are on the pages, without a model.",
                )
        if wait:
            await asyncio.sleep(wait)
        return True

    async def _try(
        self, turn: Turn, candidate: Candidate, model: BaseChatModel, call: Call[T], until: float
    ) -> T | Fault:
        gate = self._gates[candidate.provider]
        gate.take(call.input_tokens)
        number = len(turn.attempts) + 1
        call.begins(number)
        at, began = datetime.now(UTC), self._clock()

        def attempt(outcome: Outcome, cost: Price, **known: object) -> Attempt:
            return Attempt.of(
                *(number, at, self._clock() - began, outcome, cost),
                provider=candidate.provider,
                model=candidate.model,
                tier=candidate.tier,
                **known,  # type: ignore[arg-type] # fault and tokens
            )

        try:
            async with asyncio.timeout(min(self._settings.attempt_seconds, until - began)):
                answer = await call.ask(model)
        except asyncio.CancelledError:
            # Not in a thread: who cancels twice would leave the call unrecorded.
            unknown = Price(None, error="stopped before the provider told its tokens")
            self._keep(turn, attempt("stopped", unknown))
            raise
        except AstraeusError:
            raise
        except Exception as error:  # noqa: BLE001 - SDKs raise anything
            fault = fault_of(error)
            if fault.status is None:
                cost = Price(None, error="failed before the provider told its tokens")
                kept = attempt("failed", cost, fault=fault)
            else:
                kept = attempt("refused", Price(Decimal(0), source="not charged"), fault=fault)
            await asyncio.to_thread(self._keep, turn, kept)
            return fault
        message = call.answer_of(answer)
        tokens = Tokens.of(message)
        cost = price(candidate, tokens, self._policy)
        gate.settle((tokens.input + tokens.output - call.input_tokens) if tokens else 0)
        if (amiss := fault_in(message)) is not None:
            kept = attempt("failed", cost, fault=amiss, tokens=tokens)
            await asyncio.to_thread(self._keep, turn, kept)
            return amiss
        await asyncio.to_thread(self._keep, turn, attempt("answered", cost, tokens=tokens))
        return answer

    def _keep(self, turn: Turn, attempt: Attempt) -> None:
        self._recorder.record(turn, attempt)
        _LOG.info(
            "a model was called",
            message_id=str(turn.message_id),
            **attempt.model_dump(mode="json", exclude={"at"}, exclude_none=True),
        )


def _failed(faults: list[tuple[Candidate, Fault]], soonest: float) -> AstraeusError:
    """Return what a person reads where no model answered: each provider's last fault."""
    last = {candidate.provider: fault for candidate, fault in faults}
    if not last:
        return TransientError(
            "No model may be asked just now: all failed a moment ago, or are at their limit.",
            hint=f"Ask again in {max(1, round(soonest))} seconds.",
            retry_after=soonest,
        )
    said = "; ".join(f"{_LABELS[provider]} {fault.words}" for provider, fault in last.items())
    message = f"No model answered: {said}."
    kinds = {fault.kind for fault in last.values()}
    if "passing" in kinds:
        return TransientError(
            message,
            hint=f"Ask again in {max(1, round(soonest))} seconds; the pages have the same figures.",
            retry_after=soonest,
        )
    if "rejected" in kinds:
        return PermanentError(message, hint="Begin a new thread, or ask for less at once.")
    if all(fault.status == 404 for fault in last.values()):
        return ConfigError(message, hint="Look at the models in models.yaml, and at the address.")
    return AuthError(message, hint="Look at the key: is it whole, in force, and of this provider?")

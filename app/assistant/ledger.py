"""What each call of a model took and cost, kept call by call; and what a person spent today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol
from uuid import UUID

import psycopg
from pydantic import BaseModel, ConfigDict

from app.assistant.faults import Fault
from app.assistant.models import Candidate
from app.assistant.policy import Policy
from app.records.connect import as_app
from astraeus_pipeline.warehouse import chat_messages
from astraeus_pipeline.warehouse.chat_messages import Message, Status

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

# answered; refused by a status, which no provider charges; failed on the way or without an answer;
# stopped by the person.
Outcome = Literal["answered", "refused", "failed", "stopped"]
_MILLION: Final = Decimal(1_000_000)


@dataclass(frozen=True)
class Tokens:
    """What the provider says it counted; `input` includes what was read from and put in caches."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0

    @classmethod
    def of(cls, message: AIMessage) -> Tokens | None:
        """Return the tokens of an answer, None where it does not tell."""
        usage = message.usage_metadata
        # No request is without a token: a count of none is one that was not told.
        if not usage or not usage["input_tokens"]:
            return None
        details: Mapping[str, Any] = usage.get("input_token_details") or {}
        written = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
        return cls(
            input=usage["input_tokens"],
            output=usage["output_tokens"],
            cache_read=details.get("cache_read") or 0,
            cache_write=sum(details.get(each) or 0 for each in written),
        )


@dataclass(frozen=True)
class Price:
    """A cost in USD with where it is from, or no cost and why."""

    cost: Decimal | None
    source: str | None = None
    error: str | None = None


def price(candidate: Candidate, tokens: Tokens | None, policy: Policy) -> Price:
    """Return what a call cost, by the policy's own prices or those of genai-prices (offline)."""
    if tokens is None:
        return Price(None, error="the provider told no tokens")
    own = policy.prices.get(f"{candidate.provider}/{candidate.model}")
    if own is not None:
        cost = (own.input * tokens.input + own.output * tokens.output) / _MILLION
        return Price(cost, source="models.yaml")
    if candidate.provider == "compatible":
        # A model of this name elsewhere has another price.
        return Price(None, error="no price is known at this address; models.yaml may have one")
    import genai_prices

    usage = genai_prices.Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
    )
    try:
        found = genai_prices.calc_price(usage, candidate.model, provider_id=candidate.provider)
    except LookupError:
        return Price(None, error=f"genai-prices does not know {candidate.model}")
    except ValueError:
        return Price(None, error="the provider's counts contradict one another")
    return Price(found.total_price, source=f"genai-prices {genai_prices.__version__}")


class Attempt(BaseModel):
    """One call of a model, as app.chat_attempts has it; None is unknown."""

    model_config = ConfigDict(frozen=True)

    number: int
    at: datetime
    provider: str
    model: str
    tier: str
    outcome: Outcome
    status_code: int | None = None
    fault: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: Decimal | None = None
    price_source: str | None = None
    price_error: str | None = None
    latency_ms: int

    @classmethod
    def of(
        cls,
        number: int,
        at: datetime,
        seconds: float,
        outcome: Outcome,
        cost: Price,
        *,
        provider: str,
        model: str,
        tier: str,
        fault: Fault | None = None,
        tokens: Tokens | None = None,
    ) -> Attempt:
        """Put together what is known of a call."""
        return cls(
            number=number,
            at=at,
            provider=provider,
            model=model,
            tier=tier,
            outcome=outcome,
            status_code=fault.status if fault else None,
            fault=fault.name if fault else None,
            input_tokens=tokens.input if tokens else None,
            output_tokens=tokens.output if tokens else None,
            cache_read_tokens=tokens.cache_read if tokens else None,
            cache_write_tokens=tokens.cache_write if tokens else None,
            cost_usd=cost.cost,
            price_source=cost.source,
            price_error=cost.error,
            latency_ms=round(seconds * 1000),
        )


@dataclass
class Turn:
    """One question on its way to an answer: what it spent, and what it showed of itself."""

    message_id: UUID
    user_id: UUID
    session_id: UUID
    attempts: list[Attempt] = field(default_factory=list)
    signals: Counter[str] = field(default_factory=Counter)

    def spent(self, unpriced: Decimal) -> Decimal:
        """Return what its calls cost in USD, those of unknown cost at `unpriced`."""
        return sum(
            (unpriced if each.cost_usd is None else each.cost_usd for each in self.attempts),
            Decimal(0),
        )

    def usage(self) -> dict[str, Any]:
        """Return the sums for app.chat_messages; a sum with an unknown part is unknown."""
        answered = [each for each in self.attempts if each.outcome == "answered"]
        last = answered[-1] if answered else None
        return {
            "request_id": str(self.message_id),
            "provider": last.provider if last else None,
            "tier": last.tier if last else None,
            "input_tokens": _sum([each.input_tokens for each in answered]),
            "output_tokens": _sum([each.output_tokens for each in answered]),
            "cache_read_tokens": _sum([each.cache_read_tokens for each in answered]),
            "cache_write_tokens": _sum([each.cache_write_tokens for each in answered]),
            "cost_usd": _sum([each.cost_usd for each in self.attempts]),
            "price_source": last.price_source if last else None,
            "price_error": next(
                (each.price_error for each in self.attempts if each.price_error), None
            ),
            "latency_ms": sum(each.latency_ms for each in self.attempts),
            "fallbacks": sum(each.outcome in ("refused", "failed") for each in self.attempts),
            "repairs": self.signals["repairs"],
            # Of an answer that was asked for once more.
            "first_unverified": self.signals["unverified_numbers"],
        }


def _sum(values: Sequence[Any]) -> Any:
    return None if None in values else sum(values)


class Recorder(Protocol):
    """Where the router keeps attempts, and asks what was spent."""

    def record(self, turn: Turn, attempt: Attempt) -> None:
        """Keep a call before anything is made of its answer. Raises: DatabaseError."""

    def spent_today(self, turn: Turn) -> Decimal:
        """Return what its person spent since midnight UTC, in USD. Raises: DatabaseError."""


class Ledger:
    """Turns and their calls in app.chat_messages."""

    def __init__(
        self,
        policy: Policy,
        connect: Callable[[], AbstractContextManager[psycopg.Connection]] = as_app,
    ) -> None:
        self._unpriced = policy.caps.usd_per_call
        self._connect = connect

    def begin(
        self,
        email: str,
        session_id: UUID,
        question: str,
        account_context: Mapping[str, Sequence[str]] | None = None,
    ) -> Turn:
        """Keep a question and begin its answer.

        Raises: ConfigError while an answer for the same person runs; ForbiddenError for somebody
        else's thread; DatabaseError.
        """
        with self._connect() as conn:
            begun = chat_messages.begin(conn, email, session_id, question, account_context or {})
        return Turn(begun.message_id, begun.user_id, session_id)

    def resume(self, email: str, message: Message, *, is_approved: bool) -> tuple[Turn, str]:
        """Let an answer that waits for an approval go on; return it and its question.

        Raises: ConfigError where it does not wait any more, or another answer runs; DatabaseError.
        """
        with self._connect() as conn:
            begun, session_id, question = chat_messages.resume(
                conn, email, message.id, is_approved=is_approved
            )
        made = [
            Attempt.model_validate(each, strict=False) for each in message.usage.get("attempts", ())
        ]
        return Turn(begun.message_id, begun.user_id, session_id, made), question

    def record(self, turn: Turn, attempt: Attempt) -> None:
        """Keep a call of a model. Raises: DatabaseError."""
        turn.attempts.append(attempt)
        with self._connect() as conn:
            chat_messages.add_attempt(conn, turn.message_id, attempt.model_dump(mode="json"))

    def spent_today(self, turn: Turn) -> Decimal:
        """Return what the turn's person spent since midnight UTC, in USD. Raises: DatabaseError."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with self._connect() as conn:
            return chat_messages.spent_since(conn, turn.user_id, midnight, self._unpriced)

    def finish(
        self,
        turn: Turn,
        status: Status,
        content: str = "",
        results: Sequence[Mapping[str, Any]] = (),
        **more: Any,
    ) -> None:
        """Close the answer; `more` goes into its usage (tools, numbers). Raises: DatabaseError."""
        answered = [each for each in turn.attempts if each.outcome == "answered"]
        with self._connect() as conn:
            chat_messages.finish(
                conn,
                turn.message_id,
                status=status,
                content=content,
                model=answered[-1].model if answered else None,
                results=results,
                usage={**turn.usage(), **more},
            )

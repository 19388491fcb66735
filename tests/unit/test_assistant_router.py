"""Who answers a call: tries, pauses, breakers, limits, caps; and that no call goes unrecorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import genai_prices
import httpx
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import SecretStr

from app.assistant.ledger import Attempt, Turn
from app.assistant.models import Candidate, Models
from app.assistant.policy import DEFAULT_FILE, Limits, ListPrice, read_policy
from app.assistant.router import Call, Router
from app.assistant.settings import AssistantSettings
from astraeus_pipeline.errors import (
    AstraeusError,
    AuthError,
    ConfigError,
    LimitError,
    PermanentError,
    TransientError,
)

KEYS = AssistantSettings(
    openai_api_key=SecretStr("sk-canary"),
    anthropic_api_key=SecretStr("sk-canary"),
    google_api_key=SecretStr("sk-canary"),
)
TOKENS: UsageMetadata = {
    "input_tokens": 1000,
    "output_tokens": 500,
    "total_tokens": 1500,
    "input_token_details": {"cache_read": 100},
}
ENDED = {"finish_reason": "stop"}
ANSWER = AIMessage("12.50 USD", usage_metadata=TOKENS, response_metadata=ENDED)

Reply = AIMessage | BaseException


def http_error(status: int, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "https://models.example/v1")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError("sk-canary was refused", request=request, response=response)


class Scripted(Models):
    """Models that are their candidates: who is asked is what matters here."""

    def get(self, candidate: Candidate) -> Any:
        return candidate


class Desk:
    """A router with a clock of its own, and what it did."""

    def __init__(self, script: dict[str, Sequence[Reply]], **changes: Any) -> None:
        self.policy = read_policy().model_copy(update={"limits": {}, **changes})
        self.script = {provider: list(replies) for provider, replies in script.items()}
        self.asked: list[str] = []
        self.kept: list[Attempt] = []
        self.slept: list[float] = []
        self.today = Decimal(0)
        self.now = 1000.0
        self.begun: list[int] = []
        models = Scripted(KEYS, self.policy)
        self.router = Router(models, self.policy, KEYS, self, clock=lambda: self.now)
        self.turn = Turn(uuid4(), uuid4(), uuid4())

    def record(self, turn: Turn, attempt: Attempt) -> None:
        turn.attempts.append(attempt)
        self.kept.append(attempt)

    def spent_today(self, turn: Turn) -> Decimal:
        return self.today

    async def ask(self, model: Any) -> AIMessage:
        self.asked.append(model.provider)
        reply = self.script.get(model.provider, [ANSWER])
        said = reply.pop(0) if len(reply) > 1 else reply[0]
        if isinstance(said, BaseException):
            raise said
        return said

    def run(self, ask: Callable[[Any], Awaitable[AIMessage]] | None = None) -> AIMessage:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.now += seconds

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "sleep", sleep)
            call = Call(ask or self.ask, lambda answer: answer, 800, self.begun.append)
            return asyncio.run(self.router.run(self.turn, call))


def test_the_first_of_the_chain_answers_and_its_cost_is_by_the_list() -> None:
    desk = Desk({})
    assert desk.run() is ANSWER
    assert desk.asked == ["openai"] and desk.begun == [1]
    (kept,) = desk.kept
    # 900 tokens at 0.25, 100 from the cache at 0.025, 500 at 2 USD per million
    assert kept.cost_usd == Decimal("0.0012275")
    assert (kept.outcome, kept.model, kept.tier) == ("answered", "gpt-5-mini", "fast")
    assert kept.price_source == f"genai-prices {genai_prices.__version__}"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_does_not_let_us_in_is_left_out_for_five_minutes(status: int) -> None:
    desk = Desk({"openai": [http_error(status), ANSWER]})
    assert desk.run() is ANSWER
    assert desk.asked == ["openai", "anthropic"] and desk.slept == []
    desk.now += 299
    desk.run()
    assert desk.asked[2:] == ["anthropic"]
    desk.now += 2
    desk.run()
    assert desk.asked[3:] == ["openai"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_bad_transcript_does_not_stop_a_provider_for_others(status: int) -> None:
    desk = Desk({"openai": [http_error(status), ANSWER]})
    desk.run()
    desk.run()
    assert desk.asked == ["openai", "anthropic", "openai"]


@pytest.mark.parametrize(
    "error",
    [http_error(503), ValueError("No generation chunks"), ConnectionResetError(), TimeoutError()],
    ids=["503", "garbled", "cut off", "slow"],
)
def test_who_fails_twice_is_left_out_and_then_has_one_try(error: BaseException) -> None:
    desk = Desk({"openai": [error]})
    desk.run()
    assert desk.asked == ["openai", "openai", "anthropic"] and desk.begun == [1, 2, 3]
    desk.now += 29
    desk.run()
    assert desk.asked[3:] == ["anthropic"]
    desk.now += 2
    desk.run()
    assert desk.asked[4:] == ["openai", "anthropic"]
    desk.script["openai"] = [ANSWER]
    desk.now += 31
    desk.run()
    desk.script["openai"] = [error]
    desk.turn = Turn(uuid4(), uuid4(), uuid4())  # calls of unknown cost have used up the other's
    desk.run()
    assert desk.asked[6:] == ["openai", "openai", "openai", "anthropic"]


def test_who_cannot_be_set_up_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(self: Scripted, candidate: Candidate) -> Any:
        if candidate.provider == "openai":
            raise ConfigError("openai cannot be set up.")
        return candidate

    monkeypatch.setattr(Scripted, "get", get)
    desk = Desk({})
    desk.run()
    assert desk.asked == ["anthropic"] and len(desk.kept) == 1
    desk = Desk({}, chain=("openai",))
    with pytest.raises(AuthError, match="OpenAI cannot be set up"):
        desk.run()
    assert desk.kept == []


def test_retry_after_is_waited_for_up_to_five_seconds() -> None:
    desk = Desk({"openai": [http_error(429, **{"retry-after": "3"}), ANSWER]})
    desk.run()
    assert desk.asked == ["openai", "openai"] and desk.slept == [3]
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    desk = Desk({"openai": [http_error(429, **{"retry-after": then}), ANSWER]})
    desk.run()
    assert desk.asked == ["openai", "anthropic"] and desk.slept == []
    desk.now += 50
    desk.run()
    assert desk.asked[2:] == ["anthropic"]


def test_googles_delay_is_read_from_the_body() -> None:
    class Exhausted(Exception):
        code = 429

    desk = Desk({"openai": [Exhausted("{'retryDelay': '2.5s'}"), ANSWER]})
    desk.run()
    assert desk.slept == [2.5]


@pytest.mark.parametrize("text", ["", "12.5"], ids=["empty", "without an end"])
def test_an_empty_or_cut_answer_is_none_but_costs(text: str) -> None:
    metadata = {} if text else ENDED
    said = AIMessage(text, usage_metadata=TOKENS, response_metadata=metadata)
    desk = Desk({"openai": [said, ANSWER]})
    assert desk.run() is ANSWER
    assert [each.outcome for each in desk.kept] == ["failed", "answered"]
    assert desk.turn.spent(Decimal(1)) == Decimal("0.002455")


@pytest.mark.parametrize(
    ("error", "type_", "words"),
    [
        (http_error(401), AuthError, "OpenAI does not take our key (401)"),
        (http_error(404), ConfigError, "Google has no such model or address (404)"),
        (http_error(400), PermanentError, "Anthropic refused the request (400)"),
        (http_error(529), TransientError, "Anthropic is out of order (529)"),
        (TimeoutError("sk-canary"), TransientError, "OpenAI did not answer in time"),
        (ValueError("sk-canary"), TransientError, "gave an answer that cannot be read"),
    ],
)
def test_where_nobody_answers_it_is_said_why_without_their_words(
    error: BaseException, type_: type[AstraeusError], words: str
) -> None:
    desk = Desk({each: [error] for each in ("openai", "anthropic", "google")})
    with pytest.raises(type_) as caught:
        desk.run()
    assert words in caught.value.message and caught.value.hint
    assert "canary" not in str(caught.value) + "".join(each.model_dump_json() for each in desk.kept)
    assert len(desk.kept) == len(desk.asked)


def test_while_all_are_left_out_the_answer_is_immediate() -> None:
    desk = Desk({each: [http_error(401)] for each in ("openai", "anthropic", "google")})
    for _ in range(2):
        with pytest.raises(AstraeusError) as caught:
            desk.run()
    assert len(desk.asked) == 3
    assert isinstance(caught.value, TransientError) and caught.value.retry_after == 300


def test_a_call_that_is_stopped_is_kept_and_its_cost_unknown() -> None:
    desk = Desk({})

    async def stopped(model: Any) -> AIMessage:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        desk.run(stopped)
    (kept,) = desk.kept
    assert (kept.outcome, kept.cost_usd) == ("stopped", None) and kept.price_error


def test_a_slow_answer_is_given_up() -> None:
    desk = Desk({})
    quick = KEYS.model_copy(update={"attempt_seconds": 0.01})
    desk.router = Router(Scripted(quick, desk.policy), desk.policy, quick, desk)

    async def slow(model: Any) -> AIMessage:
        await asyncio.Event().wait()
        return ANSWER

    with pytest.raises(TransientError, match="did not answer in time"):
        desk.run(slow)


def test_caps_hold_before_a_call() -> None:
    desk = Desk({})
    desk.today = Decimal("4.96")
    with pytest.raises(LimitError, match=r"of today may cost 5 USD, and 4.9600 USD"):
        desk.run()
    desk.today = Decimal("4.95")
    desk.run()
    # An unknown cost counts as one that is set aside.
    desk = Desk({"openai": [AIMessage("no tokens told", response_metadata=ENDED)]})
    for _ in range(5):
        desk.run()
    with pytest.raises(LimitError, match=r"This question may cost 0.25 USD, and 0.2500 USD"):
        desk.run()
    assert desk.turn.usage()["cost_usd"] is None and desk.turn.usage()["price_error"]


def test_a_long_transcript_sets_aside_what_it_will_cost() -> None:
    desk = Desk({}, tiers={"only": {"openai": "gpt-5"}}, start="only")
    desk.today = Decimal("4.94")
    call = Call(desk.ask, lambda answer: answer, 60_000)  # 0.075 USD of input alone
    with pytest.raises(LimitError):
        asyncio.run(desk.router.run(desk.turn, call))


def test_trouble_brings_in_the_better_model() -> None:
    desk = Desk({"openai": [http_error(401)]})
    desk.turn.signals["invalid_arguments"] = 1
    desk.run()
    desk.turn.signals["invalid_arguments"] = 2
    desk.run()
    desk.turn.signals["repairs"] = 5
    desk.run()
    assert [each.model for each in desk.kept] == [
        *("gpt-5-mini", "claude-haiku-4-5"),
        *("claude-sonnet-4-5", "claude-sonnet-4-5"),
    ]


def test_who_has_no_model_in_a_tier_takes_part_after_those_that_have() -> None:
    tiers: Any = {"fast": {"openai": "a", "google": "g"}, "able": {"anthropic": "b"}}
    models = Models(KEYS, read_policy().model_copy(update={"tiers": tiers}))
    assert [(each.model, each.tier) for each in models.candidates("able")] == [
        *(("b", "able"), ("a", "fast"), ("g", "fast"))
    ]
    assert [each.model for each in models.candidates("fast")] == ["a", "g", "b"]


def test_a_provider_at_its_limit_is_waited_for_only_where_it_is_the_last() -> None:
    limits = {each: Limits(rpm=20) for each in ("openai", "anthropic")}
    desk = Desk({}, limits=limits, chain=("openai", "anthropic"))
    for _ in range(40):
        desk.run()
    assert desk.asked == ["openai"] * 20 + ["anthropic"] * 20 and desk.slept == []
    desk.run()
    assert desk.slept == [3]  # a twentieth of a minute
    desk = Desk({}, limits={"openai": Limits(tpm=900)}, chain=("openai",))
    desk.run()  # 1500 tokens, more than there are
    with pytest.raises(TransientError, match="at their limit") as caught:
        desk.run()
    assert isinstance(caught.value, TransientError) and (caught.value.retry_after or 0) > 5


REPLIES: dict[str, Reply] = {
    **{str(status): http_error(status) for status in (400, 401, 429, 500)},
    "late": http_error(429, **{"retry-after": "7"}),
    "garbled": ValueError("?"),
    "empty": AIMessage(""),
    "answer": ANSWER,
}


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["openai", "anthropic", "google"]),
            st.lists(st.sampled_from(sorted(REPLIES)), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 40),
)
@profile(max_examples=60, deadline=None)
def test_whatever_fails_each_call_is_kept_once_and_the_end_is_clean(
    scripts: list[dict[str, list[str]]], pause: int
) -> None:
    desk = Desk({})
    for script in scripts:
        desk.script = {who: [REPLIES[each] for each in does] for who, does in script.items()}
        try:
            assert desk.run() is ANSWER
        except AstraeusError as error:
            assert error.hint
        else:
            assert desk.kept[-1].outcome == "answered"
        desk.now += pause
    assert [each.provider for each in desk.kept] == desk.asked
    assert [each.number for each in desk.kept] == list(range(1, len(desk.asked) + 1)) == desk.begun
    for each in desk.kept:
        assert (each.cost_usd is None) == (each.price_error is not None)
        assert (each.cost_usd is None) == (each.price_source is None)


def test_every_model_of_the_file_has_a_price() -> None:
    policy = read_policy()
    usage = genai_prices.Usage(input_tokens=1, output_tokens=1)
    for tier in (*policy.tiers.values(), policy.vision):
        for provider, model in tier.items():
            if provider != "compatible":
                assert genai_prices.calc_price(usage, model, provider_id=provider).total_price > 0


def test_prices_of_ones_own_come_first_and_unknown_is_not_zero() -> None:
    changes: dict[str, Any] = {
        "tiers": {"only": {"openai": "gpt-nobody-knows"}},
        "start": "only",
        "chain": ("openai",),
    }
    desk = Desk({}, **changes)
    desk.run()
    assert desk.kept[0].cost_usd is None
    assert desk.kept[0].price_error == "genai-prices does not know gpt-nobody-knows"
    own = {"openai/gpt-nobody-knows": ListPrice(input=Decimal(1), output=Decimal(4))}
    desk = Desk({}, **changes, prices=own)
    desk.run()
    assert (desk.kept[0].cost_usd, desk.kept[0].price_source) == (Decimal("0.003"), "models.yaml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("start: fast", "start: slow"), "start: slow is none of the tiers"),
        (("chain: [openai", "chain: [other"), "chain.0: Input should be"),
        (("usd_per_call: 0.05", "usd_per_call: none"), "caps.usd_per_call"),
        (("chain: [", "chain: ]"), "is no YAML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(DEFAULT_FILE.read_text().replace(*change))
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        read_policy(file)


def test_keys_are_read_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"ASTRAEUS_LLM_{name}", raising=False)
    policy = read_policy()
    models = Models(AssistantSettings.from_env(), policy)
    assert models.providers == ()
    with pytest.raises(ConfigError, match="No model provider has a key"):
        models.candidates("fast")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("GEMINI_API_KEY", "sk-canary")
    monkeypatch.setenv("ASTRAEUS_LLM_COMPATIBLE_URL", "http://127.0.0.1:11434/v1")
    settings = AssistantSettings.from_env()
    assert Models(settings, policy).providers == ("google", "compatible")
    assert "canary" not in repr(settings)

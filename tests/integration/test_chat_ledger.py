"""Threads and what each call of a model cost, in the database: whose they are, who reads what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from app.assistant.faults import Fault
from app.assistant.ledger import Attempt, Ledger, Outcome, Price, Tokens, Turn
from app.assistant.policy import read_policy
from astraeus_pipeline.errors import ConfigError, ForbiddenError
from astraeus_pipeline.warehouse import chat_messages, users
from astraeus_pipeline.warehouse.engine import Database

pytestmark = pytest.mark.integration

ANN, BEN = "ann@example.org", "ben@example.org"
NOW = datetime.now(UTC)
SLOW = Fault("passing", "ReadTimeout", "did not answer in time")
UNKNOWN = Price(None, error="failed before the provider told its tokens")


@pytest.fixture
def app(database: Database) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=True) as conn:
        for email in (ANN, BEN):
            users.add(conn, email, email[:3], "viewer", (), actor="test")
        yield conn


@pytest.fixture
def ledger(database: Database, app: psycopg.Connection) -> Ledger:
    def connect() -> AbstractContextManager[psycopg.Connection]:
        return database.connect("app", autocommit=True)

    return Ledger(read_policy(), connect)


def answered(turn: Turn, cost: str, at: datetime = NOW) -> Attempt:
    number = len(turn.attempts) + 1
    tokens = Tokens(1000, 500, 100, 7)
    paid = Price(Decimal(cost), source="list")
    return _attempt(number, at, "answered", paid, tokens=tokens)


def failed(turn: Turn) -> Attempt:
    return _attempt(len(turn.attempts) + 1, NOW, "failed", UNKNOWN, fault=SLOW)


def _attempt(
    number: int,
    at: datetime,
    outcome: Outcome,
    cost: Price,
    fault: Fault | None = None,
    tokens: Tokens | None = None,
) -> Attempt:
    return Attempt.of(
        *(number, at, 1.25, outcome, cost),
        provider="openai",
        model="gpt-5-mini",
        tier="fast",
        fault=fault,
        tokens=tokens,
    )


def test_a_turn_is_kept_call_by_call_and_shown_again(
    ledger: Ledger, app: psycopg.Connection
) -> None:
    thread = uuid4()
    turn = ledger.begin(ANN, thread, "What did we \0 spend?", {"account": ["acme"]})
    ledger.record(turn, failed(turn))
    ledger.record(turn, answered(turn, "0.0012275000000000000001"))
    # what a crash leaves
    kept = app.execute(
        "select status, jsonb_array_length(usage -> 'attempts') from app.chat_messages"
    )
    assert sorted(kept.fetchall()) == [("complete", 0), ("running", 2)]
    rows = [{"cost": Decimal("12.3400"), "service": "A\0\ud800"}]
    ledger.finish(turn, "complete", "12.34 USD", rows, tools=["get_costs"])
    question, answer = chat_messages.thread(app, ANN, thread)
    assert (question.role, question.content) == ("user", "What did we ? spend?")
    assert (answer.content, answer.model, answer.status) == ("12.34 USD", "gpt-5-mini", "complete")
    assert answer.results == [{"cost": "12.3400", "service": "A??"}]
    expected = {"input_tokens": 1000, "output_tokens": 500, "cost_usd": None, "fallbacks": 1}
    assert expected.items() <= answer.usage.items()
    assert answer.usage["price_error"] == UNKNOWN.error and answer.usage["tools"] == ["get_costs"]
    calls = app.execute(
        "select number, outcome, fault, cost_usd, input_tokens, cache_write_tokens, latency_ms"
        " from app.chat_attempts where message_id = %s order by number",
        [turn.message_id],
    ).fetchall()
    assert calls == [
        (1, "failed", "ReadTimeout", None, None, None, 1250),
        (2, "answered", None, Decimal("0.0012275000000000000001"), 1000, 7, 1250),
    ]
    (listed,) = chat_messages.threads(app, ANN)
    assert (listed.session_id, listed.title) == (thread, "What did we ? spend?")
    noted = app.execute("select actor, detail::text from app.audit_log where action = 'chat.asked'")
    assert noted.fetchall() == [(ANN, f'{{"thread": "{thread}"}}')]


def test_a_thread_is_one_persons(ledger: Ledger, app: psycopg.Connection) -> None:
    thread = uuid4()
    ledger.finish(ledger.begin(ANN, thread, "What did we spend?"), "complete", "12.34 USD")
    with pytest.raises(ForbiddenError):
        ledger.begin(BEN, thread, "And?")
    with pytest.raises(ForbiddenError):
        chat_messages.thread(app, BEN, thread)
    assert chat_messages.threads(app, BEN) == []
    with pytest.raises(ConfigError, match="no user"):
        ledger.begin("nobody@example.org", uuid4(), "?")


def test_a_person_has_one_answer_running(
    ledger: Ledger, app: psycopg.Connection, database: Database
) -> None:
    turn = ledger.begin(ANN, uuid4(), "First?")
    with pytest.raises(ConfigError, match="still being answered"):
        ledger.begin(ANN, uuid4(), "Second?")
    ledger.begin(BEN, uuid4(), "Mine?")
    with pytest.raises(psycopg.errors.UniqueViolation), database.connect("app") as conn:
        conn.execute(
            "insert into app.chat_messages (session_id, user_id, role, status)"
            " values (gen_random_uuid(), %s, 'assistant', 'running')",
            [turn.user_id],
        )
    # One whose process was killed stands in the way for a quarter of an hour, no longer.
    app.execute(
        "update app.chat_messages set created_at = created_at - interval '16 minutes'"
        " where id = %s",
        [turn.message_id],
    )
    second = ledger.begin(ANN, uuid4(), "Second?")
    states = app.execute(
        "select id, status from app.chat_messages where user_id = %s and role = 'assistant'",
        [turn.user_id],
    )
    assert dict(states.fetchall()) == {turn.message_id: "failed", second.message_id: "running"}


def test_what_a_person_spent_today(ledger: Ledger) -> None:
    mine, other = ledger.begin(ANN, uuid4(), "?"), ledger.begin(BEN, uuid4(), "?")
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    ledger.record(other, answered(other, "3"))
    ledger.record(mine, answered(mine, "1.5", midnight - timedelta(microseconds=1)))
    ledger.record(mine, answered(mine, "0.0000001", midnight))
    ledger.finish(mine, "stopped")
    assert ledger.spent_today(mine) == Decimal("0.0000001")
    again = ledger.begin(ANN, uuid4(), "?")
    ledger.record(again, failed(again))
    assert ledger.spent_today(again) == Decimal("0.0500001")


def test_dbt_reads_what_calls_cost_and_no_word(database: Database, ledger: Ledger) -> None:
    turn = ledger.begin(ANN, uuid4(), "What did we spend?")
    ledger.record(turn, answered(turn, "1"))
    with database.connect("dbt") as conn:
        found = conn.execute("select provider, cost_usd from app.chat_attempts").fetchall()
        assert found == [("openai", Decimal(1))]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("select content from app.chat_messages")
    for role in ("reader", "operator", "loader"):
        with (
            database.connect(role) as conn,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            conn.execute("select 1 from app.chat_attempts")

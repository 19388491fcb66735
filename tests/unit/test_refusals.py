"""PostgreSQL's errors in words: what they mean, and nothing of the program."""

from __future__ import annotations

import psycopg
import pytest
from dagster_shared.error import SerializableErrorInfo

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.orchestration import failures
from astraeus_pipeline.warehouse import refusals
from benchmarks.chaos.invariants import innards

AT = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{AT}FATAL:  sorry, too many clients already", "connections are taken"),
        (
            f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER"
            " attribute",
            "connections are taken",
        ),
        (f'{AT}FATAL:  too many connections for role "astraeus_loader"', "connections are taken"),
        (f"{AT}FATAL:  the database system is starting up", "starting or stopping"),
        (f"{AT}FATAL:  the database system is in recovery mode", "starting or stopping"),
        (f"{AT}Connection refused\n\tIs the server running on that host?", "nothing answers"),
        ("terminating connection due to administrator command\nSSL connection closed", "stopped"),
        ("SSL connection has been closed unexpectedly", "was cut"),
        ("SSL SYSCALL error: EOF detected", "was cut"),
        ("consuming input failed: server closed the connection unexpectedly", "was cut"),
        ("the connection is closed", "was cut"),
        ("the connection is lost", "was cut"),
        ("connection timeout expired", "in time"),
        (f'{AT}FATAL:  database "x" does not exist', 'database "x" does not exist'),
        ("OperationalError: psycopg made this up", "did not do what was asked"),
    ],
)
def test_a_connection_that_failed_is_told_in_words(text: str, why: str) -> None:
    told = refusals.told(psycopg.OperationalError(text), "Loading account east")
    assert why in told.message and told.message.startswith("Loading account east failed")
    assert told.hint and innards(str(told)) is None, str(told)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (psycopg.errors.TooManyConnections(), "connections are taken"),
        (psycopg.errors.AdminShutdown(), "was stopped"),
        (psycopg.errors.DiskFull(), "disk is full"),
        (psycopg.errors.DeadlockDetected(), "same rows"),
        (psycopg.errors.QueryCanceled(), "too long"),
        (psycopg.errors.UndefinedTable(), "did not do what was asked"),
    ],
)
def test_a_code_of_the_server_is_told_in_words(error: psycopg.Error, why: str) -> None:
    assert why in refusals.of(error).why


def test_a_failed_step_says_our_words_and_of_others_only_that_they_were_not_foreseen() -> None:
    ours = _kept(DatabaseError("PostgreSQL is away.", hint="Start it."))
    around = SerializableErrorInfo("Error occurred while executing op", [], "Around", ours)
    assert failures.words_of(around) == "PostgreSQL is away. Start it."
    other = SerializableErrorInfo("sqlalchemy.exc.DatabaseError: (psycopg2.x) secret", [], "Other")
    assert failures.words_of(other) == (
        "The run failed in a way that nobody has foreseen (Other); its page in Dagster shows where."
    )


def _kept(error: Exception) -> SerializableErrorInfo:
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    return SerializableErrorInfo(f"{name}: {error}\n", [], type(error).__name__)

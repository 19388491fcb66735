"""Runs statements as the reader role: read only, with a time limit, exact decimals out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from threading import Lock
from typing import Any, Final

import psycopg
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.exc import DBAPIError

from app import measures
from app.queries import standing
from app.queries.compiler import Statement
from app.settings import app_settings
from astraeus_pipeline import logs
from astraeus_pipeline.errors import AstraeusError, ConfigError, DatabaseError
from astraeus_pipeline.warehouse.engine import Database

Row = dict[str, Any]
_AT_ONCE: Final = 1_000  # rows of a stream


def run(statement: Statement, session: str = "") -> list[Row]:
    """Return the rows of a statement that the session may see; numeric as Decimal.

    `session` is the key of who asks. Without one there are no rows but those of open marts.
    Raises: DatabaseError in plain words, with no SQL and no password.
    """
    with measures.query("marts") as told:
        try:
            rows = _answered(statement, session)
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.errors.FeatureNotSupported):
                raise _explained(error) from error
            # A mart has other columns than when the question was planned; that plan is forgotten.
            rows = _again(statement, session)
        told["rows"] = len(rows)
        return rows


def _again(statement: Statement, session: str) -> list[Row]:
    try:
        return _answered(statement, session)
    except DBAPIError as error:
        raise _explained(error) from error


def _answered(statement: Statement, session: str) -> list[Row]:
    with _engine().connect() as connection, _stoppable(connection):
        connection.execute(_LIMITS, _limits(session))
        answer = connection.execute(sqlalchemy.text(statement.sql), dict(statement.parameters))
        names = tuple(answer.keys())
        # As the driver has them: SQLAlchemy's own rows and mappings take longer than the fetch.
        rows = [dict(zip(names, row, strict=True)) for row in answer.cursor.fetchall()]
        # Of what is rolled back the driver forgets the plans: half of the time of some questions.
        connection.commit()
        return rows


def stream(statement: Statement, session: str = "") -> Iterator[Row]:
    """Yield the rows of a statement as `run` returns them, a few at a time and none of them kept.

    Raises: DatabaseError, at the first row or any other.
    """
    try:
        with (
            measures.query("marts") as told,
            _engine().connect() as connection,
            _stoppable(connection),
        ):
            connection.execute(_LIMITS, _limits(session))
            asking = connection.execution_options(stream_results=True, max_row_buffer=_AT_ONCE)
            answer = asking.execute(sqlalchemy.text(statement.sql), dict(statement.parameters))
            names = tuple(answer.keys())
            told["rows"] = 0
            for some in answer.partitions(_AT_ONCE):
                told["rows"] += len(some)
                yield from (dict(zip(names, row, strict=True)) for row in some)
    except DBAPIError as error:
        raise _explained(error) from error


def run_guarded(sql: str, session: str, *, seconds: float, most_cost: float) -> list[Row]:
    """Return the rows of SQL that is not ours, as `run` does; nothing of it can stay.

    It is prepared, which the server does with a single statement alone, found out what it would
    cost (in the planner's unit), and run in a transaction that is rolled back. Names that are not
    written with their schema are those of PostgreSQL itself.

    Raises: ConfigError in PostgreSQL's words where it does not take it, where it would cost more
    or takes longer, or where two columns have one name; DatabaseError.
    """
    try:
        with (
            measures.query("guarded") as told,
            _engine().connect() as connection,
            _stoppable(connection),
        ):
            limits = _limits(session) | {"timeout": f"{int(seconds * 1000)}ms"}
            connection.execute(_LIMITS, limits)
            connection.execute(_ALONE)
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the engine's driver
            with driver.cursor() as cursor:
                cursor.execute(f"explain (format json) {sql}".encode(), prepare=True)
                [[plan]] = cursor.fetchall()
                _check_cost(plan[0]["Plan"]["Total Cost"], most_cost)
            with driver.cursor(row_factory=dict_row) as cursor:
                cursor.execute(sql.encode(), prepare=True)
                names = [each.name for each in cursor.description or ()]
                if len(set(names)) < len(names):
                    raise ConfigError(
                        "Refused: two columns of the answer have one name.",
                        hint="Name each with AS.",
                    )
                rows = cursor.fetchall()
            told["rows"] = len(rows)
            return rows
    except DBAPIError as error:
        raise _explained(error) from error
    except psycopg.Error as error:
        raise _refused(error, seconds) from None


def _check_cost(cost: float, most: float) -> None:
    if cost > most:
        raise ConfigError(
            f"Refused: it would cost {cost:,.0f}, and {most:,.0f} is the most.",
            hint="Ask for fewer days, fewer joins, or a mart of sums (fct_costs_by_dimension).",
        )


def _refused(error: psycopg.Error, seconds: float) -> AstraeusError:
    code = error.sqlstate or ""
    if code == "57014":
        return ConfigError(
            f"It took longer than {seconds:g} seconds and was stopped.",
            hint="Ask for fewer days, or a mart of sums (fct_costs_by_dimension).",
        )
    # Classes of what is wrong with the statement or its values; all else is the server's trouble.
    if code[:2] in ("0A", "21", "22", "25", "26", "42", "54"):
        words = (error.diag.message_primary or "it is not valid").rstrip(".")
        return ConfigError(f"PostgreSQL refused it: {words}.", hint=error.diag.message_hint)
    return _silent()


class Stopper:
    """Ends the statements of a task in the database, where nobody waits for them any more.

    Enter it around what asks, and call `stop` from any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[psycopg.Connection[Any]] = set()
        self._is_stopped = False

    def stop(self) -> None:
        """Cancel what runs; what is asked afterwards is refused."""
        # Held until the server has the word, so that none is cancelled that others ask next.
        with self._lock:
            self._is_stopped = True
            for each in self._running:
                with suppress(psycopg.Error):
                    each.cancel_safe(timeout=_CANCEL_SECONDS)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let statements of this task, and the threads that it awaits, be stopped."""
        token = _STOPPER.set(self)
        try:
            yield
        finally:
            _STOPPER.reset(token)

    @contextmanager
    def watching(self, connection: sqlalchemy.Connection) -> Iterator[None]:
        """Watch what a connection asks. Raises: DatabaseError where it was stopped before."""
        driver: Any = connection.connection.driver_connection
        with self._lock:
            if self._is_stopped:
                raise DatabaseError("The question was stopped.")
            self._running.add(driver)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(driver)
                if self._is_stopped:
                    connection.invalidate()  # a late cancel must not meet another's question


_STOPPER: ContextVar[Stopper | None] = ContextVar("stopper", default=None)
_CANCEL_SECONDS: Final = 5.0


@contextmanager
def _stoppable(connection: sqlalchemy.Connection) -> Iterator[None]:
    stopper = _STOPPER.get()
    if stopper is None:
        yield
        return
    with stopper.watching(connection):
        yield


@cache
def _database() -> Database:
    return standing.opened()


@cache
def _engine() -> sqlalchemy.Engine:
    return _database().engine("reader")


def forget_engine() -> None:
    """Open the database anew at the next question, after its address has changed."""
    _engine.cache_clear()
    _database.cache_clear()


def _silent() -> AstraeusError:
    return standing.silent(_database(), forget_engine)


# Bound, not written out: the reader sees the text of other readers' statements in
# pg_stat_activity, and a key in there would be theirs.
_LIMITS: Final = sqlalchemy.text(
    "select set_config('astraeus.session', :session, true),"
    " set_config('statement_timeout', :timeout, true),"
    " set_config('transaction_read_only', 'on', true),"
    # A kept plan must not be one for any value: of a day or of a year, it took seconds.
    " set_config('plan_cache_mode', 'force_custom_plan', true),"
    # A stream is read to its end: a plan for its first rows alone would be the wrong one.
    " set_config('cursor_tuple_fraction', '1', true),"
    # The id under which page or question are in our log, for that of the server.
    " set_config('application_name', :application, true)"
)

_ALONE: Final = sqlalchemy.text(
    "select set_config('search_path', 'pg_catalog', true),"
    " set_config('standard_conforming_strings', 'on', true)"
)


def _limits(session: str) -> dict[str, str]:
    return {
        "session": session,
        "timeout": f"{int(app_settings().query_timeout_seconds)}s",
        "application": f"astraeus reader {logs.request_id() or ''}".rstrip(),
    }


def _explained(error: DBAPIError) -> AstraeusError:
    code = getattr(error.orig, "sqlstate", None)
    if code == "42P01":
        return DatabaseError(
            "The marts have not been built yet.",
            hint="Ingest an account (`astraeus backfill`), or run `astraeus demo`.",
        )
    if code == "57014":
        return DatabaseError(
            "The question took too long and was stopped.", hint="Choose a shorter period."
        )
    if isinstance(error.orig, psycopg.DataError):
        return DatabaseError(
            "What is asked for has characters that no text holds, or a number out of range.",
            hint="Look at the filters again.",
        )
    return _silent()

"""Answers on their way into the landing store and out of it: a JSON object a line, their words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts.columns import DECIMAL_PRECISION
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Part, RowCount
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import whole_number
from astraeus_pipeline.providers.snowflake.client import Row, SnowflakeSession
from astraeus_pipeline.providers.snowflake.statements import IDENTITY, Statement

# The rows of each stored answer, by the statement's key.
Answers = Mapping[str, Iterator[Row]]


@dataclass(frozen=True)
class Asked:
    """Statements about some days, asked in one session."""

    session: SnowflakeSession
    days: DayRange
    landing: Landing

    def rows(self, statement: Statement) -> list[Row]:
        """Return the answer as it is: for totals and other short ones."""
        return list(self._answer(statement))

    def store(self, statement: Statement) -> Part:
        """Stream the answer into the landing store and return where it lies."""
        return self.put(statement.key, self._answer(statement))

    def put(self, key: str, rows: Iterable[Row]) -> Part:
        """Store rows under a statement's key, or another."""
        return self.landing.put(f"{key}-{self.days}.jsonl", map(line, rows), "jsonl")

    def _answer(self, statement: Statement) -> Iterator[Row]:
        bounds = {
            "first": self.days.first.isoformat(),
            "last": self.days.last.isoformat(),
            "end": self.days.end.isoformat(),
        }
        return self.session.rows(f"{statement.view} for {self.days}", statement.sql, bounds)


def line(row: Mapping[str, Any]) -> bytes:
    """Return a row as one line of JSON; decimals and times as text, so that none is rounded."""
    return json.dumps(row, default=_text, sort_keys=True).encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        # One with an exponent that no amount has is not written out: its row will be set apart.
        is_endless = value.is_finite() and abs(value.adjusted()) > DECIMAL_PRECISION
        return str(value) if is_endless else f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an answer of Snowflake")


def read(fetched: Fetched, landing: Landing) -> Answers:
    """Return the rows of each stored answer; they are read as they are asked for."""
    return {
        part.name.split("-", 1)[0]: documents(fetched, landing, part, parse_float=Decimal)
        for part in fetched.parts
    }


def one_identity(answers: Answers) -> Row:
    """Return who the session was: account_locator, account_name, region, ..."""
    return first(answers[IDENTITY.key])


def first(rows: Iterator[Row]) -> Row:
    """Return the row that an answer has at least. Raises: LookupError."""
    for row in rows:
        return row
    raise LookupError("an answer without a row")


def complete_through(lag: timedelta) -> date:
    """Return the last day that a view with this lag has told in full."""
    return (datetime.now(UTC) - lag).date() - timedelta(days=1)


def row_counts(totals: Iterable[Row]) -> tuple[RowCount, ...]:
    """Return how many `charges` Snowflake counts on each `usage_date` of its totals."""
    counts: dict[date, int] = {}
    for total in totals:
        day = total["usage_date"]
        counts[day] = counts.get(day, 0) + whole_number(total["charges"])
    return tuple(RowCount(day, rows) for day, rows in sorted(counts.items()))

"""Answers on their way into the landing store: one JSON object a line, in Snowflake's words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Landing, Part
from astraeus_pipeline.providers.snowflake.client import Row, SnowflakeSession
from astraeus_pipeline.providers.snowflake.statements import Statement


@dataclass(frozen=True)
class Asked:
    """Statements about some days, asked in one session."""

    session: SnowflakeSession
    days: DayRange
    landing: Landing
    values: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, statement: Statement) -> list[Row]:
        """Return the answer as it is: for totals and other short ones."""
        return list(self._answer(statement))

    def store(self, statement: Statement) -> Part:
        """Stream the answer into the landing store and return where it lies."""
        return self.landing.put(
            f"{statement.key}-{self.days}.jsonl", map(line, self._answer(statement)), "jsonl"
        )

    def _answer(self, statement: Statement) -> Iterator[Row]:
        bounds = {
            "first": self.days.first.isoformat(),
            "last": self.days.last.isoformat(),
            "end": self.days.end.isoformat(),
        }
        about = f"{statement.view} for {self.days}"
        return self.session.rows(about, statement.sql, {**bounds, **self.values})


def line(row: Mapping[str, Any]) -> bytes:
    """Return a row as one line of JSON; decimals and times as text, so that none is rounded."""
    return json.dumps(row, default=_text, sort_keys=True).encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an answer of Snowflake")

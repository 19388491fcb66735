"""What is true by SQL that was written by hand, and whether a tool says the same to the cent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row, tuple_row

from app.assistant.tools.contract import Cell, ToolResult, cell
from evals.cases import Case, Expected

CURRENCY: Final = "billing_currency"
_PERCENT: Final = ("_pct", "_percent")
# Figures of money, by their names; all others are counts.
_MONEY: Final = re.compile(
    r"(cost|amount|saving|change_abs|_value|_over)$|^(before|after|difference|read_(lines|total))$"
)

Row = dict[str, Cell]


@dataclass(frozen=True)
class Truth:
    """What a call must bring: the rows of its oracle."""

    expected: Expected
    rows: tuple[Row, ...]

    @property
    def labels(self) -> list[str]:
        """Return the columns that name a row."""
        return [name for name in self._names if name != CURRENCY and self._is(name, str | date)]

    @property
    def figures(self) -> list[str]:
        """Return the columns of numbers."""
        return [name for name in self._names if self._is(name, int | Decimal)]

    @property
    def said(self) -> list[str]:
        """Return the columns of numbers that an answer tells."""
        if self.expected.said is not None:
            return list(self.expected.said)
        return [name for name in self.figures if name != "rank"]

    @property
    def named(self) -> list[str]:
        """Return the labels that an answer names."""
        return self.labels if self.expected.named is None else list(self.expected.named)

    @property
    def _names(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    def _is(self, name: str, kind: Any) -> bool:
        return any(
            isinstance(row[name], kind) and not isinstance(row[name], bool) for row in self.rows
        )


@dataclass(frozen=True)
class Known:
    """What is true of a case. `earlier` is what is asked before it; `private` no search tells."""

    case: Case
    truths: tuple[Truth, ...]
    choices: tuple[str, ...] = ()
    never: tuple[Cell, ...] = ()
    private: tuple[str, ...] = ()
    earlier: Known | None = None

    @property
    def thread(self) -> list[Known]:
        """Return what is asked in its thread, the first question first, itself last."""
        return [*(self.earlier.thread if self.earlier else ()), self]


def know(conn: psycopg.Connection, case: Case, earlier: Known | None = None) -> Known:
    """Ask the oracles of a case. Raises: ValueError where one has no answer, psycopg.Error."""
    truths = tuple(Truth(each, tuple(_asked(conn, case, each.oracle))) for each in case.calls)
    choices = tuple(str(each) for row in _asked(conn, case, case.choices) for each in row.values())
    if case.choices and len(set(choices)) < 2:
        raise ValueError(f"{case.id}: there is nothing to choose from")
    never = tuple(each for row in _asked(conn, case, case.never) for each in row.values())
    private = tuple(accounts(conn)) if case.expect == "search" else ()
    return Known(case, truths, choices, never, private, earlier)


def _asked(conn: psycopg.Connection, case: Case, sql: str) -> list[Row]:
    if not sql:
        return []
    with conn.cursor(row_factory=dict_row) as cursor:
        try:
            rows = cursor.execute(sql.encode()).fetchall()
        except psycopg.Error as error:
            raise ValueError(f"{case.id}: {error}") from error
    found = [{name: cell(value) for name, value in row.items()} for row in rows]
    if not found or all(value is None for row in found for value in row.values()):
        raise ValueError(f"{case.id}: an oracle has no answer: {sql}")
    return found


def unit_of(column: str, row: Mapping[str, Cell]) -> str:
    """Return the unit of a figure of an oracle, by its name alone."""
    if column.endswith(_PERCENT):
        return "%"
    if column.endswith("_points"):
        return "percentage points"
    if column.endswith("_usd"):
        return "USD"
    return str(row[CURRENCY]) if _MONEY.search(column) else "count"


def mismatches(truth: Truth, result: ToolResult) -> list[str]:
    """Say where a tool's result is not what its oracle says; figures are exact, shares to 0.005."""
    if truth.expected.of == "totals":
        return [
            fault
            for row in truth.rows
            for name in truth.figures
            for fault in _in_totals(name, row, result)
        ]
    faults = []
    if truth.expected.of == "rows" and len(result.rows) != len(truth.rows):
        faults.append(f"{len(result.rows)} rows where the oracle has {len(truth.rows)}")
    names = [*truth.labels, *([CURRENCY] if any(CURRENCY in row for row in truth.rows) else [])]
    for row in truth.rows:
        key = {name: row[name] for name in names}
        alike = [each for each in result.rows if all(each.get(name) == key[name] for name in names)]
        if len(alike) != 1:
            faults.append(f"{len(alike)} rows for {_told(key)}")
            continue
        for name in row.keys() - key.keys():
            faults += _differs(name, row, alike[0].get(name), result.unit.get(name), alike[0])
    return faults


def _in_totals(name: str, row: Row, result: ToolResult) -> list[str]:
    if name == "row_count":
        return [] if result.row_count == row[name] else [f"row_count is {result.row_count}"]
    total = f"{name} {row[CURRENCY]}" if CURRENCY in row else name
    return _differs(name, row, result.totals.get(total), result.unit.get(total), {})


def _differs(
    name: str, row: Row, told: Cell, unit: str | None, beside: Mapping[str, Cell]
) -> list[str]:
    true = row[name]
    if isinstance(true, bool) or not isinstance(true, int | Decimal):
        return [] if told == true else [f"{name} is {told} and not {true}"]
    if isinstance(told, bool) or not isinstance(told, int | Decimal):
        return [f"{name} is {told} and not {true}"]
    of_unit = unit_of(name, row)
    slack = Decimal("0.005") if of_unit in ("%", "percentage points") else Decimal(0)
    if abs(Decimal(told) - Decimal(true)) > slack:
        return [f"{name} is {told} and not {true}"]
    if of_unit == "count":
        return []
    if unit in (CURRENCY, "unit"):
        unit = str(beside.get(unit))
    return [] if unit == of_unit else [f"{name} is in {unit} and not in {of_unit}"]


def _told(key: Mapping[str, Cell]) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items()) or "the one"


def through(conn: psycopg.Connection) -> date:
    """Return the last day that every account has delivered; none that is a week behind counts."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            "with ends as (select data_through as day from marts.dim_accounts"
            " where is_current and data_through is not null)"
            " select min(day) from ends where day >= (select max(day) from ends) - 7"
        ).fetchone()
    if row is None or not isinstance(row[0], date) or isinstance(row[0], datetime):
        raise ValueError("no account has delivered anything: run `astraeus demo` first")
    return row[0]


def accounts(conn: psycopg.Connection) -> dict[str, str]:
    """Return all accounts, id and name."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows: Sequence[tuple[str, str]] = cursor.execute(
            "select account_id, min(account_name) from marts.dim_accounts group by 1"
        ).fetchall()
    return dict(rows)

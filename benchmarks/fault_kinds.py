"""Kinds of fault that a bill can have, as changes of the rows of one day."""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any


class NotApplicable(Exception):
    """A bill of this source cannot have the fault."""


@dataclass
class Row:
    """One row of a payload: costs by the provider's names, as it spells them; None is null."""

    day: date
    kind: str
    currency: str | None
    costs: dict[str, str | None]
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bill:
    """All rows of a delivery, those of an older refresh, and the day that the fault is to hit."""

    rows: list[Row]
    older: list[Row]
    day: date
    draw: random.Random

    def of_day(self, kind: str | None = None) -> list[Row]:
        """Return the day's rows, or those of one charge category."""
        return [
            row for row in self.rows if row.day == self.day and (kind is None or row.kind == kind)
        ]

    def one(self, kind: str | None = "Usage") -> Row:
        """Return some row of the day with money in it.

        Raises: NotApplicable if such a bill has none.
        """
        found = [row for row in self.of_day(kind) if any(_numbers(row))]
        if not found:
            raise NotApplicable(kind)
        return self.draw.choice(found)

    def drop(self, *rows: Row) -> None:
        """Take rows away."""
        gone = {id(row) for row in rows}
        self.rows = [row for row in self.rows if id(row) not in gone]

    def double(self, *rows: Row) -> None:
        """Let rows come twice."""
        self.rows += [copy.deepcopy(row) for row in rows]


Fault = Callable[[Bill], None]


def _numbers(row: Row) -> list[Decimal]:
    return [Decimal(cost) for cost in row.costs.values() if cost not in (None, "")]


def _each(change: Callable[[str], str | None]) -> Fault:
    """Change every cost of the day."""

    def fault(bill: Bill) -> None:
        for row in bill.of_day():
            row.costs = {k: None if v is None else change(v) for k, v in row.costs.items()}

    return fault


def _write(text: str | None) -> Fault:
    """Write something else where one row's first cost should be."""

    def fault(bill: Bill) -> None:
        row = bill.one()
        row.costs[next(iter(row.costs))] = text

    return fault


def _lose(kind: str | None) -> Fault:
    return lambda bill: bill.drop(bill.one(kind))


def _double(kind: str | None) -> Fault:
    return lambda bill: bill.double(bill.one(kind))


def _negate(cost: str) -> str:
    return cost[1:] if cost.startswith("-") else f"-{cost}"


def _flip(kind: str) -> Fault:
    def fault(bill: Bill) -> None:
        row = bill.one(kind)
        row.costs = {k: None if v is None else _negate(v) for k, v in row.costs.items()}

    return fault


def _shift(bill: Bill, rows: list[Row], days: int) -> None:
    for row in rows:
        row.day += timedelta(days=days)


def _zone(bill: Bill) -> None:
    """A third of the day's rows were cut at another midnight."""
    rows = bill.of_day()
    _shift(bill, rows[: max(1, len(rows) // 3)], -1)


def _exchange(bill: Bill) -> None:
    """Two days with each other's rows."""
    following = bill.day + timedelta(days=1)
    first, second = bill.of_day(), [row for row in bill.rows if row.day == following]
    _shift(bill, first, 1)
    _shift(bill, second, -1)


def _drop_column(bill: Bill) -> None:
    name = next(iter(bill.one().costs))
    for row in bill.of_day():
        row.costs.pop(name, None)


def _currency(share: int, currency: str | None) -> Fault:
    def fault(bill: Bill) -> None:
        for row in bill.of_day()[::share]:
            row.currency = currency

    return fault


def _swap(bill: Bill) -> None:
    """Two cost types under each other's name, on the rows of the day."""
    names = list(dict.fromkeys(name for row in bill.rows for name in row.costs))
    if len(names) < 2:
        raise NotApplicable
    swapped = dict(zip(names, [*names[1:], names[0]], strict=True))
    for row in bill.of_day():
        row.costs = {swapped[name]: cost for name, cost in row.costs.items()}


def _stranger(bill: Bill) -> None:
    """A row that belongs to another account."""
    row = copy.deepcopy(bill.one())
    row.rest["stranger"] = True
    bill.rows.append(row)


def _stale(bill: Bill) -> None:
    """The day as an older refresh had it."""
    if not any(row.day == bill.day for row in bill.older):
        raise NotApplicable
    bill.drop(*bill.of_day())
    bill.rows += [copy.deepcopy(row) for row in bill.older if row.day == bill.day]


def _largest(bill: Bill) -> None:
    bill.drop(max(bill.of_day(), key=lambda row: max(map(abs, _numbers(row)), default=0)))


def _as_float(cost: str) -> str:
    """Pass a cost through four bytes, as a careless writer does."""
    return repr(struct.unpack("f", struct.pack("f", float(cost)))[0])


# What must be blocked, by name.
ROW_FAULTS: dict[str, Fault] = {
    "lost row": _lose("Usage"),
    "lost largest row": _largest,
    "doubled row": _double("Usage"),
    "doubled page": lambda bill: bill.double(*bill.of_day()),
    "missing day": lambda bill: bill.drop(*bill.of_day()),
    "wrong sign": _flip("Usage"),
    "row on the next day": lambda bill: _shift(bill, [bill.one()], 1),
    "days cut at another midnight": _zone,
    "two days exchanged": _exchange,
    "rounded to 2 decimals": _each(lambda cost: f"{Decimal(cost):.2f}"),
    "decimals cut off": _each(lambda cost: str(int(Decimal(cost)))),
    "through a float of 4 bytes": _each(_as_float),
    "scaled x100": _each(lambda cost: f"{Decimal(cost) * 100:f}"),
    "in thousands": _each(lambda cost: f"{Decimal(cost) / 1000:f}"),
    "all zero": _each(lambda cost: "0"),
    "dropped column": _drop_column,
    "wrong currency": _currency(1, "JPY"),
    "mixed currencies": _currency(3, "GBP"),
    "no currency": _currency(4, None),
    "swapped cost types": _swap,
    "row of another account": _stranger,
    "stale refresh of a day": _stale,
    "null amount": _write(None),
    "text NULL": _write("NULL"),
    "comma for a point": _write("12,5"),
    "E-notation garbage": _write("1.2E+3E4"),
    "not a number": _write("NaN"),
    "infinite": _write("Infinity"),
    "lost tax line": _lose("Tax"),
    "double tax": _double("Tax"),
    "credit dropped": _lose("Credit"),
    "credit doubled": _double("Credit"),
    "credit as a charge": _flip("Credit"),
}


def _negative_quantity(bill: Bill) -> None:
    bill.one().rest["quantity"] = "-3"


# What must not be blocked.
HARMLESS: dict[str, Fault] = {
    "nothing": lambda bill: None,
    "rows in another order": lambda bill: bill.draw.shuffle(bill.rows),
    "E-notation of the same amount": _each(lambda cost: f"{Decimal(cost):E}"),
    "trailing zeros": _each(lambda cost: f"{Decimal(cost):f}" + ("00" if "." in cost else ".00")),
    "negative quantity": _negative_quantity,
}


def _cancel(bill: Bill) -> None:
    """Move money from one charge to another of the day."""
    first, second = [row for row in bill.of_day("Usage") if any(_numbers(row))][:2]
    for row, sign in ((first, 1), (second, -1)):
        row.costs = {k: v and f"{Decimal(v) + sign:f}" for k, v in row.costs.items()}


# What no total of a day can see: the money of each day stays what the provider states.
UNSEEN: dict[str, Fault] = {"two errors of a day that cancel out": _cancel}
# The same where nobody states a total: money that is merely wrong.
UNSEEN_WITHOUT_TOTALS: dict[str, Fault] = {
    name: ROW_FAULTS[name] for name in ("lost row", "wrong sign", "rounded to 2 decimals")
}

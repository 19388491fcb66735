"""What was read from a file, as read: lines and totals that no mart and no total of ours holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from astraeus_pipeline.contracts import money

# Read by this program from cells of a table; else by a model, whose name stands there.
EXACTLY: Final = "exactly"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Part):
    """One line. `amount` is None where it could not be read, and `doubt` says why.

    `number` is its place in the file, from 1; `printed` the amount as it stands there. A `total`
    is a sum of others and counts with none of them. Days are inclusive.
    """

    number: int
    text: str | None = None
    service: str | None = None
    account: str | None = None
    provider: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    amount: Decimal | None = None
    printed: str = ""
    currency: str | None = None
    kind: Literal["charge", "total"] = "charge"
    doubt: str | None = None


class Reading(_Part):
    """A file as read. `total` is the sum that the file itself prints, in `currency`."""

    kind: Literal["invoice", "export", "chart", "other"]
    read_by: str
    provider: str | None = None
    account: str | None = None
    invoice_number: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    currency: str | None = None
    total: Decimal | None = None
    total_printed: str = ""
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def charges(self) -> tuple[Line, ...]:
        """The lines that are no sums of others."""
        return tuple(each for each in self.lines if each.kind == "charge")

    @property
    def days(self) -> tuple[date, date] | None:
        """The first and the last day that it is about, by what it says, else by its lines."""
        if self.first_day and self.last_day and self.first_day <= self.last_day:
            return self.first_day, self.last_day
        firsts = [each.first_day for each in self.charges if each.first_day]
        lasts = [each.last_day or each.first_day for each in self.charges if each.first_day]
        return (min(firsts), max(each for each in lasts if each)) if firsts else None

    @property
    def unread(self) -> int:
        """How many amounts could not be read, the total's with them."""
        is_total_unread = bool(self.total_printed) and self.total is None
        return sum(each.amount is None for each in self.lines) + is_total_unread

    @property
    def currencies(self) -> list[str]:
        """The currencies of its amounts, in the order in which they come."""
        named = [
            *(each.currency for each in self.charges),
            self.currency if self.total is not None else None,
        ]
        return list(dict.fromkeys(each for each in named if each))

    def amount(self, currency: str) -> Decimal | None:
        """Return what the file asks for in a currency.

        The total that it prints, else the sum of its lines; None where some were not read.
        """
        if self.total is not None and self.currency == currency:
            return self.total
        return summed(self.charges, currency).amount


@dataclass(frozen=True)
class Sum:
    """The sum of lines; None where one of them was not read, or there is none."""

    amount: Decimal | None
    lines: int
    unread: int


def summed(lines: Iterable[Line], currency: str) -> Sum:
    """Return the sum of lines in a currency; those that name none count as not read."""
    chosen = [each for each in lines if each.currency in (currency, None)]
    known = [each.amount for each in chosen if each.amount is not None and each.currency]
    unread = len(chosen) - len(known)
    return Sum(money.total(known) if known and not unread else None, len(chosen), unread)

"""Exact decimal arithmetic: Python's default context would round at 28 digits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, Inexact, Overflow
from typing import Final

from astraeus_pipeline.errors import ConfigError

# Wide enough for any sum of decimal128 values; a rounding would raise instead of passing.
EXACT: Final = Context(prec=200, traps=[Inexact, Overflow])
ZERO: Final = Decimal(0)
# Which cost of a charge, in FOCUS's terms: EffectiveCost, BilledCost, ListCost, ContractedCost.
COST_TYPES: Final = ("effective", "billed", "list", "contracted")
# An amount as people and providers spell it; Python's Decimal takes much else for a number.
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_WIDE: Final = Context(prec=200)
_CENT: Final = Decimal("0.01")


def check_currency(code: str) -> None:
    """Raise ConfigError for what is no ISO 4217 code."""
    if not re.fullmatch("[A-Z]{3}", code):
        raise ConfigError(f"{code!r} is no currency.", hint="Write its ISO code, as USD.")


def add(left: Decimal, right: Decimal) -> Decimal:
    """Return left + right, unrounded."""
    return EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """Return left - right, unrounded."""
    return EXACT.subtract(left, right)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the unrounded sum; 0 of nothing."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def plain(amount: Decimal) -> str:
    """Spell an amount without exponent and without trailing zeros."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def spelled(value: Decimal | None, currency: str | None) -> str:
    """Spell an amount to the cent with its currency; smaller ones in full, None as unknown."""
    if value is None:
        return "unknown"
    cents = EXACT.copy()
    cents.traps = dict.fromkeys(cents.traps, False)
    rounded = value.quantize(_CENT, ROUND_HALF_UP, cents)
    number = f"{rounded:,}" if rounded or not value else plain(value)
    return f"{number} {currency}" if currency else number


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """Return the amount with so many decimals at most, halves to the even one."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= decimals:
        return amount
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _WIDE)


def parse(text: str) -> Decimal:
    """Read an amount that `plain` wrote."""
    return Decimal(text)


def decimals(amount: Decimal) -> int:
    """Return how many decimals an amount has, the zeros that end it not counted."""
    text = plain(amount)
    return len(text) - text.index(".") - 1 if "." in text else 0

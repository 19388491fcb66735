"""Texts as people enter them into forms, made into amounts, shares and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Final

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse.budgets import Basis, Threshold

_HUNDRED: Final = Decimal(100)
# More than any bill has: what is longer was not meant.
_DIGITS: Final = 30


def number(text: str, what: str) -> Decimal:
    """Return a number that a person typed; commas part thousands.

    Raises: ConfigError naming `what`.
    """
    plain = text.strip().replace(",", "").replace("_", " ")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or len(plain) > _DIGITS or abs(value.adjusted()) > _DIGITS:
        raise ConfigError(
            f"{what} cannot be {text.strip()!r}." if text.strip() else f"{what} is empty.",
            hint="Write a number, such as 1500 or 99.50.",
        )
    return value


def number_or_none(text: str, what: str) -> Decimal | None:
    """Return a number, None where nothing is entered. Raises: ConfigError."""
    return number(text, what) if text.strip() else None


def whole_or_none(text: str, what: str) -> int | None:
    """Return a whole number, None where nothing is entered. Raises: ConfigError."""
    value = number_or_none(text, what)
    if value is None:
        return None
    if value != value.to_integral_value():
        raise ConfigError(f"{what} cannot be {text.strip()}.", hint="Write a whole number.")
    return int(value)


def percents(texts: Sequence[str], basis: Basis) -> list[Threshold]:
    """Return thresholds of a basis: "80" or "80 %" is a share of 0.8.

    Raises: ConfigError for what is no number.
    """
    return [
        Threshold(basis, number(text.strip().removesuffix("%"), "A threshold") / _HUNDRED)
        for text in texts
    ]


def clock(text: str, what: str) -> time | None:
    """Return a time of day, None where nothing is entered. Raises: ConfigError."""
    if not text.strip():
        return None
    try:
        return time.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{what} cannot be {text!r}.", hint="Write it as 22:00.") from None

"""Amounts, changes and days as people read them. The exact figure stays in tables and exports."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

_SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}
_MARKUP: Final = frozenset("\\`*_{}[]()<>#!|$~:^")
_MILLION: Final = Decimal(1_000_000)


def card(amount: Decimal | None, currency: str) -> str:
    """Whole units below a million, $1.24M above; n/a for nothing."""
    if amount is None:
        return "n/a"
    if abs(amount) >= _MILLION:
        return f"{_sign(amount)}{symbol(currency)}{_rounded(abs(amount) / _MILLION, 2):,}M"
    return f"{_sign(amount)}{symbol(currency)}{_rounded(abs(amount), 0):,}"


def exact(amount: Decimal | None, currency: str) -> str:
    """Two decimals."""
    if amount is None:
        return "n/a"
    return f"{_sign(amount)}{symbol(currency)}{_rounded(abs(amount), 2):,}"


def money(amount: Decimal | None, currency: str) -> str:
    """Two decimals, as Markdown: a pair of dollar signs would be mathematics."""
    return escaped(exact(amount, currency))


def signed(amount: Decimal, currency: str) -> str:
    """With its sign, also when positive."""
    return f"{'+' if amount > 0 else ''}{card(amount, currency)}"


def percent(value: Decimal | int | None, *, with_sign: bool = False) -> str:
    """One decimal; n/a where there is no base."""
    if value is None:
        return "n/a"
    plus = "+" if with_sign and value > 0 else ""
    return f"{plus}{_rounded(Decimal(value), 1):,}%"


def decimal(value: float | str | None) -> Decimal | None:
    """Return a number of a JSON document as a decimal, None where it has none."""
    return None if value is None else Decimal(str(value))


def percent_of(share: Decimal | None) -> str:
    """Spell a share, 1 for all of it, in percent."""
    return percent(None if share is None else share * 100)


def points(value: Decimal | None) -> str:
    """Spell a difference of shares: +1.2 pp."""
    return "n/a" if value is None else f"{'+' if value > 0 else ''}{_rounded(value, 1):,} pp"


def escaped(text: str) -> str:
    """Return a name as text that Markdown shows as it is: no images, links or mathematics."""
    return "".join(f"\\{c}" if c in _MARKUP else c for c in text)


def symbol(currency: str) -> str:
    """Return the currency's sign, or its code and a space."""
    return _SIGNS.get(currency, f"{currency} ")


def day(value: date | None) -> str:
    """14 Oct 2026, or that there is none yet."""
    return "none yet" if value is None else f"{value.day} {value:%b %Y}"


def moment(value: datetime) -> str:
    """14 Oct 2026 09:05, in UTC: the database tells times in the zone of its server."""
    at = value.astimezone(UTC)
    return f"{day(at)} {at:%H:%M}"


def _sign(amount: Decimal) -> str:
    return "-" if amount < 0 else ""


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def spelled(amount: Decimal) -> str:
    """Every decimal that there is, for residuals."""
    return f"{amount.normalize():f}"


def delta(change: Decimal | None, share: Decimal | None, currency: str) -> str | None:
    """Spell a card's change, +3.1%, in money where there is no base; None: nothing is compared."""
    if change is None:
        return None
    return signed(change, currency) if share is None else percent(share, with_sign=True)

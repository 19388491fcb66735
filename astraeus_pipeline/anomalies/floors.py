"""The least excess worth a person's time, per currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

# Round money of about the worth of USD 8: a floor says what is worth a look, not what a rate was,
# so no rates are needed, and an anomaly does not come and go with them.
FLOORS: Final = {
    **dict.fromkeys(("USD", "EUR", "GBP", "CHF", "CAD", "AUD", "NZD", "SGD"), Decimal(8)),
    **dict.fromkeys(("DKK", "NOK", "SEK", "CNY", "HKD", "ZAR", "CZK", "THB"), Decimal(60)),
    **dict.fromkeys(("BRL", "PLN", "ILS", "AED", "SAR", "MYR", "RON"), Decimal(35)),
    **dict.fromkeys(("MXN", "TWD", "TRY", "PHP"), Decimal(250)),
    **dict.fromkeys(("INR", "RUB"), Decimal(700)),
    **dict.fromkeys(("JPY", "HUF"), Decimal(1200)),
    **dict.fromkeys(("KRW", "CLP", "ARS"), Decimal(10_000)),
    **dict.fromkeys(("COP",), Decimal(32_000)),
    **dict.fromkeys(("IDR", "VND"), Decimal(130_000)),
}
_OTHER: Final = Decimal(8)


def floor_of(currency: str) -> Decimal:
    """Return the least excess worth a word in a currency; in unknown ones 8 units."""
    return FLOORS.get(currency, _OTHER)

"""Which column of an export is what, by its heading: FOCUS, the clouds' own, ours, or plain words.

Of several columns of one meaning the first in these lists counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Meaning = Literal["amount", "currency", "service", "account", "provider", "text", "first", "last"]
# Headings without case, blanks and punctuation. What the invoice asks for comes before other costs.
_NAMES: Final[dict[Meaning, tuple[str, ...]]] = {
    "amount": (
        *("billedcost", "costinbillingcurrency", "lineitemunblendedcost", "unblendedcost"),
        *("pretaxcost", "cost", "billed", "amount", "netamount", "totalamount", "total", "charge"),
        *("charges", "betrag", "effectivecost"),
    ),
    "currency": (
        *("billingcurrency", "billingcurrencycode", "lineitemcurrencycode", "currencycode"),
        *("currency", "wahrung"),
    ),
    "service": (
        *("servicename", "productproductname", "lineitemproductcode", "metercategory"),
        *("consumedservice", "service", "product", "dienst"),
    ),
    "account": (
        *("subaccountid", "lineitemusageaccountid", "usageaccountid", "linkedaccountid"),
        *("subscriptionid", "subaccount", "accountid", "account", "konto"),
    ),
    "provider": ("providername", "serviceprovidername", "provider", "vendor", "cloud"),
    "text": (
        *("chargedescription", "lineitemlineitemdescription", "description", "item", "details"),
        *("beschreibung", "resourceid", "resource", "group", "name"),
    ),
    "first": (
        *("chargeperiodstart", "lineitemusagestartdate", "usagestartdate", "startdate", "start"),
        *("usagedate", "date", "day", "period", "month", "datum"),
    ),
    "last": ("chargeperiodend", "lineitemusageenddate", "usageenddate", "enddate", "end"),
}
# Formats of programs, whose numbers have a point before their decimals.
_OF_PROGRAMS: Final = frozenset(
    {
        *("billedcost", "effectivecost", "costinbillingcurrency", "lineitemunblendedcost"),
        *("unblendedcost", "pretaxcost"),
    }
)
# In these an end is the first moment after; a plain "end" is taken as the last day.
_EXCLUSIVE: Final = frozenset({"chargeperiodend", "lineitemusageenddate", "usageenddate"})
_UNIT: Final = re.compile(r"^(?P<name>.*?)\s*[(\[](?P<unit>[A-Za-z]{3}|[$€£¥₹])[)\]]\s*$")


@dataclass(frozen=True)
class Columns:
    """The place of each meaning's column. `currency` where the heading of the amount names it."""

    places: dict[Meaning, int]
    headings: dict[Meaning, str] = field(default_factory=dict)
    currency: str | None = None
    is_of_program: bool = False
    is_end_exclusive: bool = False
    # Other columns of amounts, which are not read.
    others: tuple[str, ...] = ()


def columns_of(headings: Sequence[str]) -> Columns | None:
    """Return what the columns of these headings are; None where none is an amount."""
    units = [_UNIT.match(each.strip()) for each in headings]
    folded = [
        _folded(unit["name"] if unit else each) for each, unit in zip(headings, units, strict=True)
    ]
    places: dict[Meaning, int] = {}
    for meaning, names in _NAMES.items():
        found = next((folded.index(name) for name in names if name in folded), None)
        if found is not None:
            places[meaning] = found
    if "amount" not in places:
        return None
    unit = units[places["amount"]]
    others = [
        heading
        for place, heading in enumerate(headings)
        if folded[place] in _NAMES["amount"] and place != places["amount"]
    ]
    return Columns(
        places,
        {meaning: headings[place].strip() for meaning, place in places.items()},
        unit["unit"] if unit else None,
        folded[places["amount"]] in _OF_PROGRAMS,
        "last" in places and folded[places["last"]] in _EXCLUSIVE,
        tuple(others),
    )


def _folded(heading: str) -> str:
    plain = heading.casefold().replace("ä", "a").replace("ö", "o").replace("ü", "u")
    return re.sub(r"[^a-z0-9]", "", plain)

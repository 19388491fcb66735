"""What an attached file is about: whose costs, which days, and what its lines name."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, Literal

from app.assistant.attachments.readings import Reading
from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row
from app.assistant.tools.slices import days_of, members_of
from app.queries import listings
from app.queries.catalog import DIMENSIONS
from app.queries.compiler import Filters
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

By = Literal["total", "service", "account", "sub_account", "day"]
# Whose names invoices print, by what the costs call them.
_ISSUERS: Final = {
    "aws": ("amazon web services", "aws", "amazon"),
    "azure": ("microsoft", "azure"),
    "snowflake": ("snowflake",),
    "openai": ("openai",),
    "anthropic": ("anthropic",),
}


def days(reading: Reading, start: date | None, end: date | None, through: date | None) -> DayRange:
    """Return the days asked for, else those of the file. Raises: ConfigError for a file of none."""
    if start is not None or end is not None:
        return days_of(start, end, through)
    if reading.days is None:
        raise ConfigError(
            "No days could be read from the file.", hint="Give start and end, end exclusive."
        )
    first, last = reading.days
    return days_of(first, DayRange(first, last).end, through)


def whose(
    asking: Asking, reading: Reading, account: str | None, currencies: list[str]
) -> tuple[Filters, str]:
    """Return the filters of whose costs the file is about, and say so.

    Raises: ConfigError where it cannot be told, with the accounts that there are.
    """
    rows = asking.look_up(listings.ACCOUNTS)
    accounts = {str(row["account_id"]): row for row in rows}
    subs = members_of(asking, "sub_account", currencies, None)
    if account is not None:
        try:
            name = names.known("account", account, [*accounts, *subs])
        except ValueError as error:
            raise ConfigError(str(error)) from None
        key = "account" if name in accounts else "sub_account"
        return ((key, (name,)),), f"Compared with {_label(key)} {name}, as asked."
    claimed = [
        each for each in (reading.account, *(line.account for line in reading.charges)) if each
    ]
    for key, allowed in (
        ("account", {_plain(each): each for each in accounts}),
        ("sub_account", {_plain(each): each for each in subs}),
    ):
        found = list(
            dict.fromkeys(allowed[_plain(each)] for each in claimed if _plain(each) in allowed)
        )
        if found:
            said = f"Compared with {_label(key)} {', '.join(found[:5])}, which the file names."
            others = {_plain(each) for each in claimed} - {*allowed}
            if others:
                said += f" Of {len(others)} more that it names you see no costs."
            return ((key, tuple(found[:200])),), said
    issuers = [
        each for each in (reading.provider, *(line.provider for line in reading.charges)) if each
    ]
    issued = list(
        dict.fromkeys(
            str(row["provider"]) for row in rows for each in issuers if _is_issuer(each, row)
        )
    )
    stranger = " The account that it names is not among those that you see." if claimed else ""
    if len(issued) == 1:
        return (("provider", (issued[0],)),), f"Compared with all of {issued[0]}.{stranger}"
    if len(accounts) == 1 and not claimed:
        [only] = accounts
        return (("account", (only,)),), f"Compared with {only}, the one account that you see."
    raise ConfigError(
        "Whose costs the file is about could not be read from it.",
        hint=f"Give account. There are: {', '.join([*accounts][:12]) or 'none'}.",
    )


def _is_issuer(said: str, row: Row) -> bool:
    folded = f" {_plain(said, ' ')} "
    known = (*_ISSUERS.get(str(row["provider_key"]), ()), str(row["provider"]).casefold())
    return any(f" {each} " in folded for each in known)


def _label(key: str) -> str:
    return DIMENSIONS[key].label.lower()


def _plain(text: str, between: str = "") -> str:
    return re.sub(r"[^a-z0-9]+", between, text.casefold()).strip()


def grouping(reading: Reading, of: DayRange, wanted: Filters) -> By:
    """Return what most of the lines name: a service, else an account, else single days."""
    charges = reading.charges
    if sum(each.service is not None for each in charges) * 2 > len(charges):
        return "service"
    if sum(each.account is not None for each in charges) * 2 > len(charges):
        return "account" if "account" in dict(wanted) else "sub_account"
    dated = [each for each in charges if each.first_day and each.first_day == each.last_day]
    return "day" if len(dated) * 2 > len(charges) and len(of) > 1 else "total"

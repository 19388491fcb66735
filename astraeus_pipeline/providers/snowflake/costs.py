"""The bill in currency: USAGE_IN_CURRENCY_DAILY of all accounts of an organization."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing
from astraeus_pipeline.contracts.typed_rows import exact, whole_number
from astraeus_pipeline.providers.snowflake.answers import Asked, complete_through, row_counts
from astraeus_pipeline.providers.snowflake.client import NotVisible, SnowflakeSession
from astraeus_pipeline.providers.snowflake.metering import fetch_metering
from astraeus_pipeline.providers.snowflake.statements import BILL_LINES, BILL_TOTALS

# How late Snowflake says that the view may be.
_LAG: Final = timedelta(hours=72)


def fetch_costs(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Read the bill in currency, or credits at a price where the account is set up for that.

    Under costs_from=auto the bill that a role may not see is replaced by credits only if a price
    of a credit is configured; the ledger's source says which of both it was.
    Raises: NotVisible naming the grant that is missing.
    """
    config = session.config
    if config.costs_from == "account_usage":
        return fetch_metering(session, days, landing, "as configured")
    try:
        return _fetch_bill(session, days, landing)
    except NotVisible:
        if not config.may_use_credits:
            raise
    return fetch_metering(session, days, landing, "ORGANIZATION_USAGE is not visible")


def _fetch_bill(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    asked = Asked(session, days, landing)
    totals = asked.rows(BILL_TOTALS)
    part = asked.store(BILL_LINES)
    return Fetched(
        account_id=session.account.slug,
        dataset="costs",
        days=days,
        source="api",
        source_name=f"Snowflake {BILL_LINES.view}",
        parts=(part,),
        complete_through=complete_through(_LAG),
        controls=tuple(_controls(totals)),
        expected_rows=sum(whole_number(total["charges"]) for total in totals),
        row_counts=row_counts(totals),
        requests=session.statements,
    )


def _controls(totals: list[dict[str, Any]]) -> Iterator[ControlTotal]:
    for total in totals:
        day = total["usage_date"]
        yield ControlTotal(
            DayRange(day, day),
            total["currency"],
            "usage_in_currency",
            exact(total["amount"]),
            f"{BILL_TOTALS.view} summed by Snowflake",
            scale=2,
        )

"""Daily costs: the bill in currency, or credits and bytes where the bill is not visible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing
from astraeus_pipeline.providers.snowflake.answers import Asked
from astraeus_pipeline.providers.snowflake.client import SnowflakeSession
from astraeus_pipeline.providers.snowflake.statements import BILL_LINES, BILL_TOTALS

# How late Snowflake says that a view may be.
BILL_LAG: Final = timedelta(hours=72)


def fetch_costs(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Read the bill in currency of all accounts of the organization, and its totals by day.

    Raises: NotVisible where the role may not see ORGANIZATION_USAGE.
    """
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
        complete_through=complete_through(BILL_LAG),
        controls=tuple(_controls(totals)),
        expected_rows=sum(int(total["charges"]) for total in totals),
        requests=session.statements,
    )


def complete_through(lag: timedelta) -> date:
    """Return the last day that a view with this lag has told in full."""
    return (datetime.now(UTC) - lag).date() - timedelta(days=1)


def _controls(totals: list[dict[str, Any]]) -> Iterator[ControlTotal]:
    for total in totals:
        day = total["usage_date"]
        yield ControlTotal(
            DayRange(day, day),
            total["currency"],
            "usage_in_currency",
            Decimal(total["amount"]),
            f"{BILL_TOTALS.view} summed by Snowflake",
            scale=2,
        )

"""The contract's terms: what a unit costs by day, and what is left of what was bought."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.providers.snowflake.answers import Asked, complete_through
from astraeus_pipeline.providers.snowflake.client import SnowflakeSession
from astraeus_pipeline.providers.snowflake.statements import BALANCES, RATES, Statement

TERMS: Final[frozenset[Dataset]] = frozenset({"prices", "balances"})


def fetch_prices(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Read the rate sheet of the days; same errors as `fetch_balances`."""
    return _fetch(session, "prices", RATES, timedelta(hours=24), days, landing)


def fetch_balances(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Read what was left at the end of each day.

    Raises: NotVisible for customers of a reseller and roles without the billing role.
    """
    return _fetch(session, "balances", BALANCES, timedelta(hours=72), days, landing)


def _fetch(
    session: SnowflakeSession,
    dataset: Dataset,
    statement: Statement,
    lag: timedelta,
    days: DayRange,
    landing: Landing,
) -> Fetched:
    asked = Asked(session, days, landing)
    return Fetched(
        account_id=session.account.slug,
        dataset=dataset,
        days=days,
        source="api",
        source_name=f"Snowflake {statement.view}",
        parts=(asked.store(statement),),
        complete_through=complete_through(lag),
        requests=session.statements,
    )

"""What queries cost: attributed credits by group, and the idle rest of each warehouse's day.

QUERY_ATTRIBUTION_HISTORY leaves out what no query accounts for: idle time, and queries of 100 ms
or less. The rest up to WAREHOUSE_METERING_HISTORY is a row of its own, so that a warehouse's rows
of a day sum up to its compute credits. A query that ran past midnight is attributed to the day it
started on: the rest of that day can then be below zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.contracts.typed_rows import exact
from astraeus_pipeline.providers.snowflake.answers import (
    Answers,
    Asked,
    complete_through,
    one_identity,
)
from astraeus_pipeline.providers.snowflake.client import Row, SnowflakeSession
from astraeus_pipeline.providers.snowflake.statements import (
    IDENTITY,
    QUERY_GROUPS,
    WAREHOUSE_CREDITS,
)

_LAG: Final = timedelta(hours=8)
_OF_QUERIES: Final = (
    "user_name",
    "role_name",
    "query_tag",
    "query_parameterized_hash",
    "query_type",
    "queries",
    "credits_query_acceleration",
    "elapsed_seconds",
    "bytes_scanned",
)


def fetch_queries(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Read the groups of queries and the credits of their warehouses."""
    asked = Asked(session, days, landing)
    parts = tuple(asked.store(each) for each in (IDENTITY, WAREHOUSE_CREDITS, QUERY_GROUPS))
    return Fetched(
        account_id=session.account.slug,
        dataset="queries",
        days=days,
        source="api",
        source_name=f"Snowflake {QUERY_GROUPS.view} and {WAREHOUSE_CREDITS.view}",
        parts=parts,
        complete_through=complete_through(_LAG),
        requests=session.statements,
    )


def query_rows(answers: Answers) -> Iterator[Row]:
    """One row per group of queries, then one per warehouse and day for what is left."""
    locator = one_identity(answers)["account_locator"]
    attributed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in answers[QUERY_GROUPS.key]:
        key = (row["usage_date"], row["warehouse_name"])
        attributed[key] = money.add(attributed[key], exact(row["credits_attributed"] or 0))
        yield {**row, "account_locator": locator, "is_idle": False}
    for row in answers[WAREHOUSE_CREDITS.key]:
        spent = attributed[row["usage_date"], row["warehouse_name"]]
        rest = money.subtract(exact(row["credits_used_compute"]), spent)
        yield {
            **dict.fromkeys(_OF_QUERIES),
            "usage_date": row["usage_date"],
            "account_locator": locator,
            "warehouse_name": row["warehouse_name"],
            "is_idle": True,
            "credits_attributed": f"{rest:f}",
        }

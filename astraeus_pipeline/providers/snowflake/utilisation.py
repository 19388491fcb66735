"""How warehouses and databases were used: credits, load and bytes, by day and metric."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.providers.snowflake.answers import (
    Answers,
    Asked,
    complete_through,
    one_identity,
)
from astraeus_pipeline.providers.snowflake.client import Row, SnowflakeSession
from astraeus_pipeline.providers.snowflake.resources import resource_id, resource_type
from astraeus_pipeline.providers.snowflake.statements import IDENTITY, UTILISATION

# Credits of cloud services are the last to come.
_LAG: Final = timedelta(hours=6)


def fetch_utilisation(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Read the metrics of all warehouses and databases, summed up to days by Snowflake."""
    asked = Asked(session, days, landing)
    return Fetched(
        account_id=session.account.slug,
        dataset="utilisation",
        days=days,
        source="api",
        source_name=f"Snowflake {UTILISATION.view}",
        parts=(asked.store(IDENTITY), asked.store(UTILISATION)),
        complete_through=complete_through(_LAG),
        requests=session.statements,
    )


def utilisation_rows(answers: Answers) -> Iterator[Row]:
    """One row per resource, metric and day."""
    identity = one_identity(answers)
    for row in answers[UTILISATION.key]:
        kind, name = row.pop("kind"), row.pop("resource_name")
        yield {
            **row,
            "resource_id": resource_id(identity["account_locator"], kind, name),
            "resource_type": resource_type(kind),
            "region": identity["region"],
        }

"""Once a day accounts are asked for those below them; the accounts sensor adds their partitions."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from collections import Counter
from typing import Final

import dagster as dg

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.accounts.store import Actor
from astraeus_pipeline.orchestration.discovering import Discovery, discover
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.settings import Settings

NAME: Final = "discover_accounts"
# Before the daily loads, so that a new account takes part in them.
_CRON: Final = "30 5 * * *"


@dg.op(
    name="find_accounts_below",
    description="Ask every active account for those below it, and add the new ones",
)
def _discover(context: dg.OpExecutionContext, ingestion: IngestionResource) -> None:
    ring = KeyRing.from_settings(Settings.from_env())
    with ingestion.connection("app") as conn:
        done = discover(conn, ring, Actor("discovery (Dagster)"))
    for finding in done.findings:
        context.log.info(
            f"{finding.slug} below {finding.parent}: {finding.outcome} {finding.reason or ''}"
        )
    context.add_output_metadata(dict(Counter(each.outcome for each in done.findings)))
    _raise_for(done)


@dg.job(
    name=NAME,
    description="Find the accounts below the known ones: members of an AWS organization, Azure"
    " subscriptions. What one parent cannot tell stops no other.",
)
def discover_accounts() -> None:
    """Run the discovery."""
    _discover()


daily = dg.ScheduleDefinition(
    name=f"daily_{NAME}",
    job=discover_accounts,
    cron_schedule=_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Look for new and closed accounts before the daily loads",
)


def _raise_for(done: Discovery) -> None:
    if done.errors:
        raise dg.Failure(
            description="\n".join(f"{slug}: {error}" for slug, error in done.errors.items()),
            metadata={"parents that failed": list(done.errors)},
            allow_retries=False,  # tomorrow's run asks again
        )

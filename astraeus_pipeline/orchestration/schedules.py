"""Every day each provider's restatement window is read again, account by account."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final

import dagster as dg

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.ingest import asset_key
from astraeus_pipeline.orchestration.partitions import (
    ACCOUNT_TAG,
    FIRST_DAY,
    PROVIDER_TAG,
    accounts_axis,
    range_tags,
)
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.providers.base import Provider

# Clouds finish yesterday's figures in the small hours, UTC.
_CRON: Final = "15 6 * * *"


def ingest_job(provider: Provider, dataset: Dataset) -> dg.JobDefinition:
    """Return the job that ingests one dataset of a provider, for any range of one account."""
    table = provider.tables[dataset]
    return dg.define_asset_job(  # type: ignore[return-value] # resolved when definitions load
        f"ingest_{table.name}",
        selection=dg.AssetSelection.assets(asset_key(table)),
        tags={PROVIDER_TAG: provider.key},
        description=f"Ingest {dataset} of one {provider.label} account for a range of days",
    )


def daily_schedule(
    provider: Provider, dataset: Dataset, job: dg.JobDefinition
) -> dg.ScheduleDefinition:
    """Return the schedule of one dataset: one run per account over the whole window."""

    @dg.schedule(
        name=f"daily_{provider.tables[dataset].name}",
        job=job,
        cron_schedule=_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Read {provider.label}'s {dataset} again for the days that may still change",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, ingestion: IngestionResource
    ) -> Iterator[dg.RunRequest]:
        known = set(context.instance.get_dynamic_partitions(accounts_axis(provider.key)))
        accounts = [
            account.slug
            for account in ingestion.accounts(provider.key)
            if account.slug in known and dataset in provider.datasets(account)
        ]
        now = context.scheduled_execution_time
        yield from run_requests(provider, dataset, accounts, now.astimezone(UTC))

    return schedule


def run_requests(
    provider: Provider, dataset: Dataset, accounts: Sequence[str], now: datetime
) -> Iterator[dg.RunRequest]:
    """Yield a run per account: its own run, so that one broken account delays no other."""
    days = window(provider, dataset, now.date())
    for account in accounts:
        yield dg.RunRequest(
            run_key=f"{provider.tables[dataset].name}:{account}:{now:%Y-%m-%dT%H:%M}",
            tags={
                **range_tags(account, days),
                ACCOUNT_TAG: account,
                PROVIDER_TAG: provider.key,
            },
        )


def window(provider: Provider, dataset: Dataset, today: date) -> DayRange:
    """Return the days to read again; a snapshot is always today's."""
    if dataset in provider.snapshots:
        return DayRange(today, today)
    days = provider.restatement_window(today, dataset)
    return DayRange(max(days.first, FIRST_DAY), days.last)

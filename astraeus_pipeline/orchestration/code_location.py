"""What the code location offers, put together from the provider registry and the dbt manifest."""

from __future__ import annotations

from typing import Final

import dagster as dg

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.orchestration import discovery, housekeeping, schedules, sensors
from astraeus_pipeline.orchestration.alerting import alerts_check, alerts_sensor
from astraeus_pipeline.orchestration.execution import chosen_executor
from astraeus_pipeline.orchestration.forecasting import forecasting_asset
from astraeus_pipeline.orchestration.ingest import raw_asset
from astraeus_pipeline.orchestration.quality import quality_asset, quality_checks
from astraeus_pipeline.orchestration.reconciling import reconciliations_check
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.orchestration.scoring import scoring_asset
from astraeus_pipeline.orchestration.summarising import (
    daily_summaries,
    summaries_check,
    summaries_job,
    summarising_asset,
)
from astraeus_pipeline.orchestration.transform import dbt_resource, transformation_assets
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.providers.registry import PROVIDERS

# Every event is on the run's page; the console of the servers gets what needs attention.
_CONSOLE: Final = dg.LoggerDefinition(
    dg.colored_console_logger.logger_fn,
    config_schema={
        "log_level": dg.Field(str, default_value="WARNING"),
        "name": dg.Field(str, default_value="dagster"),
    },
)


def _datasets() -> list[tuple[Provider, Dataset]]:
    return [(provider, dataset) for provider in PROVIDERS.values() for dataset in provider.tables]


def build_definitions() -> dg.Definitions:
    """Return assets, checks, jobs, schedules and sensors; no network, no database."""
    jobs = {each: schedules.ingest_job(*each) for each in _datasets()}
    transformations = transformation_assets()
    if transformations:
        transformations += [scoring_asset(), forecasting_asset(), quality_asset()]
    marts = dg.define_asset_job(
        sensors.MARTS_JOB,
        selection=dg.AssetSelection.assets(*transformations),
        description="Build staging, intermediate and marts from what was loaded, then score usage"
        " and forecast",
    )
    summaries = summaries_job()
    return dg.Definitions(
        assets=[
            *(raw_asset(*each) for each in _datasets()),
            *transformations,
            *([summarising_asset()] if transformations else []),
        ],
        asset_checks=[reconciliations_check(), alerts_check(), summaries_check(), *quality_checks()]
        if transformations
        else [],
        jobs=[
            *jobs.values(),
            discovery.discover_accounts,
            housekeeping.housekeeping_job,
            *([marts] if transformations else []),
            *([summaries] if transformations else []),
        ],
        schedules=[
            *(schedules.daily_schedule(*each, job) for each, job in jobs.items()),
            discovery.daily,
            housekeeping.nightly,
            *([daily_summaries(summaries)] if transformations else []),
        ],
        sensors=[
            sensors.accounts_sensor(list(PROVIDERS)),
            alerts_sensor(),
            *([sensors.marts_sensor(marts)] if transformations else []),
        ],
        resources={"ingestion": IngestionResource(), "dbt": dbt_resource()},
        executor=chosen_executor,
        loggers={"console": _CONSOLE},
    )

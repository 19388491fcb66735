"""Ranges of days through the real assets, in this process: for the command line and the demo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import dagster as dg

from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import environment, failures, recovery, sensors
from astraeus_pipeline.orchestration.account_run import AccountRun, Request, Tell
from astraeus_pipeline.orchestration.code_location import build_definitions
from astraeus_pipeline.orchestration.ingest import asset_key
from astraeus_pipeline.orchestration.partitions import ACCOUNT_TAG, PROVIDER_TAG, range_tags
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database

# The run's page in the Dagster UI has every event; a terminal wants none of them.
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_POOL_RECYCLE_SECONDS: Final = 3600


class Backfill:
    """Runs assets on the persistent Dagster instance; DAGSTER_HOME must be prepared."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.instance = dg.DagsterInstance.from_config(
            str(environment.dagster_home(settings)), environment.COMMANDS_FILE
        )
        # Else each event makes connections of its own: two thirds of the time of a range of days.
        self.instance.optimize_for_webserver(
            statement_timeout=0, pool_recycle=_POOL_RECYCLE_SECONDS, max_overflow=20
        )
        self._definitions = build_definitions()

    def accounts(self) -> dict[str, tuple[Provider, tuple[Dataset, ...]]]:
        """Return provider and datasets of the active accounts; bring Dagster's axes in step."""
        ring = KeyRing.from_settings(self.settings)
        with self.database.connect("app", autocommit=True) as conn:
            wanted = sensors.active_accounts(conn)
            found = {
                slug: store.get_account(conn, slug, ring)
                for slugs in wanted.values()
                for slug in slugs
            }
        sensors.sync_accounts(self.instance, PROVIDERS, wanted)
        return {
            slug: (PROVIDERS[account.provider], PROVIDERS[account.provider].datasets(account))
            for slug, account in found.items()
        }

    def ingest_each(self, requests: Sequence[Request], tell: Tell) -> list[AccountRun]:
        """Materialise each request in one run, one after the other."""
        runs = []
        for request in requests:
            tell(f"Ingesting {request[2]} of {request[0]}", 0)
            runs.append(self.ingest(*request))
            tell(f"Ingested {request[2]} of {request[0]}", 1)
        return runs

    def ingest(
        self, account: str, provider: Provider, dataset: Dataset, days: DayRange
    ) -> AccountRun:
        """Materialise the range of one account in one run."""
        key = asset_key(provider.tables[dataset])
        tags = {**range_tags(account, days), ACCOUNT_TAG: account, PROVIDER_TAG: provider.key}
        result = self._run(f"ingest_{provider.tables[dataset].name}", tags)
        metadata: dict[str, str] = {}
        for event in result.asset_materializations_for_node(key.to_python_identifier()):
            metadata = {name: str(value.value) for name, value in event.metadata.items()}
        return AccountRun(
            account,
            dataset,
            result.run_id,
            len(days),
            _error(result),
            metadata,
            _try_again_after(result),
        )

    def build_marts(self) -> str | None:
        """Build the marts once over everything that changed; return the error in words, or None."""
        return _error(self._run(sensors.MARTS_JOB, {}))

    def _run(self, job: str, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
        return self._definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags={**tags, **recovery.process_tag()},
            raise_on_error=False,
            run_config=_QUIET,
        )


def _try_again_after(result: dg.ExecuteInProcessResult) -> float | None:
    for event in result.all_node_events:
        described = event.step_failure_data.user_failure_data if event.is_step_failure else None
        if described and (after := described.metadata.get(failures.TRY_AGAIN_AFTER)) is not None:
            return float(str(after.value))
    return None


def _error(result: dg.ExecuteInProcessResult) -> str | None:
    if result.success:
        return None
    for event in result.all_node_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            described = failure.user_failure_data
            if described and described.description:
                return described.description
            return failures.words_of(failure.error)
    return "the run failed before its first step; see the Dagster UI"

"""What the schedules and sensors of a day do, at their hours, on the product's own definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from datetime import time as hour
from typing import Any, Final
from unittest import mock

import dagster as dg

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import (
    alerting,
    discovery,
    environment,
    housekeeping,
    manifest,
    pools,
    recovery,
    schedules,
    sensors,
    summarising,
)
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.orchestration.code_location import build_definitions
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver, reload
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse import acceptances
from benchmarks.estates import settings_of
from benchmarks.measure import Cost, measure
from benchmarks.scratch import Scratch
from benchmarks.years import dated_dbt, runs, ticks
from benchmarks.years.clock import Clock

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_REFUSED: Final = """
    select deliveries.id, deliveries.payload_uri, array_agg(partitions.usage_date)
    from raw.partitions inner join raw.deliveries on deliveries.id = partitions.blocked_by
    where partitions.state = 'refused' group by 1, 2 order by 1
"""
INGEST: Final = "ingest_focus_costs"
Costs = dict[str, Cost]


class Schedules:
    """Does in this process, on a persistent instance, what Dagster's daemon starts in a day."""

    def __init__(self, place: Scratch, clock: Clock, accounts: list[str]) -> None:
        self.place, self.clock, self.accounts = place, clock, accounts
        self.settings = settings_of(place)
        environment.prepare(self.settings, place.database)
        self.instance = dg.DagsterInstance.from_config(
            str(environment.dagster_home(self.settings)), environment.COMMANDS_FILE
        )
        # As commands of the product do; else each event makes connections of its own.
        self.instance.optimize_for_webserver(
            statement_timeout=0, pool_recycle=3600, max_overflow=20
        )
        dbt = dated_dbt.executable(place.home)
        with mock.patch.object(manifest, "dbt_executable", return_value=dbt):
            self.definitions = build_definitions()
        self.cursor: str | None = None
        self.failures: list[str] = []
        self.accepted = 0
        sensors.sync_accounts(self.instance, ["focus"], {"focus": accounts})
        pools.set_limits(self.instance)

    def night(self, day: date) -> Costs:
        """Keep house at 03:40."""
        self.at(day, 3, 40)
        return self.timed("housekeeping", lambda: self.run(housekeeping.NAME))

    def morning(self, day: date) -> Costs:
        """Look for accounts, and ingest each one by its own run of Dagster."""
        self.at(day, 5, 30)
        spent = self.timed("discovery", lambda: self.run(discovery.NAME))
        self.at(day, 6, 15)
        return spent | self.timed("ingestion", lambda: self._ingest(day))

    def backfill(self, days: DayRange, on: date) -> Costs:
        """Load the days that bills held before Astraeus came, and build."""
        self.at(on, 0, 30)
        opened = Ingestion.from_settings(self.settings)

        def work() -> None:
            for slug in self.accounts:
                done = deliver(opened, FOCUS, opened.account(slug), "costs", days)
                self.failures += [f"backfill {slug}: {error}" for error in done.errors]

        return self.timed("loads without Dagster", work) | self.timed(
            "build", lambda: self.run(sensors.MARTS_JOB)
        )

    def load_alone(self, day: date, copies: Sequence[date]) -> Costs:
        """Fetch and load as the runs do; Dagster's rows of it, and of other days, are copies."""
        self.at(day, 6, 15)
        for each in copies:
            ids = runs.copy(self.place, INGEST, len(self.accounts), each)
        opened = Ingestion.from_settings(self.settings)
        days = schedules.window(FOCUS, "costs", day)

        def work() -> None:
            for slug in self.accounts:
                as_run = replace(opened, run_id=ids[slug])
                done = deliver(as_run, FOCUS, as_run.account(slug), "costs", days)
                self.failures += [f"{day} {slug}: {error}" for error in done.errors]

        return self.timed("loads without Dagster", work)

    def accept_refused(self, day: date) -> Costs:
        """Let in settled days that were refused since they shrank by much, as somebody would."""
        self.at(day, 6, 20)
        opened = Ingestion.from_settings(self.settings)
        with self.place.database.connect("app", autocommit=True) as conn:
            waiting = conn.execute(_REFUSED).fetchall()

        def work() -> None:
            for delivery, payload, days in waiting:
                why = acceptances.Acceptance(
                    "ana", "The bill was corrected", delivery, frozenset(days)
                )
                self.accepted += len(days)
                reload(opened, FOCUS, payload, why)

        return self.timed("days let in by a person", work) if waiting else {}

    def build(self, day: date) -> Costs:
        """Build, score, forecast; raise alerts; send summaries that are due."""
        self.at(day, 6, 30)
        spent = self.timed("build", lambda: self.run(sensors.MARTS_JOB))
        self.at(day, 6, 45)
        spent |= self.timed("alerts", self._alert)
        self.at(day, 7, 0)
        return spent | self.timed("summaries", lambda: self.run(summarising.JOB))

    def tick(self, day: date) -> Costs:
        """Write the ticks of sensors and schedules of the day, purge those kept no longer."""
        self.at(day, 23, 50)
        return self.timed("ticks", lambda: ticks.write(self.instance, self.place.database, day))

    def _ingest(self, day: date) -> None:
        now = datetime.combine(day, hour(6, 15), UTC)
        for request in schedules.run_requests(FOCUS, "costs", self.accounts, now):
            self.run(INGEST, dict(request.tags))

    def _alert(self) -> None:
        with self.place.database.connect("app", autocommit=True) as conn:
            _, self.cursor = alerting.look(conn, self.cursor, self.clock.now())
        Sender.from_settings(self.settings, self.place.database).send_all()

    def run(self, job: str, tags: dict[str, str] | None = None) -> None:
        """Execute a job in this process; what fails is noted."""
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags={**(tags or {}), **recovery.process_tag()},
            raise_on_error=False,
            run_config=_QUIET,
        )
        if not result.success:
            failed = [event for event in result.all_node_events if event.is_step_failure]
            said = [str(each.step_failure_data.error)[:2000] for each in failed]
            self.failures.append(f"{self.clock.now():%F} {job} {tags or ''}: {said}")

    def at(self, day: date, hours: int, minutes: int) -> None:
        """Let it be that hour of that day."""
        self.clock.set(datetime.combine(day, hour(hours, minutes), UTC))

    def timed(self, what: str, work: Callable[[], Any]) -> Costs:
        """Return what the work cost, under its name."""
        return {what: measure(self.place.server, work)}

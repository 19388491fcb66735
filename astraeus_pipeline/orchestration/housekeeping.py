"""Every night: what is kept no longer goes, and what the next months need is made."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from astraeus_pipeline.orchestration import environment, run_events
from astraeus_pipeline.orchestration.partitions import key_of
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import housekeeping
from astraeus_pipeline.warehouse.engine import Database, standing_database
from astraeus_pipeline.warehouse.housekeeping import Done, Retention
from astraeus_pipeline.warehouse.landing import LandingStore

NAME: Final = "housekeeping"
# When neither loads nor builds run, nor people work.
_CRON: Final = "40 3 * * *"
_ENDED: Final = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
# Each takes some milliseconds; a backlog is worked off over some nights.
_MOST_RUNS: Final = 2000


def keep_house(
    settings: Settings,
    database: Database,
    instance: dg.DagsterInstance,
    actor: str,
    *,
    is_dry: bool = False,
    own_run: str | None = None,
) -> list[Done]:
    """Do the housekeeping, or count what would go. Returns what went; nothing beside a backup.

    Raises: AstraeusError.
    """
    retention, done = Retention.from_env(), list[Done]()
    with housekeeping.within(database) as is_free:
        if not is_free:
            return []
        with database.connect("app", autocommit=True) as conn:
            done += housekeeping.clear_rows(conn, retention, is_dry=is_dry)
            standing = housekeeping.standing_days(conn)
            if is_dry or not _is_loading(instance, own_run):
                store = LandingStore.from_settings(settings)
                payloads = housekeeping.clear_payloads(conn, store, retention, is_dry=is_dry)
                done += [payloads] if payloads else []
        if retention.run_days is not None:
            done += _clear_dagster(settings, instance, standing, retention.run_days, is_dry=is_dry)
        if not is_dry:
            with database.connect("loader", autocommit=True) as conn:
                housekeeping.make_months(conn, datetime.now(UTC).date())
            housekeeping.tune_hot_tables(database)
        try:
            # The one that always asks the store, so the last: it may be away.
            with database.connect("app", autocommit=True) as conn:
                store = LandingStore.from_settings(settings)
                done += housekeeping.clear_line_items(conn, store, retention, is_dry=is_dry)
        finally:
            if not is_dry:
                housekeeping.note(database, actor, done)
    return done


def _clear_dagster(
    settings: Settings,
    instance: dg.DagsterInstance,
    standing: Mapping[str, set[tuple[str, date]]],
    days: int,
    *,
    is_dry: bool,
) -> Iterator[Done]:
    """Let go old runs, and what those that stay need no more."""
    gone = prune_runs(settings, instance, set(standing), days, is_dry=is_dry)
    yield Done("runs of Dagster", days, gone)
    before = datetime.now(UTC) - timedelta(days=days)
    whole = [run for run in run_events.whole_runs(instance, before) if run in standing]
    old = {run: {str(key_of(*each)) for each in standing[run]} for run in whole[:_MOST_RUNS]}
    yield Done("events of runs that stay", days, run_events.thin(instance, old, is_dry=is_dry))
    checked = run_events.clear_checks(instance, before, is_dry=is_dry)
    yield Done("results of asset checks", days, checked)


def prune_runs(
    settings: Settings,
    instance: dg.DagsterInstance,
    standing: set[str],
    days: int,
    *,
    is_dry: bool,
) -> int:
    """Delete ended runs with their events and logs, but for those that something stands from.

    `standing` are runs that the ledger names for days that stand; each asset's last run stays too.
    Returns how many went, at most some thousands a night.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    old = instance.get_run_ids(dg.RunsFilter(statuses=_ENDED, created_before=before))
    last = {each.asset_entry.last_run_id for each in instance.get_asset_records()}
    # Those that come last are the oldest.
    going = [run_id for run_id in reversed(old) if run_id not in standing | last][:_MOST_RUNS]
    if not is_dry:
        logs = environment.dagster_home(settings) / "storage"
        for run_id in going:
            instance.delete_run(run_id)
            shutil.rmtree(logs / run_id, ignore_errors=True)
    return len(going)


def _is_loading(instance: dg.DagsterInstance, own_run: str | None) -> bool:
    """Whether a run may be about to name a payload that it found in the store."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    running = instance.get_run_ids(dg.RunsFilter(statuses=statuses))
    return bool(set(running) - {own_run})


@dg.op(name="keep_house", description="Let go what is kept no longer; make what months need")
def _keep_house(context: dg.OpExecutionContext) -> None:
    settings = Settings.from_env()
    done = keep_house(
        settings,
        standing_database(settings),
        context.instance,
        "housekeeping (Dagster)",
        own_run=context.run_id,
    )
    context.add_output_metadata({each.name: each.gone for each in done})
    if not done:
        context.log.warning("A backup is under way: tomorrow night's run does the work.")


@dg.job(
    name=NAME,
    description="Ended sessions, expired attachments, old checkpoints and Dagster's old runs go,"
    " as ASTRAEUS_KEEP_..._DAYS say; raw tables get the leaves of the next months. Nothing that a"
    " number leads back to goes unless asked for.",
)
def housekeeping_job() -> None:
    """Keep house."""
    _keep_house()


nightly = dg.ScheduleDefinition(
    name=f"nightly_{NAME}",
    job=housekeeping_job,
    cron_schedule=_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Keep house each night, before the daily loads",
)


def keep_house_here(settings: Settings, database: Database, actor: str, is_dry: bool) -> list[Done]:
    """Do the housekeeping in this process, for the command line."""
    environment.prepare(settings, database)
    with dg.DagsterInstance.from_config(
        str(environment.dagster_home(settings)), environment.COMMANDS_FILE
    ) as instance:
        return keep_house(settings, database, instance, actor, is_dry=is_dry)

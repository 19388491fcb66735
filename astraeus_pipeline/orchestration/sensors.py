"""Sensors: the account axis follows app.accounts, the marts follow what was loaded."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
import psycopg
from psycopg import sql

from astraeus_pipeline.accounts import store
from astraeus_pipeline.orchestration import pools, recovery
from astraeus_pipeline.orchestration.partitions import accounts_axis
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import backup

MARTS_JOB: Final = "build_marts"
_UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
# Loads under way are waited for, so that one build covers them all, but not for ever.
_PATIENCE: Final = timedelta(minutes=10)
# What the marts know of, by dataset; before the first build there is no registry.
_BUILT: Final = sql.SQL(
    "select case when model = 'fct_reconciliations' then 'costs' else substr(model, 5) end,"
    " account_id, usage_date, billing_period, delivery_id from intermediate.built_slices"
    " where model = 'fct_reconciliations' or model like 'raw.%'"
)
_NONE_BUILT: Final = sql.SQL(
    "select null::text, null::text, null::date, null::date, null::bigint where false"
)


def sync_accounts(
    instance: dg.DagsterInstance, providers: Iterable[str], wanted: dict[str, list[str]]
) -> None:
    """Bring the dynamic partitions to the active accounts, `wanted` by provider."""
    for provider in providers:
        axis, slugs = accounts_axis(provider), set(wanted.get(provider, []))
        standing = set(instance.get_dynamic_partitions(axis))
        if slugs - standing:
            instance.add_dynamic_partitions(axis, sorted(slugs - standing))
        for slug in sorted(standing - slugs):
            instance.delete_dynamic_partition(axis, slug)


def active_accounts(conn: psycopg.Connection) -> dict[str, list[str]]:
    """Return the slugs of the active accounts by provider."""
    wanted: dict[str, list[str]] = {}
    for row in store.list_accounts(conn):
        if row.state == "active":
            wanted.setdefault(row.provider, []).append(row.slug)
    return wanted


def accounts_sensor(providers: list[str]) -> dg.SensorDefinition:
    """Return the sensor that keeps the account axes in step with app.accounts."""

    @dg.sensor(
        name="accounts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Add a partition for each active account, remove those of paused ones; set"
        " limits of pools; mark runs as failed whose process is gone",
    )
    def accounts(
        context: dg.SensorEvaluationContext, ingestion: IngestionResource
    ) -> dg.SkipReason:
        with ingestion.connection("app") as conn:
            wanted = active_accounts(conn)
        pools.set_limits(context.instance)
        fallen = recovery.fail_fallen(
            context.instance, recovery.code_server_since(Settings.from_env())
        )
        sync_accounts(context.instance, providers, wanted)
        return dg.SkipReason(
            f"{sum(map(len, wanted.values()))} active accounts, {len(fallen)} fallen runs"
        )

    return accounts


def marts_sensor(job: Any) -> dg.SensorDefinition:
    """Return the sensor that builds the marts once loads have changed something."""

    @dg.sensor(
        name="marts",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Build the marts when slices were loaded that they do not hold yet, or"
        " allocation rules changed",
    )
    def marts(
        context: dg.SensorEvaluationContext, ingestion: IngestionResource
    ) -> dg.RunRequest | dg.SkipReason:
        with ingestion.connection("dbt") as conn:
            if backup.is_under_way(conn):
                return dg.SkipReason("A backup or housekeeping is under way")
            pending, rules = pending_slices(conn), changed_rules(conn)
        under_way = context.instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY), limit=50)
        return decide(pending, [run.job_name for run in under_way], datetime.now(UTC), rules)

    return marts


def decide(
    pending: tuple[int, int, datetime] | None,
    jobs_under_way: list[str],
    now: datetime,
    rules: str | None = None,
) -> dg.RunRequest | dg.SkipReason:
    """Decide whether to build.

    `pending` is (slices, newest delivery, oldest change), `rules` the allocation rules that the
    marts do not follow yet.
    """
    if pending is None and rules is None:
        return dg.SkipReason("The marts hold every loaded day")
    slices, newest, oldest = pending or (0, 0, now)
    if MARTS_JOB in jobs_under_way:
        return dg.SkipReason("A build is under way")
    # A person waits for changed rules, and what is loaded meanwhile is found by the next build.
    if jobs_under_way and rules is None and now - oldest < _PATIENCE:
        return dg.SkipReason(f"{len(jobs_under_way)} runs under way, {slices} slices wait")
    # The hour in the key lets a failed build be tried again without a new delivery.
    return dg.RunRequest(run_key=f"marts:{newest}:{rules or ''}:{now:%Y-%m-%dT%H}")


def changed_rules(conn: psycopg.Connection) -> str | None:
    """Return which allocation rules, as of when, the marts do not follow yet; None if they do.

    Marts that have never been built wait for a delivery.
    """
    if not _has_registry(conn):
        return None
    row = conn.execute(
        "select concat_ws(' ', state.fingerprint, state.updated_at) from app.allocation_state as"
        " state where exists (select from intermediate.built_slices"
        " where model = 'fct_daily_allocated_costs'"
        " and logic not like '%.' || state.fingerprint)"
    ).fetchone()
    return str(row[0]) if row else None


def pending_slices(conn: psycopg.Connection) -> tuple[int, int, datetime] | None:
    """Return (slices, newest delivery, oldest change) that the marts do not know of.

    Held-back deliveries count: they change no figure, but they are shown. Costs that do not tie are
    known once they have been compared, though fct_charges leaves them out; of the other datasets
    a build notes itself what it has read (macros/loaded_slices.sql).
    """
    built = _BUILT if _has_registry(conn) else _NONE_BUILT
    row = conn.execute(
        sql.SQL(
            "select count(*), max(greatest(p.delivery_id, p.blocked_by)), min(p.seen_at)"
            " from raw.partitions p left join ({})"
            " b (dataset, account_id, usage_date, billing_period, delivery_id)"
            " using (dataset, account_id, usage_date, billing_period)"
            " where greatest(p.delivery_id, p.blocked_by) is distinct from b.delivery_id"
        ).format(built)
    ).fetchone()
    if row is None or row[0] == 0:
        return None
    return row[0], row[1], row[2]


def _has_registry(conn: psycopg.Connection) -> bool:
    row = conn.execute("select to_regclass('intermediate.built_slices') is not null").fetchone()
    return bool(row and row[0])

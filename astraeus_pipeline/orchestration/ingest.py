"""Raw assets: one per provider and dataset, partitioned by account and day."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError, LoadError, NotObtainable
from astraeus_pipeline.orchestration import checks, delivering, failures, recovery
from astraeus_pipeline.orchestration.delivering import Delivered, Ingestion, deliver
from astraeus_pipeline.orchestration.partitions import account_days, key_of, ranges
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.providers.base import Provider

OWNERS = ["team:data-platform"]
_STANDS = ("replaced", "emptied", "unchanged")
# Kinds that the Dagster UI has a picture of.
_KINDS = {"aws", "azure", "snowflake", "openai", "anthropic"}


def asset_key(table: RawTable) -> dg.AssetKey:
    """Return the key of a raw table's asset."""
    return dg.AssetKey(["raw", table.name])


def raw_asset(provider: Provider, dataset: Dataset) -> dg.AssetsDefinition:
    """Build the asset that ingests one dataset of a provider, a whole range of days in one run."""
    table = provider.tables[dataset]
    key = asset_key(table)

    @dg.asset(
        key=key,
        partitions_def=account_days(provider.key),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=provider.key,
        group_name=f"raw_{provider.key}",
        owners=OWNERS,
        kinds={"python", "postgres", *({provider.key} & _KINDS)},
        tags={"provider": provider.key, "dataset": dataset},
        description=f"{provider.label}: {table.description}.\n\nEvery fetch is kept in the landing"
        " store and written down in raw.deliveries; the days that changed are replaced in one"
        " transaction, the others are left alone.",
        metadata={
            "dagster/table_name": f"raw.{table.name}",
            "dagster/column_schema": _schema(table),
            "settled after days": provider.settle_days,
        },
        check_specs=checks.specs(table, key),
        output_required=False,
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
        ),
    )
    def ingest(context: dg.AssetExecutionContext, ingestion: IngestionResource) -> Iterator[Any]:
        asked = list(ranges(context.partition_keys))
        delivered = Delivered()
        with failures.in_words(f"Opening the database for {_spelt(asked)}"):
            opened = ingestion.open(context.run.run_id)
        for account, days in asked:
            context.log.info(f"Fetching {dataset} of {account} for {days}")
            _deliver_range(opened, provider, account, dataset, days, delivered)
        with (
            failures.in_words(f"Checking what stands of {_spelt(asked)}", delivered.errors),
            opened.database.connect("loader", autocommit=True) as conn,
        ):
            shapes = provider.shapes(dataset)
            findings = list(checks.evaluate(conn, shapes, key, asked, delivered))
            metadata = _metadata(delivered, *checks.standing(conn, table, asked))
        yield from _outcome(context, key, asked, delivered, findings, metadata)

    return ingest


def _deliver_range(
    ingestion: Ingestion,
    provider: Provider,
    slug: str,
    dataset: Dataset,
    days: DayRange,
    into: Delivered,
) -> None:
    """Deliver a range in the provider's own steps; an unknown account is an error like others."""
    try:
        with delivering.translated(slug, days):
            account = ingestion.account(slug)
        if dataset not in provider.datasets(account):
            raise NotObtainable(
                f"Account {slug} takes no part in {dataset}.",
                hint="Its configuration, or that of its parent account, says where they come from.",
            )
    except AstraeusError as error:
        into.errors.append(error)
        return
    for part in _steps(days, provider.max_fetch_days):
        done = deliver(ingestion, provider, account, dataset, part)
        into.results += done.results
        into.errors += done.errors
        if done.errors:
            return


def _steps(days: DayRange, width: int) -> Iterator[DayRange]:
    first = days.first
    while first <= days.last:
        last = min(first + timedelta(days=width - 1), days.last)
        yield DayRange(first, last)
        first = last + timedelta(days=1)


def _spelt(asked: list[tuple[str, DayRange]]) -> str:
    return "; ".join(f"account {account}, {days}" for account, days in asked)


def _outcome(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    asked: list[tuple[str, DayRange]],
    delivered: Delivered,
    findings: list[dg.AssetCheckResult],
    metadata: dict[str, Any],
) -> Iterator[Any]:
    """Say to Dagster which partitions stand; one event where all do, one each where some do not."""
    held = delivered.held()
    if not delivered.errors and not held:
        yield dg.MaterializeResult(asset_key=key, metadata=metadata, check_results=findings)
        return
    for account, day in _standing(asked, delivered):
        if (account, day) not in held:
            context.log_event(dg.AssetMaterialization(key, partition=key_of(account, day)))
    yield from findings
    failures.raise_for(
        delivered.errors or [_held_back(delivered, held)],
        context.retry_number,
        metadata,
        may_wait=not recovery.is_by_command(context.run.tags),
    )


def _standing(
    asked: list[tuple[str, DayRange]], delivered: Delivered
) -> Iterator[tuple[str, date]]:
    """Yield the asked partitions that a delivery of this run left standing."""
    stands: dict[str, set[date]] = {}
    for result in delivered.results:
        stands.setdefault(result.account_id, set()).update(
            set(result.fetched_days) if result.state == "unchanged" else result.days(*_STANDS)
        )
    for account, days in asked:
        yield from ((account, day) for day in days if day in stands.get(account, ()))


def _held_back(delivered: Delivered, held: set[tuple[str, date]]) -> LoadError:
    accounts = ", ".join(sorted({account for account, _ in held}))
    reasons = "; ".join(
        f"delivery {result.delivery_id}: {result.conclusion.reason}"
        for result in delivered.results
        if result.conclusion.reason and result.state in ("quarantined", "refused")
    )
    return LoadError(
        f"{len(held)} days of {accounts} are held back ({reasons}).",
        hint="See raw.quarantine or `astraeus delivery show ID`; let a refused one in with"
        " `astraeus delivery accept ID --reason ...`.",
    )


def _metadata(delivered: Delivered, rows: int, sums: dict[str, Decimal]) -> dict[str, Any]:
    """Return what the asset's page plots: rows and money that stand, what this run changed."""
    results = delivered.results
    return {
        "dagster/row_count": rows,
        "deliveries": [result.delivery_id for result in results],
        "days replaced": len(delivered.days("replaced", "emptied")),
        "days unchanged": len(delivered.days("unchanged")),
        "rows in quarantine": sum(result.quarantined_rows for result in results),
        **{f"total {name}": money.plain(amount) for name, amount in sums.items()},
        # Dagster plots floats alone; the exact total stands beside as text.
        **{f"total {name}, plotted": float(amount) for name, amount in sums.items()},
    }


def _schema(table: RawTable) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ]
    )

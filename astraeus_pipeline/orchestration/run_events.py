"""What stays of Dagster's events once their run is old: what says that a partition stands.

A day's load reads its window again, and Dagster notes two events for each partition of it. The run
that brought a day stays for ever, since the ledger names it; its hundred other events need not.
Dagster has no call for either, so this goes to its tables, through its own description of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)

_EVENTS: Final = SqlEventLogStorageTable.c
_CHECKS: Final = AssetCheckExecutionsTable.c
_STANDS: Final = dg.DagsterEventType.ASSET_MATERIALIZATION.value
_AT_ONCE: Final = 100  # runs, some hundred events each


def whole_runs(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Return the runs begun before a time that have all their events, oldest first."""
    query = (
        sa.select(_EVENTS.run_id)
        # Every run has one as long as nothing of it went.
        .where(_EVENTS.dagster_event_type == dg.DagsterEventType.RUN_START.value)
        .where(_EVENTS.timestamp < before.replace(tzinfo=None))
        .order_by(_EVENTS.id)
    )
    with _connection(instance) as conn:
        return list(dict.fromkeys(run_id for (run_id,) in conn.execute(query)))


def thin(instance: dg.DagsterInstance, standing: Mapping[str, set[str]], *, is_dry: bool) -> int:
    """Delete the events of runs but for materialisations of the partitions that stand from them.

    `standing` has partition keys by run. Materialisations without a partition stay. Returns how
    many events went, or would.
    """
    gone = 0
    for some in _batched(list(standing), _AT_ONCE):
        query = sa.select(
            _EVENTS.id, _EVENTS.run_id, _EVENTS.dagster_event_type, _EVENTS.partition
        ).where(_EVENTS.run_id.in_(some))
        with _connection(instance) as conn:
            ids = [
                number
                for number, run_id, kind, partition in conn.execute(query)
                if kind != _STANDS or (partition is not None and partition not in standing[run_id])
            ]
            if not is_dry:
                tags, events = AssetEventTagsTable, SqlEventLogStorageTable
                conn.execute(tags.delete().where(tags.c.event_id.in_(ids)))
                conn.execute(events.delete().where(_EVENTS.id.in_(ids)))
        gone += len(ids)
    return gone


def clear_checks(instance: dg.DagsterInstance, before: datetime, *, is_dry: bool) -> int:
    """Delete results of asset checks that are older, but for the last of each check.

    Dagster keeps them when their run is deleted. Returns how many went, or would.
    """
    last = sa.select(sa.func.max(_CHECKS.id)).group_by(
        _CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition
    )
    old = sa.and_(_CHECKS.create_timestamp < before.replace(tzinfo=None), _CHECKS.id.not_in(last))
    with _connection(instance) as conn:
        if is_dry:
            return int(conn.execute(sa.select(sa.func.count()).where(old)).scalar_one())
        return int(conn.execute(AssetCheckExecutionsTable.delete().where(old)).rowcount)


def _connection(instance: dg.DagsterInstance) -> Any:
    storage: Any = instance.event_log_storage
    return storage.index_connection()


def _batched(items: list[str], size: int) -> list[list[str]]:
    return [items[first : first + size] for first in range(0, len(items), size)]

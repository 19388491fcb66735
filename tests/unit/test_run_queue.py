"""The queue of runs: limits per account and provider, whatever started them, wherever they go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.dagster_run import RunOpConcurrency
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import pools
from astraeus_pipeline.orchestration.partitions import ACCOUNT_TAG, key_of, range_tags
from astraeus_pipeline.orchestration.run_queue import AccountQueue, account_of
from astraeus_pipeline.settings import PROJECT_ROOT

_LOCATION = RegisteredCodeLocationOrigin("astraeus")
_ORIGIN = RemoteRepositoryOrigin(_LOCATION, "__repository__").get_job_origin("__ASSET_JOB")
DAYS = DayRange(date(2026, 10, 1), date(2026, 10, 3))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Return an instance as dagster.yaml says, but for its database."""
    config = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())
    del config["storage"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@pytest.mark.parametrize(
    ("tags", "account"),
    [
        (range_tags("a", DAYS), "a"),
        (range_tags("with|bar", DAYS), "with|bar"),
        ({"dagster/partition/account": "b", "dagster/partition/day": "2026-10-01"}, "b"),
        (
            {
                "dagster/asset_partition_range_start": str(key_of("a", DAYS.first)),
                "dagster/asset_partition_range_end": str(key_of("b", DAYS.last)),
            },
            None,
        ),
        ({}, None),
    ],
)
def test_a_run_names_the_account_that_all_its_partitions_are_of(
    tags: dict[str, str], account: str | None
) -> None:
    assert account_of(tags) == account


def test_one_run_of_an_account_and_as_many_of_a_provider_as_its_pool_lets_in(
    instance: dg.DagsterInstance,
) -> None:
    pools.set_limits(instance)
    limit = pools.limits()["focus"]
    for number in range(limit + 2):  # of a backfill: no tag but the partitions
        _queue(instance, f"a{number}")
        _queue(instance, f"a{number}")
    started = [_start_next(instance) for _ in range(2)]
    assert len(started[0]) == len(set(started[0])) == limit
    assert started[1] == []  # nothing has ended
    _end_one(instance, started[0][0])
    assert len(_start_next(instance)) == 1


def _queue(instance: dg.DagsterInstance, account: str) -> None:
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        tags=range_tags(account, DAYS),
        remote_job_origin=_ORIGIN,
        run_op_concurrency=RunOpConcurrency(
            root_key_counts={"focus": 1}, has_unconstrained_root_nodes=False, all_pools={"focus"}
        ),
    )
    instance.add_run(run)
    queue = instance.run_coordinator
    assert isinstance(queue, AccountQueue)
    queue.submit_run(dg.SubmitRunContext(run, workspace=None))  # type: ignore[arg-type] # not asked


def _start_next(instance: dg.DagsterInstance) -> list[str]:
    """Let the daemon choose, and start what it chose, as if elsewhere; return the accounts."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)
    chosen = daemon._get_runs_to_dequeue(
        instance, instance.get_concurrency_config(), datetime.now(UTC).timestamp()
    )
    for run in chosen:
        for kind in ("PIPELINE_STARTING", "PIPELINE_START"):
            instance.report_dagster_event(dg.DagsterEvent(kind, run.job_name), run.run_id)
    return [run.tags[ACCOUNT_TAG] for run in chosen]


def _end_one(instance: dg.DagsterInstance, account: str) -> None:
    under_way = dg.RunsFilter(tags={ACCOUNT_TAG: account}, statuses=[dg.DagsterRunStatus.STARTED])
    [run] = instance.get_runs(under_way)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", run.job_name), run.run_id)

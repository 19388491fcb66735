"""Partition keys, run requests, retries and the decision to build: pure parts of orchestration."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AuthError, TransientError
from astraeus_pipeline.orchestration import failures, pools, recovery, schedules, sensors
from astraeus_pipeline.orchestration.delivering import Delivered
from astraeus_pipeline.orchestration.partitions import key_of, range_tags, ranges
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.warehouse.ledger import Conclusion
from astraeus_pipeline.warehouse.loader import LoadResult
from astraeus_pipeline.warehouse.survey import Slice, SliceFacts
from astraeus_pipeline.warehouse.verdicts import Outcome, Verdict

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)


def test_keys_become_unbroken_ranges_per_account() -> None:
    days = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 4)]
    keys = [*(key_of("b", day) for day in reversed(days)), str(key_of("a", days[0]))]
    assert list(ranges(keys)) == [
        ("a", DayRange(days[0], days[0])),
        ("b", DayRange(days[0], days[2])),
        ("b", DayRange(days[3], days[3])),
    ]


def test_the_daily_schedule_asks_one_run_per_account_over_the_window() -> None:
    requests = list(schedules.run_requests(PROVIDERS["aws"], "costs", ["a", "b"], NOW))
    assert [request.tags[schedules.ACCOUNT_TAG] for request in requests] == ["a", "b"]
    assert len({request.run_key for request in requests}) == 2
    window = PROVIDERS["aws"].restatement_window(NOW.date())
    assert requests[0].tags.items() >= range_tags("a", window).items()


def test_an_inventory_is_asked_for_today_alone() -> None:
    assert schedules.window(PROVIDERS["aws"], "resources", NOW.date()) == DayRange(
        NOW.date(), NOW.date()
    )


def test_transient_errors_are_retried_with_the_providers_own_hint() -> None:
    with pytest.raises(dg.RetryRequested) as caught:
        failures.raise_for([TransientError("throttled", retry_after=300)], 0, {})
    assert caught.value.seconds_to_wait == 300
    with pytest.raises(dg.Failure) as exhausted:
        failures.raise_for([TransientError("throttled")], failures.MAX_RETRIES, {})
    assert not exhausted.value.allow_retries


def test_one_permanent_error_ends_the_run_at_once() -> None:
    with pytest.raises(dg.Failure, match="wrong key"):
        failures.raise_for([TransientError("busy"), AuthError("wrong key")], 0, {})
    failures.raise_for([], 0, {})


@pytest.mark.parametrize(
    ("pending", "under_way", "builds"),
    [
        (None, [], False),
        ((3, 7, NOW - timedelta(minutes=1)), [], True),
        ((3, 7, NOW - timedelta(minutes=1)), ["ingest_aws_costs"], False),
        ((3, 7, NOW - timedelta(hours=1)), ["ingest_aws_costs"], True),  # a stuck load
        ((3, 7, NOW - timedelta(hours=1)), [sensors.MARTS_JOB], False),
    ],
)
def test_the_marts_follow_once_loads_are_done(
    pending: tuple[int, int, datetime] | None, under_way: list[str], builds: bool
) -> None:
    assert isinstance(sensors.decide(pending, under_way, NOW), dg.RunRequest) == builds


def test_the_account_axis_follows_the_accounts() -> None:
    instance = dg.DagsterInstance.ephemeral()
    sensors.sync_accounts(instance, ["aws", "focus"], {"aws": ["a", "b"]})
    sensors.sync_accounts(instance, ["aws", "focus"], {"aws": ["b", "c"], "focus": ["f"]})
    assert sorted(instance.get_dynamic_partitions("aws_accounts")) == ["b", "c"]
    assert instance.get_dynamic_partitions("focus_accounts") == ["f"]


def test_pools_get_their_limits_and_keep_what_a_person_set() -> None:
    instance = dg.DagsterInstance.ephemeral()
    instance.event_log_storage.set_concurrency_slots("aws", 9)
    pools.set_limits(instance)
    found = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert found == {**pools.limits(), "aws": 9}
    assert found[pools.MARTS] == 1


def test_a_day_held_back_of_one_account_is_not_held_back_of_another() -> None:
    day = date(2026, 10, 1)
    delivered = Delivered([_result("a", day, "blocked"), _result("b", day, "replaced")])
    assert delivered.held() == {("a", day)}


@pytest.mark.parametrize(
    ("tags", "code_since", "is_fallen"),
    [
        (recovery.process_tag(), None, False),
        ({"astraeus/process": f"{socket.gethostname()}/{os.getpid()}/1.0"}, None, True),
        ({"astraeus/process": "elsewhere/1/1.0"}, None, False),
        ({".dagster/grpc_info": "{}"}, None, False),
        ({".dagster/grpc_info": "{}"}, 1.0, False),
        ({".dagster/grpc_info": "{}"}, time.time() + 86_400, True),
        ({}, time.time() + 86_400, False),
    ],
    # Named: parallel workers must agree on ids, and the values hold times and process numbers.
    ids=["own", "reused id", "elsewhere", "no code server", "older code", "newer code", "unknown"],
)
def test_a_run_whose_process_is_gone_fails_and_no_other(
    tags: dict[str, str], code_since: float | None, is_fallen: bool
) -> None:
    instance = dg.DagsterInstance.ephemeral()
    run = dg.DagsterRun(job_name="ingest", tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    instance.add_run(run)
    started = dg.DagsterEvent("PIPELINE_START", "ingest")
    instance.report_dagster_event(started, run.run_id)
    assert recovery.fail_fallen(instance, code_since) == ([run.run_id] if is_fallen else [])
    found = instance.get_run_by_id(run.run_id)
    assert found is not None and (found.status == dg.DagsterRunStatus.FAILURE) == is_fallen


def _result(account: str, day: date, outcome: Outcome) -> LoadResult:
    verdict = Verdict(outcome, SliceFacts())
    conclusion = Conclusion("loaded", None, {Slice(day, day.replace(day=1)): verdict})
    return LoadResult(1, account, DayRange(day, day), 1, 0, conclusion, {})

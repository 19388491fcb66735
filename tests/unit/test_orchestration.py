"""Partition keys, run requests, retries and the decision to build: pure parts of orchestration."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AuthError, TransientError
from astraeus_pipeline.orchestration import failures, schedules, sensors
from astraeus_pipeline.orchestration.partitions import key_of, range_tags, ranges
from astraeus_pipeline.providers.registry import PROVIDERS

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

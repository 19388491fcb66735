"""The quota of Cost Management: three windows, one pacer per tenant, and what answers ask for."""

from __future__ import annotations

import threading

import pytest

from astraeus_pipeline.providers.azure.client import wait_of
from astraeus_pipeline.providers.azure.pacing import Pacer, pacer_of


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def spent(units: list[int], units_per_minute: int = 60) -> list[float]:
    """Return when each question was let through."""
    clock = Clock()
    pacer = Pacer(units_per_minute, clock, clock.sleep)
    times = []
    for each in units:
        pacer.take(each)
        times.append(clock.now)
    return times


def test_twelve_units_go_at_once_and_the_thirteenth_waits_ten_seconds() -> None:
    assert spent([1] * 13) == [0.0] * 12 + [10.0]


def test_sixty_units_a_minute_and_six_hundred_an_hour() -> None:
    times = spent([1] * 601)
    assert times[59] == 40.0 and times[60] == 60.0
    assert times[599] == 580.0 and times[600] == 3600.0


def test_a_question_of_many_months_weighs_more() -> None:
    assert spent([6, 6, 6]) == [0.0, 0.0, 10.0]


def test_a_question_larger_than_the_window_is_let_through_alone() -> None:
    assert spent([1, 20, 1]) == [0.0, 10.0, 20.0]


def test_a_smaller_share_of_the_tenants_quota_is_slower() -> None:
    assert spent([1, 1, 1], units_per_minute=10) == [0.0, 0.0, 10.0]


def test_a_tenant_has_one_pacer_whatever_its_accounts() -> None:
    assert pacer_of("Tenant-A", 60) is pacer_of("tenant-a", 60)
    assert pacer_of("tenant-a", 60) is not pacer_of("tenant-b", 60)


def test_threads_share_the_quota() -> None:
    clock = Clock()
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            clock.now += seconds

    pacer = Pacer(60, clock, sleep)
    threads = [threading.Thread(target=pacer.take, args=(1,)) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now >= 10.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "17"}, 17),
        ({"retry-after": "soon"}, None),
        (
            {
                "Retry-After": "2",
                "x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after": "9",
                "x-ms-ratelimit-microsoft.costmanagement-tenant-retry-after": "4.5",
                "x-ms-ratelimit-microsoft.costmanagement-entity-retry-after": "?",
            },
            9,
        ),
        ({"x-ms-user-quota-resets-after": "01:02:03"}, 3723),
        ({"x-ms-user-quota-resets-after": "now"}, None),
    ],
)
def test_the_longest_of_all_hints_counts(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers) == seconds

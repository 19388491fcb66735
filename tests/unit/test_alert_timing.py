"""When messages leave: quiet hours over changes of the clock, digests, pauses between attempts."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraeus_pipeline.alerts import timing
from astraeus_pipeline.contracts.alerting import Timing
from astraeus_pipeline.errors import ConfigError

BERLIN = Timing(time_zone="Europe/Berlin", quiet_from=time(22), quiet_until=time(7))
DAILY = Timing(time_zone="Europe/Berlin", digest="daily", digest_at=time(8))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-28T20:59", "2026-11-28T20:59"),  # 21:59 in Berlin
        ("2026-11-28T21:00", "2026-11-29T06:00"),
        ("2026-11-29T05:59", "2026-11-29T06:00"),
        ("2026-11-29T06:00", "2026-11-29T06:00"),
        ("2026-07-01T20:00", "2026-07-02T05:00"),  # summer time: two hours ahead of UTC
        ("2026-03-28T22:00", "2026-03-29T05:00"),  # the night that is an hour short
        ("2026-10-24T21:00", "2026-10-25T06:00"),  # the night that is an hour long
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(at: str, until: str) -> None:
    assert timing.after_quiet(BERLIN, utc(at)) == utc(until)


def test_a_time_that_the_clock_skips_is_that_much_later() -> None:
    skipped = Timing(time_zone="Europe/Berlin", quiet_from=time(1), quiet_until=time(2, 30))
    # 02:30 does not exist on 2026-03-29: 01:30 UTC is 03:30 in Berlin, 00:30 UTC is 01:30.
    assert timing.after_quiet(skipped, utc("2026-03-29T00:15")) == utc("2026-03-29T01:30")


def test_a_time_that_the_clock_shows_twice_ends_the_quiet_that_it_lies_in() -> None:
    twice = Timing(time_zone="Europe/Berlin", quiet_from=time(1), quiet_until=time(2, 30))
    assert timing.after_quiet(twice, utc("2026-10-25T00:10")) == utc("2026-10-25T00:30")
    # 02:10 for the second time
    assert timing.after_quiet(twice, utc("2026-10-25T01:10")) == utc("2026-10-25T01:30")


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - made aware below
    begin=st.times(),
    end=st.times(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_quiet_hours_delay_by_a_day_at_most_and_end_in_no_quiet(
    at: datetime, begin: time, end: time, zone: str
) -> None:
    quiet = Timing(time_zone=zone, quiet_from=begin, quiet_until=end)
    moment = at.replace(tzinfo=UTC)
    after = timing.after_quiet(quiet, moment)
    assert moment <= after <= moment + timedelta(hours=25)
    assert not timing.is_quiet(quiet, after)


@pytest.mark.parametrize(
    ("digest", "now", "due"),
    [
        ("daily", "2026-11-28T06:59", "2026-11-28T07:00"),
        ("daily", "2026-11-28T07:00", "2026-11-29T07:00"),
        ("daily", "2026-10-24T12:00", "2026-10-25T07:00"),  # summer time has ended
        ("weekly", "2026-11-28T12:00", "2026-11-30T07:00"),  # a Saturday, then Monday
        ("weekly", "2026-11-30T07:00", "2026-12-07T07:00"),
    ],
)
def test_a_digest_leaves_at_its_time(digest: str, now: str, due: str) -> None:
    of = Timing(time_zone="Europe/Berlin", digest=digest)  # type: ignore[arg-type]
    assert timing.due(of, "warning", utc(now)) == utc(due)


def test_critical_alerts_wait_for_nothing_unless_told_to() -> None:
    night = utc("2026-11-28T23:00")
    assert timing.due(BERLIN, "critical", night) == night
    assert timing.due(BERLIN, "warning", night) == utc("2026-11-29T06:00")
    patient = Timing(
        time_zone="Europe/Berlin",
        quiet_from=time(22),
        quiet_until=time(7),
        critical_passes=False,
    )
    assert timing.due(patient, "critical", night) == utc("2026-11-29T06:00")


def test_pauses_double_up_to_six_hours_and_end() -> None:
    now = utc("2026-11-28T12:00")
    pauses = [timing.retry_at(Timing(), "warning", tried, now) for tried in range(1, 17)]
    assert pauses[-1] is None
    seconds = [(at - now).total_seconds() for at in pauses if at is not None]
    assert seconds[:4] == [30, 60, 120, 240]
    assert max(seconds) == 6 * 3600
    assert timedelta(seconds=sum(seconds)) > timedelta(hours=24)


def test_a_retry_respects_quiet_hours() -> None:
    assert timing.retry_at(BERLIN, "warning", 1, utc("2026-11-28T21:10")) == utc("2026-11-29T06:00")


def test_an_unknown_time_zone_is_said_to_be_one() -> None:
    with pytest.raises(ConfigError, match="Atlantis"):
        timing.zone("Europe/Atlantis")

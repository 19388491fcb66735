"""The detector on series whose every oddity was put there by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from astraeus_pipeline.anomalies.floors import floor_of
from astraeus_pipeline.anomalies.panel import LOOKBACK, Floats, Panel, catch_up_lengths
from astraeus_pipeline.anomalies.scoring import REASONS, Scores, score

FIRST = date(2025, 1, 1)
DAYS = [FIRST + timedelta(days=each) for each in range(300)]
WEEKEND = np.array([day.weekday() >= 5 for day in DAYS])


def usual(level: float, noise: float, seed: int, weekend: float = 1.0) -> Floats:
    """Return a year's cost around a level, lower at weekends by the factor."""
    rng = np.random.default_rng(seed)
    costs: Floats = level * np.exp(noise * rng.standard_normal(len(DAYS)))
    costs[WEEKEND] *= weekend
    return costs


def panel(*series: Floats, first_days: dict[int, date] | None = None) -> Panel:
    costs = np.array(series)
    first = [FIRST] * len(series)
    for row, day in (first_days or {}).items():
        first[row] = day
        costs[row, : (day - FIRST).days] = np.nan
    return Panel(
        DAYS,
        costs,
        np.zeros(len(series), dtype=np.int64),
        first,
        [FIRST] * len(series),
        np.full(len(series), 8.0),
    )


def scored(*series: Floats, first_days: dict[int, date] | None = None) -> Scores:
    return score(panel(*series, first_days=first_days), DAYS[0], DAYS[-1])


def flagged(found: Scores, row: int = 0) -> dict[int, str | None]:
    """Return the flagged days of a series, counted from the first, with their reasons."""
    return {int(at): REASONS[found.reason[row, at]] for at in np.flatnonzero(found.reason[row])}


def test_quiet_weekly_and_bursty_services_raise_nothing() -> None:
    found = scored(
        usual(500, 0.02, 1), usual(300, 0.08, 2, weekend=0.4), usual(100, 0.3, 3), usual(2, 0.5, 4)
    )
    assert not found.reason.any()


def test_a_spike_is_flagged_on_its_day_with_its_bounds() -> None:
    costs = usual(500, 0.02, 1)
    costs[200] *= 1.6
    found = scored(costs)
    assert flagged(found) == {200: "spike"}
    assert found.expected[0, 200] == pytest.approx(500, rel=0.05)
    assert found.lower[0, 200] < found.expected[0, 200] < found.upper[0, 200] < costs[200]


def test_a_weekend_as_high_as_a_weekday_is_a_spike() -> None:
    costs = usual(500, 0.05, 2, weekend=0.4)
    saturday = next(at for at in range(200, 210) if DAYS[at].weekday() == 5)
    costs[saturday] = 500
    assert flagged(scored(costs)) == {saturday: "spike"}


def test_what_does_not_matter_is_no_anomaly() -> None:
    small, slight = usual(2, 0.02, 5), usual(5000, 0.01, 6)
    small[200] *= 3  # four dollars
    slight[200] *= 1.25
    assert not scored(small, slight).reason.any()


def test_a_fall_is_no_anomaly_and_neither_is_the_return() -> None:
    costs = usual(500, 0.02, 1)
    costs[200:210] *= 0.3
    assert not scored(costs).reason.any()


def test_a_fee_of_the_month_is_expected_once_it_has_a_habit() -> None:
    costs = usual(100, 0.03, 7)
    bookings = [at for at, day in enumerate(DAYS) if day.day == 1]
    costs[bookings] += 300
    assert not set(flagged(scored(costs))) - set(bookings[:2])


def test_close_jobs_at_the_end_of_months_of_any_length_are_expected() -> None:
    costs = usual(100, 0.03, 8)
    ends = [at for at, day in enumerate(DAYS) if (day + timedelta(days=2)).month != day.month]
    costs[ends] *= 1.8
    assert not set(flagged(scored(costs))) - set(ends[:4])


def test_a_lasting_rise_and_a_slow_drift_are_shifts() -> None:
    risen, drifted = usual(100, 0.15, 9), usual(100, 0.05, 10)
    risen[200:240] *= 1.7
    drifted[200:235] *= 1 + 0.9 * np.arange(35) / 35
    drifted[235:] *= 1.9
    found = scored(risen, drifted)
    assert {"shift"} <= set(flagged(found, 0).values())
    assert 200 <= min(flagged(found, 0)) <= 210
    assert 200 <= min(flagged(found, 1)) <= 235


def test_growth_of_six_percent_a_month_is_no_shift() -> None:
    costs = usual(500, 0.03, 11) * 1.06 ** (np.arange(len(DAYS)) / 30)
    assert not scored(costs).reason.any()


def test_a_service_that_begins_late_is_new_once() -> None:
    late, slow = usual(40, 0.1, 12), usual(0.5, 0.1, 13)
    found = scored(usual(500, 0.02, 1), late, slow, first_days={1: DAYS[150], 2: DAYS[150]})
    assert flagged(found, 1) == {150: "new_service"}
    assert flagged(found, 2) == {}
    assert flagged(found, 0) == {}


def test_a_gap_that_is_caught_up_is_no_spike_but_a_spike_after_a_gap_is() -> None:
    caught = [usual(500, 0.02, 1), usual(300, 0.05, 2), usual(100, 0.1, 3)]
    for costs in caught:
        costs[202] += costs[200] + costs[201]
        costs[200:202] = np.nan
    assert not scored(*caught).reason.any()
    alone = [usual(500, 0.02, 1), usual(300, 0.05, 2), usual(100, 0.1, 3)]
    for costs in alone:
        costs[200:202] = np.nan
    alone[0][202] *= 3
    found = scored(*alone)
    assert flagged(found) == {202: "spike"}
    assert np.isnan(found.score[:, 200:202]).all()


def test_a_gap_is_told_from_a_service_that_rests() -> None:
    resting, other = usual(500, 0.02, 1), usual(300, 0.05, 2)
    resting[200:202] = 0.0
    both = panel(resting, other)
    assert not both.gaps.any()
    assert not catch_up_lengths(both, both.gaps).any()


def test_a_score_reads_no_later_day_and_none_beyond_the_lookback() -> None:
    """Cut at both ends, the panel gives the same scores: what incremental scoring rests on."""
    caught = [usual(500, 0.02, 1), usual(100, 0.3, 2, weekend=0.6), usual(80, 0.1, 3)]
    for costs in caught:
        costs[102] += costs[100] + costs[101]
        costs[100:102] = np.nan
        costs[250] *= 3
    whole = scored(*caught)
    day = 280
    begin = day - LOOKBACK
    cut = Panel(
        DAYS[begin : day + 1],
        np.array(caught)[:, begin : day + 1],
        np.zeros(3, dtype=np.int64),
        [FIRST] * 3,
        [FIRST] * 3,
        np.full(3, 8.0),
    )
    alone = score(cut, DAYS[day], DAYS[day])
    for name in ("expected", "lower", "upper", "score", "reason"):
        np.testing.assert_allclose(
            getattr(alone, name)[:, 0], getattr(whole, name)[:, day], rtol=1e-12, err_msg=name
        )


def test_floors_are_round_money_of_each_currency() -> None:
    assert floor_of("USD") == 8
    assert floor_of("JPY") > 500
    assert floor_of("XTS") == 8

"""The forecaster on series whose coming months are known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from astraeus_pipeline.anomalies.panel import Floats, Panel
from astraeus_pipeline.forecasts import LAST_WEEK, METHOD, RUN_RATE
from astraeus_pipeline.forecasts.backtest import backtest
from astraeus_pipeline.forecasts.calibration import reach
from astraeus_pipeline.forecasts.costs import LOOKBACK, Costs, Month, cutoffs, months_ahead
from astraeus_pipeline.forecasts.outlook import Outlook, look_ahead

FIRST = date(2024, 6, 1)
DAYS = [FIRST + timedelta(days=each) for each in range(730)]
WEEKEND = np.array([day.weekday() >= 5 for day in DAYS])
AS_OF = date(2026, 1, 31)


def usual(level: float, noise: float = 0.02, seed: int = 1, weekend: float = 1.0) -> Floats:
    rng = np.random.default_rng(seed)
    series: Floats = level * np.exp(noise * rng.standard_normal(len(DAYS)))
    series[WEEKEND] *= weekend
    return series


def costs(
    *series: Floats,
    until: date = AS_OF,
    recurring: Floats | None = None,
    first: date = FIRST,
) -> Costs:
    begin, end = (first - FIRST).days, (until - FIRST).days + 1
    usage = np.array(series)[:, begin:end]
    panel = Panel(
        DAYS[begin:end],
        usage,
        np.zeros(len(usage), dtype=np.int64),
        [FIRST] * len(usage),
        [FIRST] * len(usage),
        np.full(len(usage), 8.0),
    )
    beside = np.zeros_like(usage) if recurring is None else recurring[None, begin:end]
    return Costs.of(panel, np.broadcast_to(beside, usage.shape))


def seen(*series: Floats, as_of: date = AS_OF, recurring: Floats | None = None) -> Outlook:
    return look_ahead(costs(*series, until=as_of, recurring=recurring), as_of)


def came(series: Floats, month: Month) -> float:
    begin = (month.first - FIRST).days
    return float(series[begin : (month.last - FIRST).days + 1].sum())


def test_months_ahead_begin_with_the_first_that_has_days_left() -> None:
    assert [each.first for each in months_ahead(date(2026, 1, 30))][:2] == [
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]
    ahead = months_ahead(date(2025, 11, 30))
    assert [each.first.month for each in ahead] == [12, 1, 2, 3]
    assert ahead[2].last == date(2026, 2, 28)


def test_cutoffs_have_as_many_days_left() -> None:
    assert cutoffs(date(2026, 3, 31))[-2:] == [date(2026, 1, 31), date(2026, 2, 28)]
    assert cutoffs(date(2026, 3, 17))[-1] == date(2026, 2, 14)
    # February has no day with 30 left
    assert cutoffs(date(2026, 3, 1))[-1] == date(2026, 2, 1)


def test_a_steady_week_is_added_up_to_months() -> None:
    series = usual(300, 0.03, weekend=0.4)
    outlook = seen(series)
    for at, month in enumerate(outlook.months):
        assert outlook.rest[METHOD][0, at] == pytest.approx(came(series, month), rel=0.03)


def test_month_end_is_what_is_booked_and_the_rest() -> None:
    series = usual(300, 0.03, weekend=0.4)
    outlook = seen(series, as_of=date(2026, 1, 20))
    begin = (date(2026, 1, 1) - FIRST).days
    assert outlook.booked[0] == pytest.approx([series[begin : begin + 20].sum(), 0, 0, 0])
    left = series[begin + 20 : begin + 31].sum()
    assert outlook.rest[METHOD][0, 0] == pytest.approx(left, rel=0.04)


def test_bursty_services_are_forecast_by_their_mean_not_their_middle() -> None:
    series = usual(100, 0.4, 7)
    outlook = seen(series)
    whole_year = series[: (AS_OF - FIRST).days + 1][-126:].mean()
    assert outlook.rest[METHOD][0, 1] == pytest.approx(28 * whole_year, rel=0.15)
    assert outlook.rest[METHOD][0, 1] > 28 * 100


def test_growth_goes_on() -> None:
    series = usual(500, 0.02) * 1.02 ** (np.arange(len(DAYS)) / 30)
    outlook = seen(series)
    for at, month in enumerate(outlook.months):
        assert outlook.rest[METHOD][0, at] == pytest.approx(came(series, month), rel=0.03)
    assert outlook.rest[RUN_RATE][0, 3] < 0.95 * came(series, outlook.months[3])


def test_a_fee_within_usage_lands_on_its_day() -> None:
    series = usual(10, 0.03)
    series[[at for at, day in enumerate(DAYS) if day.day == 18]] += 600
    before, after = (seen(series, as_of=date(2026, 1, each)) for each in (15, 20))
    assert before.rest[METHOD][0, 0] == pytest.approx(600 + 16 * 10, rel=0.05)
    assert after.rest[METHOD][0, 0] == pytest.approx(11 * 10, rel=0.1)
    assert after.rest[METHOD][0, 1] == pytest.approx(600 + 28 * 10, rel=0.05)
    # the plain one smears it
    assert after.rest[RUN_RATE][0, 0] > 2.5 * 11 * 10


def test_close_jobs_at_the_end_of_months_of_any_length_are_expected() -> None:
    series = usual(100, 0.02)
    ends = [at for at, day in enumerate(DAYS) if (day + timedelta(days=2)).month != day.month]
    series[ends] *= 2
    outlook = seen(series)
    for at, month in enumerate(outlook.months):
        assert outlook.rest[METHOD][0, at] == pytest.approx(came(series, month), rel=0.03)


def test_a_rise_of_late_is_believed_near_and_doubted_far() -> None:
    series = usual(100, 0.02)
    series[(AS_OF - FIRST).days - 14 :] *= 2
    daily = seen(series).rest[METHOD][0] / [28, 31, 30, 31]
    assert 170 < daily[0] < 200
    assert 120 < daily[3] < daily[2] < daily[1] < daily[0]


def test_taxes_and_fees_keep_their_place_in_the_month() -> None:
    beside = np.zeros(len(DAYS))
    beside[[at for at, day in enumerate(DAYS) if day.day == 3]] = 500
    beside[[at for at, day in enumerate(DAYS) if day.day == 25]] = 40
    idle = np.zeros(len(DAYS))
    outlook = seen(idle, as_of=date(2026, 1, 10), recurring=beside)
    assert outlook.booked[0, 0] == 500
    assert outlook.rest[METHOD][0] == pytest.approx([40, 540, 540, 540])


def test_a_fee_once_is_no_habit() -> None:
    beside = np.zeros(len(DAYS))
    beside[(date(2026, 1, 3) - FIRST).days] = 500
    outlook = seen(usual(10), as_of=AS_OF, recurring=beside)
    assert outlook.rest[METHOD][0, 0] == pytest.approx(280, rel=0.05)


def test_a_day_that_did_not_come_is_forecast_unless_it_was_made_up_for() -> None:
    series = usual(100)
    gap = (date(2026, 1, 10) - FIRST).days
    series[gap : gap + 2] = np.nan
    as_of = date(2026, 1, 20)
    outlook = seen(series, as_of=as_of)
    assert outlook.booked[0, 0] == pytest.approx(18 * 100, rel=0.02)
    assert outlook.rest[METHOD][0, 0] == pytest.approx(13 * 100, rel=0.03)
    series[gap + 2] = 300
    outlook = seen(series, as_of=as_of)
    assert outlook.booked[0, 0] == pytest.approx(20 * 100, rel=0.02)
    assert outlook.rest[METHOD][0, 0] == pytest.approx(11 * 100, rel=0.03)


def test_a_young_series_has_no_forecast() -> None:
    series = usual(100)
    series[: (AS_OF - FIRST).days - 9] = np.nan
    outlook = seen(series, usual(50))
    for method in (METHOD, RUN_RATE, LAST_WEEK):
        assert np.isnan(outlook.rest[method][0]).all()
        assert not np.isnan(outlook.rest[method][1]).any()


def test_backtests_are_what_was_said_and_what_came() -> None:
    series = usual(300, 0.1, 3, weekend=0.5)
    tested, _ = backtest(costs(series), AS_OF, np.array([8.0]))
    assert [each.outlook.as_of for each in tested] == cutoffs(AS_OF)
    at = 5
    said = seen(series, as_of=cutoffs(AS_OF)[at])
    np.testing.assert_allclose(tested[at].outlook.rest[METHOD], said.rest[METHOD], rtol=1e-9)
    expected = [came(series, month) for month in said.months]
    np.testing.assert_allclose(tested[at].actual[0], expected)
    errors = np.log(np.array(expected) / said.rest[METHOD][0])
    np.testing.assert_allclose(tested[at].errors[METHOD][0], errors)
    # of the last cutoff the running month alone is over
    assert np.isnan(tested[-1].actual[0]).tolist() == [False, True, True, True]


def test_a_scale_knows_only_errors_of_months_that_were_over() -> None:
    series = usual(300, 0.02, 3)
    series[(date(2026, 1, 1) - FIRST).days :] *= 5
    tested, scales = backtest(costs(series), AS_OF, np.array([8.0]))
    last = tested[-1]
    assert last.outlook.as_of == date(2025, 12, 31)
    assert last.scales[METHOD][0, 0] < 0.06
    assert scales[METHOD][0, 0] > 2 * last.scales[METHOD][0, 0]


def test_a_month_with_a_lost_day_is_no_error() -> None:
    series = usual(300)
    series[(date(2025, 11, 12) - FIRST).days] = np.nan
    tested, _ = backtest(costs(series), AS_OF, np.array([8.0]))
    by_day = {each.outlook.as_of: each for each in tested}
    assert np.isnan(by_day[date(2025, 10, 31)].errors[METHOD][0]).tolist()[:2] == [True, False]


def test_months_below_the_floor_are_left_out() -> None:
    tested, _ = backtest(costs(usual(0.1)), AS_OF, np.array([8.0]))
    assert all(np.isnan(each.errors[METHOD]).all() for each in tested)


def test_a_forecast_reads_no_later_day_and_none_beyond_the_lookback() -> None:
    """What incremental forecasting rests on."""
    series = usual(300, 0.2, 5, weekend=0.6)
    beside = np.where([day.day == 3 for day in DAYS], 70.0, 0.0)
    whole, scales = backtest(costs(series, recurring=beside), AS_OF, np.array([8.0]))
    begin = AS_OF - timedelta(days=LOOKBACK)
    cut, cut_scales = backtest(costs(series, recurring=beside, first=begin), AS_OF, np.array([8.0]))
    assert len(cut) == len(whole)
    for one, other in zip(cut, whole, strict=True):
        np.testing.assert_allclose(one.outlook.rest[METHOD], other.outlook.rest[METHOD], rtol=1e-9)
        np.testing.assert_allclose(one.errors[METHOD], other.errors[METHOD], rtol=1e-9)
    np.testing.assert_allclose(cut_scales[METHOD], scales[METHOD], rtol=1e-9)


def test_bounds_hold_so_often() -> None:
    rng = np.random.default_rng(3)
    held = [
        np.abs(rng.standard_t(4, 200)) <= (reach(rng.standard_t(4, 300), 8) or 0.0)
        for _ in range(50)
    ]
    assert 0.79 < np.mean(held) < 0.85


def test_few_months_give_no_bounds_and_few_errors_wide_ones() -> None:
    errors = np.random.default_rng(4).standard_normal(2000)
    assert reach(errors, 2) is None
    assert reach(np.array([]), 0) is None
    many, few = reach(errors, 3), reach(errors[:20], 3)
    assert many is not None and few is not None
    assert many == pytest.approx(1.28, abs=0.12)
    assert few > many

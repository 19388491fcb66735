"""Claim: forecasts of months are closer than what everyone has, and their intervals hold.

Folders of costbench.py go the way of every bill: raw rows through the loader, dbt, the forecaster,
marts. First comes all up to a month's end, so that the backtests of fct_forecast_errors are of
whole months ahead; then half a month more, so that they are of months half over. What is judged is
what the mart says: each forecast from the days before it, each interval from the errors known then.
Run rate and last week stand beside it on the same series and days, with intervals made alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from astraeus_pipeline.forecasts import LAST_WEEK, METHOD, RUN_RATE
from astraeus_pipeline.warehouse import forecast_runs
from benchmarks import costbench
from benchmarks.costbench_bills import PUBLIC_SEEDS, Bill, Folder, Way
from benchmarks.data import cache_folder
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

_MODELS: Final = ("--select", "+fct_forecasts", "fct_forecast_errors")
_NAMES: Final = {METHOD: "ours", RUN_RATE: "mean of 30 days", LAST_WEEK: "last week repeated"}
# Only where all methods say something; all = all months ahead together.
_FIGURES: Final = """
with

judged as (
    select *, count(*) over (partition by series_key, as_of, month) as methods
    from marts.fct_forecast_errors
),

changes as (
    select series_key, avg(abs(change)) as usual_change
    from (
        select series_key,
            actual_cost - lag(actual_cost) over (partition by series_key order by month) as change
        from (select distinct series_key, month, actual_cost from judged) as months
    ) as monthly
    group by 1
)

select
    scope, method, coalesce(horizon::text, 'all'),
    count(*), count(distinct as_of),
    sum(abs(error_cost)) / sum(actual_cost),
    percentile_cont(0.5) within group (order by abs(error_share)::float8),
    avg(abs(error_cost) / nullif(usual_change, 0)),
    sum(error_cost) / sum(actual_cost),
    avg(is_covered::integer),
    sum(upper_cost - lower_cost) / sum(forecast_cost) filter (where upper_cost is not null),
    count(upper_cost)
from judged
left join changes using (series_key)
where methods = 3
group by grouping sets ((scope, method, horizon), (scope, method))
order by 1, 3, 2
"""


class Figures(NamedTuple):
    """How a method did; shares, but for counts."""

    scope: str
    method: str
    horizon: str
    forecasts: int
    cutoffs: int
    wape: float
    median: float
    mase: float
    bias: float
    coverage: float
    width: float
    bounded: int


@dataclass(frozen=True)
class Stage:
    """The figures of one last day, and what they took: seconds of dbt and of the forecaster."""

    name: str
    as_of: date
    figures: Sequence[Figures]
    dbt: float
    seconds: float
    summary: forecast_runs.Summary

    def of(self, scope: str, horizon: str) -> dict[str, Figures]:
        """Return the figures by method."""
        return {
            each.method: each
            for each in self.figures
            if each.scope == scope and each.horizon == horizon
        }

    @property
    def horizons(self) -> list[str]:
        """Return the months ahead that something is known of."""
        return sorted({each.horizon for each in self.figures} - {"all"})


def run(place: Scratch, folders: Sequence[Folder]) -> list[Stage]:
    """Bring the folders through the warehouse, to a month's end and to the middle of the next."""
    bills = {slug: bill for folder in folders for slug, bill in folder.bills().items()}
    last = max(day for bill in bills.values() for day in bill)
    month_end = last.replace(day=1) - timedelta(days=1)
    middle = min(last, month_end + timedelta(days=15))
    way = Way(place, last)
    return [
        _stage(way, bills, "whole months", date.min, month_end),
        _stage(way, bills, "from the 15th", month_end + timedelta(days=1), middle),
    ]


def _stage(way: Way, bills: dict[str, Bill], name: str, first: date, last: date) -> Stage:
    for slug, bill in bills.items():
        if days := {day: charges for day, charges in bill.items() if first <= day <= last}:
            way.deliver(slug, days)
    built = way.build(name, *_MODELS)
    started = time.perf_counter()
    with way.place.database.connect("dbt", autocommit=True) as conn:
        summary = forecast_runs.forecast_changes(conn)
    seconds = time.perf_counter() - started
    with way.place.database.connect("operator") as conn:
        rows = conn.execute(_FIGURES).fetchall()
    figures = [
        Figures(*row[:5], *(float(each or 0) for each in row[5:11]), row[11]) for row in rows
    ]
    return Stage(name, last, figures, built.cost.wall, seconds, summary)


def main() -> None:
    """Bring the data through, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", type=Path, help="folders of costbench.py generate")
    parser.add_argument("--seeds", type=int, nargs="+", default=PUBLIC_SEEDS)
    chosen = parser.parse_args()
    paths = chosen.data or [
        costbench.Costbench.find().generate(seed, cache_folder()) for seed in chosen.seeds
    ]
    folders = [Folder(number, path.resolve()) for number, path in enumerate(paths)]
    with scratch() as place:
        stages = run(place, folders)
        on = machine(place.admin)
    report = _report(stages, on, " ".join(path.name for path in paths))
    is_public = not chosen.data and tuple(chosen.seeds) == PUBLIC_SEEDS
    raise SystemExit(0 if (report.publish() if is_public else report.show()) else 1)


def _report(stages: Sequence[Stage], on: dict[str, str], names: str) -> Report:
    whole, middle = stages
    return Report(
        name="forecasts",
        title=f"Forecasts of months, backtested on {names}, pooled",
        machine=on,
        options={"data": names},
        header=(
            *("forecast", "scope", "months ahead", "method", "n", "WAPE", "median error", "MASE"),
            *("bias", "within 80 %", "width"),
        ),
        rows=[
            _row(stage, figures)
            for stage in stages
            for scope in ("account", "service")
            for horizon in stage.horizons
            for figures in stage.of(scope, horizon).values()
        ],
        goals=[goal for stage in stages for goal in _goals(stage)],
        notes=(
            "Months ahead: 0 is the month that has just begun, or is half over. WAPE and width are"
            " shares of all cost; MASE is in usual changes from month to month.",
            f"{whole.of('service', '0')[METHOD].cutoffs} days of forecast at most; an interval"
            " needs errors of three months, known on that day.",
            "Usage as generated; generator and forecaster know the same billing rules. Taxes and"
            " fees beside usage are judged by tests, not here.",
            f"{whole.summary.series} series in {whole.summary.accounts} accounts with"
            f" {whole.summary.errors:,} backtested months: dbt {whole.dbt:.1f} s, forecaster"
            f" {whole.seconds:.1f} s; 15 days more: dbt {middle.dbt:.1f} s, forecaster"
            f" {middle.seconds:.1f} s.",
        ),
    )


def _goals(stage: Stage) -> list[Goal]:
    goals = []
    for scope in ("account", "service"):
        covered = stage.of(scope, "all")[METHOD].coverage
        what = f"{stage.name}, {scope}s"
        goals += [
            Goal(f"{what}: share within the 80 % interval", covered, 0.77, at_least=True),
            Goal(f"{what}: the same, at most", covered, 0.85),
            Goal(
                f"{what}: WAPE over the better baseline's, worst horizon",
                _worst(stage, scope, "wape"),
                1,
            ),
            Goal(
                f"{what}: width over the narrower baseline's, worst horizon",
                _worst(stage, scope, "width"),
                1,
            ),
        ]
    return goals


def _worst(stage: Stage, scope: str, figure: str) -> float:
    """Return the largest ratio of ours to the best of the others among the months ahead."""
    ratios = []
    for horizon in stage.horizons:
        by_method = {name: getattr(each, figure) for name, each in stage.of(scope, horizon).items()}
        ratios.append(by_method.pop(METHOD) / min(by_method.values()))
    return float(max(ratios))


def _row(stage: Stage, figures: Figures) -> tuple[str, ...]:
    return (
        *(stage.name, figures.scope, figures.horizon, _NAMES[figures.method]),
        *(f"{figures.forecasts:,}", f"{figures.wape:.3f}", f"{figures.median:.3f}"),
        *(f"{figures.mase:.2f}", f"{figures.bias:+.3f}"),
        *(f"{figures.coverage:.3f}", f"{figures.width:.2f}"),
    )


if __name__ == "__main__":
    main()

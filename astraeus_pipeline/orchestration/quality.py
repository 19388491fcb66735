"""How good the figures are, plotted over time in Dagster, with checks of what should worry someone.

Numbers are floats only for the plots; each amount stands beside them to the last decimal.
"""

# No postponed annotations: Dagster reads them from the functions that it decorates.

import json
from datetime import timedelta
from typing import Any, Final

import dagster as dg
import psycopg

from astraeus_pipeline.contracts import money
from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.orchestration import forecasting, pools, scoring
from astraeus_pipeline.orchestration.ingest import OWNERS
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse import quality

KEY: Final = dg.AssetKey(["intermediate", "quality"])
FRESHNESS: Final = dg.AssetKey(["marts", "fct_freshness"])
_READS: Final = (
    FRESHNESS,
    dg.AssetKey(["marts", "fct_reconciliations"]),
    scoring.KEY,
    forecasting.KEY,
)
# Measured on labelled data, by `make bench-anomalies`; an installation without them plots none.
_BENCHMARK: Final = PROJECT_ROOT / "benchmarks" / "results" / "anomalies.json"
# Fewer say nothing: of 30 months at 80 % one in five samples lies outside 70 to 90 % by chance.
_ENOUGH_MONTHS: Final = 30
_ENOUGH_JUDGED: Final = 10


def quality_asset() -> dg.AssetsDefinition:
    """Return the asset whose metadata are plotted after each build: rows, totals, residuals, F1."""

    @dg.asset(
        key=KEY,
        deps=_READS,
        group_name="intermediate",
        owners=OWNERS,
        kinds={"python"},
        pool=pools.MARTS,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50)),
        description="What stands and how good it is, to be plotted: charges and billed cost by"
        " currency, the worst residual, rows of marts, late days, anomalies that people found"
        " right, F1 on labelled data, forecasts within their interval",
    )
    def quality_figures(ingestion: IngestionResource) -> dg.MaterializeResult[None]:
        with ingestion.connection("dbt") as conn:
            return dg.MaterializeResult(metadata=figures(conn))

    return quality_figures


def quality_checks() -> list[dg.AssetChecksDefinition]:
    """Return the checks of feeds, forecasts and anomalies; they warn, and block nothing."""

    @dg.asset_check(
        asset=FRESHNESS,
        name="no_day_missing",
        description="In the last five weeks no day of costs is missing before a later one, and the"
        " newest delivery of none is held back",
    )
    def no_day_missing(ingestion: IngestionResource) -> dg.AssetCheckResult:
        with ingestion.connection("dbt") as conn:
            return judge_feeds(quality.late_days(conn))

    @dg.asset_check(
        asset=forecasting.KEY,
        name="intervals_hold",
        description="Of backtested months of accounts 70 to 90 % lie within the 80 % interval",
    )
    def intervals_hold(ingestion: IngestionResource) -> dg.AssetCheckResult:
        with ingestion.connection("dbt") as conn:
            return judge_intervals(quality.covered_forecasts(conn, METHOD))

    @dg.asset_check(
        asset=scoring.KEY,
        name="most_anomalies_are_right",
        description="Of the anomalies that people spoke of at least half were not dismissed",
    )
    def most_anomalies_are_right(ingestion: IngestionResource) -> dg.AssetCheckResult:
        with ingestion.connection("dbt") as conn:
            return judge_anomalies(quality.judged_anomalies(conn))

    return [no_day_missing, intervals_hold, most_anomalies_are_right]


def judge_feeds(late: quality.Late) -> dg.AssetCheckResult:
    """Warn of any day missing or held back."""
    return _warning(
        not late.gaps and not late.held_back,
        f"{late.gaps} days missing, {late.held_back} held back",
        {"days missing": late.gaps, "days held back": late.held_back},
    )


def judge_intervals(covered: quality.Covered) -> dg.AssetCheckResult:
    """Warn of intervals that hold too seldom or, being too wide, too often."""
    if covered.share is None or covered.months < _ENOUGH_MONTHS:
        return _warning(True, f"{covered.months} months are too few to tell", {})
    return _warning(
        0.7 <= covered.share <= 0.9,
        f"{covered.share:.0%} of {covered.months} months lie within the interval",
        {"months": covered.months, "share within the interval": covered.share},
    )


def judge_anomalies(judged: quality.Judged) -> dg.AssetCheckResult:
    """Warn if people dismiss most of what they look at."""
    said = judged.right + judged.wrong
    if judged.precision is None or said < _ENOUGH_JUDGED:
        return _warning(True, f"{said} judged by people are too few to tell", {})
    return _warning(
        judged.precision >= 0.5,
        f"{judged.wrong} of {said} were dismissed",
        {"judged": said, "precision by what people said": judged.precision},
    )


def figures(conn: psycopg.Connection) -> dict[str, Any]:
    """Return what is plotted; what is not known is left out, as a zero would be a figure."""
    late, judged = quality.late_days(conn), quality.judged_anomalies(conn)
    found: dict[str, Any] = {
        "charges": quality.charges(conn),
        "days missing": late.gaps,
        "days held back": late.held_back,
        "hours since a delivery": late.hours,
        "precision of anomalies by what people said": judged.precision,
        "forecasts within the interval": quality.covered_forecasts(conn, METHOD).share,
    }
    for what, amounts in (
        ("billed cost", quality.billed_costs(conn)),
        ("worst residual", quality.worst_residuals(conn)),
    ):
        for currency, amount in amounts.items():
            # Dagster plots floats alone; the exact amount stands beside as text.
            found[f"{what}, {currency}"] = float(amount)
            found[f"{what}, {currency}, exactly"] = money.plain(amount)
    for mart, rows in quality.rows_of_marts(conn).items():
        found[f"rows of {mart}, about"] = rows
    found |= _benchmark()
    return {name: value for name, value in found.items() if value is not None}


def _benchmark() -> dict[str, float]:
    """Return the published quality of the detector, by the names of its goals."""
    if not _BENCHMARK.exists():
        return {}
    goals = json.loads(_BENCHMARK.read_text())["goals"]
    wanted = ("F1", "precision", "recall")
    return {
        f"{goal['claim']} of anomalies on labelled data": goal["value"]
        for goal in goals
        if goal["claim"] in wanted
    }


def _warning(passed: bool, said: str, metadata: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=said,
    )

"""Forecasts as an asset: after each build, of the accounts that it changed."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from datetime import timedelta
from typing import Final

import dagster as dg

from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.orchestration import pools
from astraeus_pipeline.orchestration.ingest import OWNERS
from astraeus_pipeline.orchestration.locks import alone
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.warehouse import forecast_runs

KEY: Final = dg.AssetKey(["intermediate", "forecasts"])
_READS: Final = (
    dg.AssetKey(["intermediate", "int_usage_series"]),
    dg.AssetKey(["intermediate", "int_recurring_series"]),
    dg.AssetKey(["intermediate", "int_team_series"]),
    dg.AssetKey(["marts", "fct_freshness"]),
)
# Of whole accounts by months ahead; shares, since their currencies differ.
_QUALITY: Final = """
    select horizon,
        percentile_cont(0.5) within group (order by abs(error_share)::float8),
        avg(is_covered::integer)
    from marts.fct_forecast_errors
    where scope = 'account' and method = %s
    group by 1 order by 1
"""


def forecasting_asset() -> dg.AssetsDefinition:
    """Return the asset that forecasts what changed; the marts on forecasts are views of it."""

    @dg.asset(
        key=KEY,
        deps=_READS,
        group_name="intermediate",
        owners=OWNERS,
        kinds={"python", "numpy"},
        pool=pools.MARTS,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50)),
        description="Cost of the running month and the next three per service and account, and"
        " backtests of the last twelve months, behind marts.fct_forecasts and"
        " marts.fct_forecast_errors; accounts without new data keep theirs",
    )
    def forecasts_asset(ingestion: IngestionResource) -> dg.MaterializeResult[None]:
        with alone(ingestion), ingestion.connection("dbt") as conn:
            summary = forecast_runs.forecast_changes(conn)
            quality = conn.execute(_QUALITY, [METHOD]).fetchall()
        metadata: dict[str, str | int | float] = {
            "method": METHOD,
            "accounts forecast": summary.accounts,
            "series forecast": summary.series,
            "teams forecast": summary.teams,
            "forecasts written": summary.forecasts,
            "backtested months": summary.errors,
        }
        for horizon, error, covered in quality:
            if error is not None:
                metadata[f"median error of accounts, {horizon} months ahead"] = float(error)
            if covered is not None:
                metadata[f"share within the interval, {horizon} months ahead"] = float(covered)
        return dg.MaterializeResult(metadata=metadata)

    return forecasts_asset

"""Anomaly scores as an asset: after each build, over the series that it changed."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from datetime import timedelta
from typing import Final

import dagster as dg

from astraeus_pipeline.anomalies import METHOD
from astraeus_pipeline.orchestration import pools
from astraeus_pipeline.orchestration.ingest import OWNERS
from astraeus_pipeline.orchestration.locks import alone
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.warehouse import anomaly_scores

KEY: Final = dg.AssetKey(["intermediate", "anomaly_scores"])
_READS: Final = (
    dg.AssetKey(["intermediate", "int_usage_series"]),
    dg.AssetKey(["marts", "fct_charges"]),
    dg.AssetKey(["marts", "fct_freshness"]),
)


def scoring_asset() -> dg.AssetsDefinition:
    """Return the asset that scores what changed; the marts on anomalies are views of its tables."""

    @dg.asset(
        key=KEY,
        deps=_READS,
        group_name="intermediate",
        owners=OWNERS,
        kinds={"python", "numpy"},
        pool=pools.MARTS,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50)),
        description="Expected cost, bounds and flags of every series of usage and the incidents"
        " that they make up, behind marts.fct_anomaly_scores and marts.fct_cost_anomalies;"
        " scores again what was delivered, restated or settled since",
    )
    def anomaly_scores_asset(ingestion: IngestionResource) -> dg.MaterializeResult[None]:
        with alone(ingestion), ingestion.connection("dbt") as conn:
            summary = anomaly_scores.score_changes(conn)
            standing = conn.execute(
                "select count(*), count(*) filter (where kind = 'data'),"
                " count(*) filter (where kind = 'cost' and state = 'open')"
                " from marts.fct_cost_anomalies"
            ).fetchone()
        anomalies, data_alerts, still_open = standing or (0, 0, 0)
        return dg.MaterializeResult(
            metadata={
                "method": METHOD,
                "accounts scored": summary.accounts,
                "series scored": summary.series,
                "series days scored": summary.series_days,
                "flagged days": summary.flagged_days,
                "incidents written": summary.incidents,
                "cost anomalies": anomalies - data_alerts,
                "open cost anomalies": still_open,
                "data alerts": data_alerts,
            }
        )

    return anomaly_scores_asset

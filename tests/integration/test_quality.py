"""What Dagster plots of a built warehouse, through a materialisation of the asset itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import dagster as dg
import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import quality as plotted
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.warehouse import quality
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import Warehouse, warehouse
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration

TODAY: Final = datetime.now(UTC).date()
OLD: Final = DayRange(TODAY - timedelta(days=12), TODAY - timedelta(days=9))
NEW: Final = DayRange(TODAY - timedelta(days=6), TODAY - timedelta(days=4))
MARTS: Final = ("+fct_reconciliations", "+fct_freshness", "+fct_cost_anomalies")


def deliver(database: Database, days: DayRange) -> None:
    rows = [charge(day, "0.000000000001") for day in days]
    rows += [charge(day, "3", billing_currency="EUR") for day in days]
    read, options = batch(rows), LoadOptions(today=TODAY, settle_days=3)
    with database.connect("loader", autocommit=True) as conn:
        description, stored = fetched(days, "acme"), payload(f"acme {days}")
        load(conn, FOCUS_COSTS, description, stored, lambda: [read], options)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with (
        installed(module_database, tmp_path_factory.mktemp("home")),
        warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made,
    ):
        for days in (OLD, NEW):
            deliver(module_database, days)
        made.dbt("seed", today=TODAY)
        made.build("--select", *MARTS, "+fct_forecast_errors", today=TODAY)
        yield made


def test_rows_totals_residuals_and_f1_are_plotted(marts: Warehouse) -> None:
    done = dg.materialize([plotted.quality_asset()], resources={"ingestion": IngestionResource()})
    [event] = done.asset_materializations_for_node(plotted.KEY.to_python_identifier())
    told = {name: each.value for name, each in event.metadata.items()}
    assert told["charges"] == 2 * (len(OLD) + len(NEW))
    billed = dict(
        marts.ask("select billing_currency, sum(billed_cost) from marts.fct_charges group by 1")
    )
    assert set(billed) == {"EUR", "USD"}
    for currency, amount in billed.items():
        assert Decimal(str(told[f"billed cost, {currency}, exactly"])) == amount
        assert told[f"billed cost, {currency}"] == float(amount)
        assert told[f"worst residual, {currency}"] == 0.0
    assert told["days missing"] == 2 and told["days held back"] == 0
    assert isinstance(told["F1 of anomalies on labelled data"], float)
    # nobody spoke of an anomaly, no month was backtested: no figure
    assert "precision of anomalies by what people said" not in told
    assert "forecasts within the interval" not in told


def test_a_day_missing_before_a_later_one_warns(marts: Warehouse) -> None:
    with marts.database.connect("dbt") as conn:
        result = plotted.judge_feeds(quality.late_days(conn))
    assert not result.passed and result.severity == dg.AssetCheckSeverity.WARN

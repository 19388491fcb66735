"""What AWS says beside its bill, in the marts: use, commitments with their balance, forecasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.contracts import RawTable
from astraeus_pipeline.contracts.aws_insights import (
    AWS_ANOMALIES,
    AWS_COMMITMENTS,
    AWS_FORECASTS,
    AWS_UTILISATION,
)
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration
OPTIONS = LoadOptions(today=TODAY, settle_days=2)
FIRST = date(2026, 11, 2)
DAY = timedelta(days=1)
MARTS = (
    "+fct_resource_utilisation",
    "+fct_provider_commitments",
    "+fct_provider_forecasts",
    "+fct_provider_anomalies",
)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        yield made


def deliver(marts: Warehouse, table: RawTable, rows: list[dict[str, Any]], name: str) -> None:
    """Load rows as one delivery of their days."""
    items = [{"billing_period": row["usage_date"].replace(day=1), **row} for row in rows]
    days = DayRange(min(r["usage_date"] for r in rows), max(r["usage_date"] for r in rows))
    description = replace(fetched(days, "cloud", complete_through=days.last), dataset=table.dataset)
    with marts.database.connect("loader", autocommit=True) as conn:
        load(conn, table, description, payload(name), lambda: [batch(items, table=table)], OPTIONS)


def commitment(day: date, arn: str, **more: Any) -> dict[str, Any]:
    """A reservation of 100 upfront and 1 a day over ten days: 11 a day, of which 2 go unused."""
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    return {
        "usage_date": day,
        "record": "commitment",
        "commitment_id": arn,
        "commitment_type": "reserved-instance",
        "service": "EC2",
        "currency": "USD",
        "term_start": start,
        "term_end": start + 10 * DAY,
        "upfront_cost": Decimal(100),
        "amortized_upfront_cost": Decimal(10),
        "amortized_recurring_cost": Decimal(1),
        "amortized_cost": Decimal(11),
        "unused_cost": Decimal(2),
        **more,
    }


def test_a_commitment_is_used_up_over_its_term(marts: Warehouse) -> None:
    term = [FIRST + n * DAY for n in range(10)]
    total = {"record": "total", "commitment_id": None, "upfront_cost": None}
    rows = [commitment(day, "arn:whole") for day in term]
    rows += [commitment(day, "arn:late") for day in term[4:]]
    rows += [commitment(day, "arn:holed") for day in term if day != term[3]]
    rows += [commitment(day, "arn:foreign", upfront_cost=None) for day in term]
    for day in term:
        parts = [row for row in rows if row["usage_date"] == day]
        stated = Decimal(11) * len(parts) + (Decimal("0.5") if day == term[7] else 0)
        unused = Decimal(2) * len(parts)
        rows.append(
            commitment(day, "", **{**total, "amortized_cost": stated, "unused_cost": unused})
        )
    deliver(marts, AWS_COMMITMENTS, rows, "commitments")
    marts.build("--select", *MARTS)
    found = marts.ask(
        "select commitment_id, usage_date, purchase_cost, used_cost, unused_cost, balance_cost,"
        " balance_source from marts.fct_provider_commitments order by 1, 2"
    )
    by_id: dict[str, list[Any]] = {}
    for arn, *rest in found:
        by_id.setdefault(arn, []).append(rest)
    whole = by_id["arn:whole"]
    assert [row[1:4] for row in whole[:2]] == [[101, 9, 2], [1, 9, 2]]
    assert [row[4] for row in whole] == [90 - 10 * n for n in range(10)]  # 0 at the end
    assert sum(row[1] for row in whole) == sum(row[2] + row[3] for row in whole) == 110
    late = by_id["arn:late"]
    assert [row[4] for row in late] == [row[4] for row in whole[4:]]
    assert {row[5] for row in late} == {"summed from a modelled opening"}
    assert {row[5] for row in whole} == {"summed from the start of the term"}
    # A day that is missing, or a price that is not known, leaves the balance open.
    assert [row[4] is None for row in by_id["arn:holed"]] == [False] * 3 + [True] * 6
    assert by_id["arn:foreign"][0][1] is None
    assert {row[4] for row in by_id["arn:foreign"]} == {None}
    tested = marts.dbt("test", "--select", "commitments_equal_their_totals")
    assert tested["commitments_equal_their_totals"] == "warn"  # one day's total is off by 0.5


def test_utilisation_follows_its_days(marts: Warehouse) -> None:
    def measured(day: date, average: str) -> dict[str, Any]:
        return {
            "usage_date": day,
            "resource_id": "i-1",
            "resource_type": "ec2:instance",
            "metric": "CPUUtilization",
            "unit": "Percent",
            "average": Decimal(average),
            "samples": Decimal(24),
        }

    def standing() -> list[Any]:
        return marts.ask(
            "select usage_date, average from marts.fct_resource_utilisation order by 1"
        )

    deliver(marts, AWS_UTILISATION, [measured(FIRST, "1.5"), measured(FIRST + DAY, "2")], "u1")
    marts.build("--select", "+fct_resource_utilisation")
    deliver(marts, AWS_UTILISATION, [measured(FIRST + DAY, "2.25")], "u2")
    marts.build("--select", "+fct_resource_utilisation")
    found = standing()
    assert found == [(FIRST, Decimal("1.5")), (FIRST + DAY, Decimal("2.25"))]
    marts.build("--select", "fct_resource_utilisation", "--full-refresh")
    assert standing() == found


def test_forecasts_and_anomalies_keep_what_was_known_when(marts: Warehouse) -> None:
    for number, made_on in enumerate((FIRST, FIRST + DAY)):
        forecast = {
            "usage_date": made_on,
            "target_date": FIRST + 9 * DAY,
            "metric": "NET_UNBLENDED_COST",
            "currency": "USD",
            "mean_cost": Decimal(100 + number),
        }
        anomaly = {
            "usage_date": made_on,
            "anomaly_id": "a-1",
            "first_day": FIRST - DAY,
            "last_day": made_on - DAY,
            "currency": "USD",
            "total_impact_cost": Decimal(7 + number),
        }
        deliver(marts, AWS_FORECASTS, [forecast], f"f{number}")
        deliver(marts, AWS_ANOMALIES, [anomaly], f"a{number}")
        marts.build("--select", *MARTS)
    assert marts.ask(
        "select usage_date, cost_type, mean_cost from marts.fct_provider_forecasts order by 1"
    ) == [(FIRST, "billed_cost", 100), (FIRST + DAY, "billed_cost", 101)]
    assert marts.ask(
        "select anomaly_id, last_day, first_told, last_told, total_impact_cost"
        " from marts.fct_provider_anomalies"
    ) == [("a-1", FIRST, FIRST, FIRST + DAY, 8)]

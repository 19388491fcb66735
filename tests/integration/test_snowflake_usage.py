"""What a Snowflake account tells of itself: credits, inventory, use, queries, terms, grants."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError, NotObtainable, PermanentError
from astraeus_pipeline.providers.snowflake import SNOWFLAKE
from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.sandbox.snowflake import SnowflakeServer
from astraeus_pipeline.sandbox.snowflake_estate import GLOBEX, PROD, SnowEstate
from astraeus_pipeline.sandbox.snowflake_faults import QUERY, Faults
from astraeus_pipeline.sandbox.snowflake_rows import account_rows, organization_rows
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.snowflake import ORGANIZATION, PRIVATE_KEY, RESELLER, account, emulated

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY - timedelta(days=4), TODAY - timedelta(days=1))
SNOW = SnowEstate(Estate(TODAY), TODAY)
PRICES = {"credit_price": "3.30", "storage_price": "25.00", "currency": "EUR"}


@pytest.fixture(scope="module")
def server() -> Iterator[SnowflakeServer]:
    with emulated() as running:
        running.fill(ORGANIZATION, {**organization_rows(SNOW), **account_rows(SNOW, PROD)})
        running.fill(RESELLER, account_rows(SNOW, GLOBEX))
        running.faults = Faults()
        yield running


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


def fetched(
    server: SnowflakeServer,
    landing: LandingStore,
    dataset: Any,
    name: str = ORGANIZATION,
    days: DayRange = DAYS,
    **config: Any,
) -> tuple[Any, list[dict[str, Any]]]:
    [delivery] = SNOWFLAKE.fetch(account(server, name, **config), dataset, days, landing)
    batches = list(SNOWFLAKE.rows(delivery, landing))
    assert not [reject for batch in batches for reject in batch.rejects]
    return delivery, [row for batch in batches for row in batch.rows.to_pylist()]


def tie(delivery: Any, rows: list[dict[str, Any]]) -> None:
    assert len(delivery.controls) == len(DAYS)
    assert len(rows) == delivery.expected_rows
    for control in delivery.controls:
        mine = [row for row in rows if row["usage_date"] in control.days]
        assert {row["currency"] for row in mine} == {control.currency}
        residual = sum(row["usage_in_currency"] for row in mine) - control.amount
        assert abs(residual) <= control.tolerance


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (PRICES, "ORGANIZATION_USAGE is not visible"),
        ({**PRICES, "costs_from": "account_usage"}, "as configured"),
    ],
    ids=["auto", "configured"],
)
def test_a_resellers_customer_pays_credits_and_bytes_at_its_price(
    server: SnowflakeServer, landing: LandingStore, config: dict[str, str], reason: str
) -> None:
    delivery, rows = fetched(server, landing, "costs", RESELLER, **config)
    tie(delivery, rows)
    assert (delivery.shape, delivery.dataset) == ("metering", "costs")
    assert "METERING_DAILY_HISTORY" in delivery.source_name and reason in delivery.source_name
    assert {row["service_type"] for row in rows} == {"WAREHOUSE_METERING", "SNOWPIPE", "STORAGE"}
    for row in rows:
        if row["service_type"] == "WAREHOUSE_METERING":
            # Above the free tenth: part of the cloud services is billed, not all.
            assert row["credits_used_compute"] < row["credits_billed"] < row["credits_used"]
            free = -row["credits_adjustment_cloud_services"]
            assert free == (row["credits_used_compute"] / 10).quantize(Decimal("1e-9"))
            assert row["usage_in_currency"] == row["credits_billed"] * Decimal("3.30")


def test_without_a_price_of_storage_the_source_says_that_it_is_left_out(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    delivery, rows = fetched(server, landing, "costs", RESELLER, credit_price="3.30")
    tie(delivery, rows)
    assert "STORAGE" not in {row["service_type"] for row in rows}
    assert "without storage (no storage_price)" in delivery.source_name


def test_where_the_bill_is_visible_it_comes_before_credits(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    delivery, _ = fetched(server, landing, "costs", **PRICES)
    assert delivery.shape is None and "USAGE_IN_CURRENCY_DAILY" in delivery.source_name


def test_the_rate_sheet_prices_credits_where_no_price_is_configured(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    delivery, rows = fetched(server, landing, "costs", costs_from="account_usage")
    tie(delivery, rows)
    assert {row["price_source"] for row in rows} == {"RATE_SHEET_DAILY"}
    assert {(row["rating_type"], row["price"]) for row in rows} == {
        ("compute", Decimal("3.00")),
        ("storage", Decimal("23.00")),
    }
    with pytest.raises(ConfigError, match="credit_price"):
        fetched(server, landing, "costs", RESELLER, costs_from="account_usage")


@pytest.mark.parametrize("costs_from", ["auto", "organization_usage"])
def test_credits_never_stand_in_for_a_bill_unasked(
    server: SnowflakeServer, landing: LandingStore, costs_from: str
) -> None:
    priced = PRICES if costs_from == "organization_usage" else {}
    with pytest.raises(PermanentError, match=r"grant database role .*organization_billing_viewer"):
        fetched(server, landing, "costs", RESELLER, costs_from=costs_from, **priced)


def test_warehouse_hours_and_load_and_bytes_become_days(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    delivery, rows = fetched(server, landing, "utilisation")
    assert delivery.dataset == "utilisation" and delivery.controls == ()
    assert len(rows) == len(DAYS) * (3 * 6 + 3 * 2)
    [load] = [
        row
        for row in rows
        if (row["resource_id"], row["metric"], row["usage_date"])
        == ("AA11111/warehouse/LOAD_WH", "credits_used_compute", DAYS.first)
    ]
    assert (load["resource_type"], load["unit"], load["samples"]) == (
        "snowflake:warehouse",
        "credits",
        24,
    )
    assert load["minimum"] < load["average"] < load["maximum"] < load["sum"]
    assert abs(load["sum"] / 24 - load["average"]) < Decimal("1e-6")
    [stored] = [
        row
        for row in rows
        if (row["resource_id"], row["metric"], row["usage_date"])
        == ("AA11111/database/RAW", "average_database_bytes", DAYS.last)
    ]
    assert stored["average"] > 58 * 1024**4 and stored["sum"] is None


def test_the_inventory_is_of_today(server: SnowflakeServer, landing: LandingStore) -> None:
    _, rows = fetched(server, landing, "resources", days=DayRange(TODAY, TODAY))
    found = {(row["resource_type"], row["resource_id"]) for row in rows}
    assert ("snowflake:warehouse", "AA11111/warehouse/BI_WH") in found
    assert ("snowflake:database", "AA11111/database/ANALYTICS") in found
    assert ("snowflake:pipe", "AA11111/pipe/RAW.EVENTS.CLICKS") in found
    assert ("snowflake:account", "BB22222/account/LAB") in found
    pipe = next(row for row in rows if row["resource_type"] == "snowflake:pipe")
    assert pipe["attached_to"] == "AA11111/database/RAW"
    database = next(row for row in rows if row["resource_name"] == "ANALYTICS")
    assert database["size_gb"] > 31 * 1024
    warehouse = next(row for row in rows if row["resource_name"] == "TRANSFORM_WH")
    assert (warehouse["instance_type"], warehouse["state"]) == ("Large", "SUSPENDED")
    assert '"auto_suspend": 60' in warehouse["payload"]
    with pytest.raises(NotObtainable, match="only tells what stands now"):
        fetched(server, landing, "resources")
    elsewhere, rows = fetched(server, landing, "resources", RESELLER, DayRange(TODAY, TODAY))
    assert "ORGANIZATION_USAGE.ACCOUNTS is not visible" in elsewhere.source_name
    assert "snowflake:account" not in {row["resource_type"] for row in rows}


def test_queries_come_grouped_with_user_role_and_tag(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    _, rows = fetched(server, landing, "queries")
    attributed = [row for row in rows if not row["is_idle"]]
    assert {(row["user_name"], row["role_name"], row["query_tag"]) for row in attributed} == {
        ("DBT_PROD", "TRANSFORMER", "dbt"),
        ("LOOKER", "REPORTER", "dashboards"),
        ("A_MEYER", "ANALYST", None),
        ("FIVETRAN", "LOADER", "ingest"),
    }
    assert all(row["queries"] > 0 and row["credits_attributed"] > 0 for row in attributed)
    assert len([row for row in rows if row["is_idle"]]) == 3 * len(DAYS)


def test_rates_and_balances_are_those_of_the_contract(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    _, prices = fetched(server, landing, "prices")
    rates = {(row["usage_type"], row["effective_rate"]) for row in prices}
    assert {("compute", Decimal(3)), ("overage-compute", Decimal("3.90"))} <= rates
    _, balances = fetched(server, landing, "balances")
    assert [row["usage_date"] for row in balances] == list(DAYS)
    assert all(row["on_demand_consumption_balance"] < 0 for row in balances)


def test_a_resellers_customer_is_not_asked_for_what_it_cannot_see(server: SnowflakeServer) -> None:
    everything = set(SNOWFLAKE.tables)
    assert set(SNOWFLAKE.datasets(account(server))) == everything
    for config in ({"costs_from": "account_usage"}, PRICES):
        assert set(SNOWFLAKE.datasets(account(server, RESELLER, **config))) == everything - {
            "prices",
            "balances",
        }


def test_sessions_end_and_tell_nobody_else_where_they_run(
    server: SnowflakeServer,
    landing: LandingStore,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server.requests.clear()
    with caplog.at_level(logging.DEBUG):
        fetched(server, landing, "balances")
    assert server.requests[-1] == "/session" and server.requests.count(QUERY) == 1
    assert not [path for path in server.requests if "telemetry" in path]
    told = "\n".join(record.getMessage() for record in caplog.records) + capfd.readouterr().err
    assert "IMDS" not in told and "platform" not in told.lower()
    assert "PRIVATE KEY" not in told and PRIVATE_KEY.splitlines()[1] not in told

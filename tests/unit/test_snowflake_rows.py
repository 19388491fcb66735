"""Stored answers of Snowflake into typed rows: what is priced, what is left, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Reject
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.snowflake import SNOWFLAKE
from astraeus_pipeline.providers.snowflake.answers import line
from astraeus_pipeline.providers.snowflake.metering import storage_cost
from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.sandbox.snowflake_estate import GLOBEX, PROD, SnowEstate, cloud_services
from astraeus_pipeline.sandbox.snowflake_rows import account_rows, organization_rows
from astraeus_pipeline.warehouse.landing import LandingStore

DAY = date(2026, 10, 5)
IDENTITY = {"account_locator": "GX33333", "account_name": "MAIN", "region": "AZURE_WESTEUROPE"}
CREDIT_PRICE = {
    "usage_date": None,
    "rating_type": "compute",
    "service_type": None,
    "price": "3.30",
    "currency": "EUR",
    "price_source": "configuration",
}
STORAGE_PRICE = {**CREDIT_PRICE, "rating_type": "storage", "price": "25.00"}
METERED = {
    "usage_date": str(DAY),
    "service_type": "WAREHOUSE_METERING",
    "credits_used_compute": "10.000000000",
    "credits_used_cloud_services": "1.400000000",
    "credits_adjustment_cloud_services": "-1.000000000",
    "credits_used": "11.400000000",
    "credits_billed": "10.400000000",
}
STORED = {
    "usage_date": str(DAY),
    "storage_bytes": str(5 * 1024**4),
    "stage_bytes": "0",
    "failsafe_bytes": str(1024**4),
}
BILL_LINE = {
    "usage_date": str(DAY),
    "organization_name": "ACME",
    "contract_number": None,
    "account_name": "PROD",
    "account_locator": "AA11111",
    "region": "AWS_US_EAST_1",
    "service_level": "Enterprise",
    "usage_type": "compute",
    "billing_type": "consumption",
    "rating_type": "compute",
    "service_type": "WAREHOUSE_METERING",
    "is_adjustment": False,
    "usage": "1.125",
    "currency": "USD",
    "usage_in_currency": "3.38",
    "balance_source": "capacity",
}


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


def typed(
    landing: LandingStore,
    answers: Mapping[str, list[Any]],
    dataset: Dataset = "costs",
    shape: str | None = None,
) -> tuple[list[dict[str, Any]], list[Reject]]:
    parts = tuple(
        landing.put(f"{key}-2026-10-05.jsonl", map(line, rows), "jsonl")
        for key, rows in answers.items()
    )
    days = DayRange(DAY, DAY)
    fetched = Fetched("acme", dataset, days, "api", "test", parts, shape=shape)
    batches = list(SNOWFLAKE.rows(fetched, landing))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


def priced(
    landing: LandingStore, credits: list[Any], stored: list[Any], prices: list[Any]
) -> tuple[list[dict[str, Any]], list[Reject]]:
    answers = {
        "identity": [IDENTITY],
        "prices": prices,
        "metering_daily_history": credits,
        "storage_usage": stored,
    }
    return typed(landing, answers, shape="metering")


def test_cloud_services_are_billed_above_a_tenth_of_the_days_credits(landing: LandingStore) -> None:
    [row], _ = priced(landing, [METERED], [], [CREDIT_PRICE])
    # 11.4 credits were used; 1.0 of cloud services is a tenth of the warehouses' 10 and is free.
    assert row["usage"] == Decimal("10.4")
    assert row["usage_in_currency"] == Decimal("34.32")
    assert (row["currency"], row["price_source"]) == ("EUR", "configuration")
    assert (row["account_locator"], row["storage_bytes"]) == ("GX33333", None)


def test_storage_costs_the_mean_of_the_months_days(landing: LandingStore) -> None:
    month = DayRange.of_month(DAY)
    terabytes = {day: Decimal(2 * index + 1) for index, day in enumerate(month)}
    shares = [storage_cost(tb * 1024**4, Decimal(31), day) for day, tb in terabytes.items()]
    mean = sum(terabytes.values()) / len(month)
    assert sum(shares) == mean * 31
    [row], _ = priced(landing, [], [STORED], [CREDIT_PRICE, STORAGE_PRICE])
    assert (row["service_type"], row["usage"], row["failsafe_bytes"]) == ("STORAGE", 6, 1024**4)
    assert row["usage_in_currency"] == Decimal("4.838709677419")  # 6 TB x 25.00 / 31 days
    february = storage_cost(Decimal(6 * 1024**4), Decimal("25.00"), date(2026, 2, 5))
    assert february == Decimal("5.357142857143")


def test_a_rate_sheet_prices_each_service_by_its_day(landing: LandingStore) -> None:
    rates = [
        {**CREDIT_PRICE, "usage_date": str(DAY), "service_type": service, "price": price}
        for service, price in (("WAREHOUSE_METERING", "3.00"), ("SNOWPIPE", "2.00"))
    ]
    snowpipe = {**METERED, "service_type": "SNOWPIPE"}
    unknown = {**METERED, "service_type": "AI_SERVICES"}
    rows, rejects = priced(landing, [METERED, snowpipe, unknown], [], rates)
    assert [row["usage_in_currency"] for row in rows] == [Decimal("31.2"), Decimal("20.8")]
    assert [(r.row_number, r.usage_date) for r in rejects] == [(3, DAY)]
    assert "no price for AI_SERVICES" in rejects[0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"usage_in_currency": None}, "usage_in_currency is empty"),
        ({"usage_in_currency": "NaN"}, "no amount"),
        ({"usage_in_currency": "1,5"}, "no amount"),
        ({"usage": "0." + "1" * 31}, "more than 30 decimals"),
        ({"currency": ""}, "currency is empty"),
        ({"is_adjustment": "perhaps"}, "neither true nor false"),
        ({"usage_date": None}, "TypeError"),
        ({"usage_date": "5 October"}, "ValueError"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_line_that_cannot_be_typed_is_set_apart(
    landing: LandingStore, change: dict[str, Any], reason: str
) -> None:
    lines = [BILL_LINE, {**BILL_LINE, **change}, BILL_LINE]
    rows, [reject] = typed(landing, {"usage_in_currency_daily": lines})
    assert [row["row_number"] for row in rows] == [1, 3]
    assert reject.row_number == 2 and reason in reject.reason
    assert reject.usage_date == (None if "usage_date" in change else DAY)
    assert json.loads(reject.raw_text)["service_type"] == "WAREHOUSE_METERING"


def test_a_missing_column_is_set_apart_and_a_further_one_kept(landing: LandingStore) -> None:
    shorter = {name: value for name, value in BILL_LINE.items() if name != "balance_source"}
    further = {**BILL_LINE, "carbon_kg": "1.5", "usage_in_currency": "-0.01", "usage": None}
    [row], [reject] = typed(landing, {"usage_in_currency_daily": [shorter, further]})
    assert "balance_source" in reject.reason
    assert json.loads(row["payload"]) == {"carbon_kg": "1.5"}
    assert (row["usage_in_currency"], row["usage"]) == (Decimal("-0.01"), None)


def test_a_payload_that_is_no_json_is_refused_whole(landing: LandingStore) -> None:
    part = landing.put("usage_in_currency_daily-x.jsonl", [b'{"usage_date": "2026-'], "jsonl")
    fetched = Fetched("acme", "costs", DayRange(DAY, DAY), "api", "test", (part,))
    with pytest.raises(PayloadError, match="no JSON"):
        list(SNOWFLAKE.rows(fetched, landing))


GROUP = {
    "usage_date": str(DAY),
    "warehouse_name": "BI_WH",
    "user_name": "LOOKER",
    "role_name": None,
    "query_tag": "dashboards",
    "query_parameterized_hash": "aa",
    "query_type": "SELECT",
    "queries": 3,
    "credits_attributed": "1.250000000",
    "credits_query_acceleration": None,
    "elapsed_seconds": "12.5",
    "bytes_scanned": "4096",
}


def test_what_no_query_accounts_for_is_a_row_of_its_own(landing: LandingStore) -> None:
    metered = [
        {"usage_date": str(DAY), "warehouse_name": "BI_WH", "credits_used_compute": "4.000000001"},
        {"usage_date": str(DAY), "warehouse_name": "LAB_WH", "credits_used_compute": "0.5"},
    ]
    groups = [GROUP, {**GROUP, "user_name": "A_MEYER", "credits_attributed": "0.75"}]
    answers = {
        "identity": [IDENTITY],
        "warehouse_metering_history": metered,
        "query_attribution_history": groups,
    }
    rows, rejects = typed(landing, answers, "queries")
    assert not rejects
    found = [(r["warehouse_name"], r["is_idle"], r["credits_attributed"]) for r in rows]
    assert found == [
        ("BI_WH", False, Decimal("1.25")),
        ("BI_WH", False, Decimal("0.75")),
        ("BI_WH", True, Decimal("2.000000001")),
        ("LAB_WH", True, Decimal("0.5")),
    ]
    assert (rows[2]["user_name"], rows[2]["queries"]) == (None, None)


def test_a_query_past_midnight_leaves_less_than_nothing(landing: LandingStore) -> None:
    metered = [{"usage_date": str(DAY), "warehouse_name": "BI_WH", "credits_used_compute": "1.000"}]
    answers = {
        "identity": [IDENTITY],
        "warehouse_metering_history": metered,
        "query_attribution_history": [GROUP],
    }
    rows, _ = typed(landing, answers, "queries")
    assert sum(row["credits_attributed"] for row in rows) == 1
    assert rows[1]["credits_attributed"] == Decimal("-0.25")


NOW = datetime.now(UTC).date()
SNOW = SnowEstate(Estate(NOW), NOW)


def test_the_estates_views_tell_one_story() -> None:
    """What the emulator's tables say of one another is what Snowflake's views promise."""
    bill = organization_rows(SNOW)
    mine = account_rows(SNOW, PROD)
    day = (NOW - timedelta(days=2)).isoformat()

    def total(rows: list[Any], column: str, **where: str) -> Decimal:
        chosen = [r for r in rows if all(str(r[name]) == value for name, value in where.items())]
        assert chosen
        return sum((Decimal(row[column]) for row in chosen), Decimal(0))

    hours = [r for r in mine["account_usage.warehouse_metering_history"] if day in r["start_time"]]
    metered = total(
        mine["account_usage.metering_daily_history"],
        "credits_used_compute",
        usage_date=day,
        service_type="WAREHOUSE_METERING",
    )
    assert sum(Decimal(row["credits_used_compute"]) for row in hours) == metered
    lines = bill["organization_usage.usage_in_currency_daily"]
    billed = total(
        lines,
        "usage",
        usage_date=day,
        account_locator="AA11111",
        service_type="WAREHOUSE_METERING",
        is_adjustment="false",
    )
    assert billed == round(metered, 3)
    assert all(
        row["usage_type"].startswith("overage-")
        for row in lines
        if row["usage_date"] == day and row["billing_type"] == "consumption"
    )
    balances = {row["date"]: row for row in bill["organization_usage.remaining_balance_daily"]}
    assert balances[day]["capacity_balance"] == "0.00"
    assert Decimal(balances[day]["on_demand_consumption_balance"]) < 0


@pytest.mark.parametrize(("account", "is_billed"), [(PROD, False), (GLOBEX, True)])
def test_the_estate_knows_days_under_and_above_the_free_tenth(
    account: Any, is_billed: bool
) -> None:
    used, adjustment = cloud_services(account, DAY)
    assert adjustment < 0
    assert (used + adjustment > 0) == is_billed

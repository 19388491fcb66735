"""Pages of a cost query into rows: merged, named, exact, rejected where they cannot be typed."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.azure import AZURE
from astraeus_pipeline.providers.azure.costs import controls
from astraeus_pipeline.providers.azure.inventory import row_of
from astraeus_pipeline.warehouse.landing import LandingStore

DAY = date(2026, 10, 5)
DAYS = DayRange(DAY, date(2026, 10, 6))


def page(*rows: list[Any], **more: Any) -> dict[str, Any]:
    """Return a page of details as it is stored: floats are their literal text."""
    return {
        "subscription": "s",
        "purpose": "details",
        "type": "ActualCost",
        "filters": {"ChargeType": "Usage", "PricingModel": "OnDemand"},
        "group_by": ["ResourceId", "ResourceGuid"],
        "columns": ["Currency", "Cost", "UsageDate", "ResourceId", "UsageQuantity", "ResourceGuid"],
        "rows": list(rows),
        **more,
    }


def read(tmp_path: Path, *pages: dict[str, Any]) -> list[RowBatch]:
    landing = LandingStore(str(tmp_path))
    lines = (json.dumps(each).encode() + b"\n" for each in pages)
    part = landing.put("pages.jsonl", lines, "jsonl")
    fetched = Fetched("acme", "costs", DAYS, "api", "query", (part,))
    return list(AZURE.rows(fetched, landing))


def only(tmp_path: Path, *pages: dict[str, Any]) -> list[dict[str, Any]]:
    [batch] = read(tmp_path, *pages)
    assert batch.rejects == ()
    return list(batch.rows.to_pylist())


def test_both_cost_types_of_a_charge_stand_on_one_row(tmp_path: Path) -> None:
    cells = ["EUR", "1.5", 20261005, "/R", "2", "m"]
    [row] = only(tmp_path, page(cells), page(["EUR", "1.25", *cells[2:]], type="AmortizedCost"))
    assert (row["actual_cost"], row["amortized_cost"]) == (Decimal("1.5"), Decimal("1.25"))
    assert (row["quantity"], row["usage_date"], row["resource_id"]) == (Decimal(2), DAY, "/r")


def test_two_spellings_of_an_id_are_one_resource(tmp_path: Path) -> None:
    first = ["EUR", "0.1", 20261005, "/Subscriptions/A", "1", "M"]
    second = ["EUR", "0.2", 20261005, "/subscriptions/a", "3", "m"]
    [row] = only(tmp_path, page(first, second))
    assert (row["actual_cost"], row["quantity"]) == (Decimal("0.3"), Decimal(4))


def test_amounts_keep_every_decimal_of_an_exponent(tmp_path: Path) -> None:
    [row] = only(tmp_path, page(["EUR", "7.29225575923919E-09", 20261005, "", None, ""]))
    assert row["actual_cost"] == Decimal("7.29225575923919E-09")
    assert (row["resource_id"], row["meter_id"], row["quantity"]) == (None, None, None)


def test_of_two_names_of_a_meter_the_one_with_most_money_counts(tmp_path: Path) -> None:
    names = page(
        ["0.5", "M", "Old name", "EUR"],
        ["-9", "M", "New name", "EUR"],
        purpose="names",
        filters={},
        group_by=["ResourceGuid", "Meter"],
        columns=["Cost", "ResourceGuid", "Meter", "Currency"],
    )
    [row] = only(tmp_path, names, page(["EUR", "1", 20261005, "/r", "1", "m"]))
    assert (row["meter"], row["service_name"]) == ("New name", None)


def test_a_cost_under_another_name_blocks_its_days_and_breaks_nothing(tmp_path: Path) -> None:
    renamed = ["Currency", "CostNew", "UsageDate", "ResourceId", "UsageQuantity", "ResourceGuid"]
    names = page(
        ["1", "M", "Name"],
        purpose="names",
        filters={},
        group_by=["ResourceGuid", "Meter"],
        columns=["CostNew", "ResourceGuid", "Meter"],
    )
    row = page(["EUR", "1", 20261005, "/r", "1", "m"], columns=renamed)
    [batch] = read(tmp_path, names, row)
    assert [each.usage_date for each in batch.rejects] == [DAY] and batch.rows.num_rows == 0


@pytest.mark.parametrize(
    ("cells", "says", "day"),
    [
        (["EUR", "NaN", 20261005, "/r", "1", "m"], "no amount", DAY),
        (["EUR", "free", 20261005, "/r", "1", "m"], "is no amount", DAY),
        (["EUR", "1", 20261399, "/r", "1", "m"], "ValueError", None),
        ([None, "1", 20261005, "/r", "1", "m"], "without a currency", DAY),
    ],
)
def test_a_row_that_cannot_be_typed_blocks_its_day(
    tmp_path: Path, cells: list[Any], says: str, day: date | None
) -> None:
    [batch] = read(tmp_path, page(cells, ["EUR", "1", 20261005, "/r", "1", "m"]))
    [reject] = batch.rejects
    assert says in reject.reason and reject.usage_date == day
    assert batch.rows.num_rows == 1


def test_a_page_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    landing = LandingStore(str(tmp_path))
    part = landing.put("pages.jsonl", [b'{"purpose": '], "jsonl")
    fetched = Fetched("acme", "costs", DAYS, "api", "query", (part,))
    with pytest.raises(PayloadError, match=r"acme.*no JSON"):
        list(AZURE.rows(fetched, landing))


def total(*rows: list[Any]) -> dict[str, Any]:
    return page(*rows, purpose="total", filters={}, columns=["UsageDate", "Currency", "Cost"])


def test_a_day_without_a_total_among_others_is_a_total_of_nothing() -> None:
    pages = [total([20261006, "EUR", "2"]), page(["EUR", "1", 20261005, "/r", "1", "m"])]
    found = list(controls(pages, DAYS, "acme", {("ActualCost", DAY): 1}))
    assert [(each.days.first.day, each.amount, each.terms) for each in found] == [
        (5, Decimal(0), 1),
        (6, Decimal(2), 0),
    ]


def test_days_after_the_last_total_are_not_stated_yet() -> None:
    [stated] = controls([total([20261005, "EUR", "2"])], DAYS, "acme", {})
    assert stated.days.first == DAY


def test_a_total_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(PayloadError, match=r"acme.*total"):
        list(controls([total([20261005, "EUR", None])], DAYS, "acme", {}))


def test_a_type_of_resource_without_a_reading_has_what_all_have() -> None:
    found = row_of(
        {
            "id": "subscriptions/S/resourceGroups/g/providers/Contoso.New/things/A",
            "type": "Contoso.New/Things",
            "name": "A",
            "location": "West Europe",
            "subscriptionId": "S",
            "zones": ["1", "2"],
            "sku": {"name": "Large"},
            "properties": None,
        }
    )
    assert (
        found["resource_id"] == "/subscriptions/s/resourcegroups/g/providers/contoso.new/things/a"
    )
    assert (found["resource_type"], found["instance_type"]) == ("contoso.new/things", "Large")
    assert (found["availability_zone"], found["state"]) == (None, None)

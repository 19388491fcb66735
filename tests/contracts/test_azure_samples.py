"""The published pair of EA exports as an azure account: its sums to the last decimal."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver
from astraeus_pipeline.providers.azure import AZURE
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("ASTRAEUS_SAMPLE_DATA") or ROOT.parent / "shared" / "data")
ACTUAL, AMORTIZED = (f"azure_EA_{kind}Cost_Small.csv" for kind in ("Actual", "Amortized"))
SEPTEMBER = DayRange(date(2023, 9, 1), date(2023, 9, 30))


@dataclass
class Sampled:
    """The marts of the pair, and the files' own lines."""

    warehouse: Warehouse
    actual: list[dict[str, str]]
    amortized: list[dict[str, str]]


def lines(name: str) -> list[dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def sampled(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sampled]:
    missing = [name for name in (ACTUAL, AMORTIZED) if not (SAMPLES / name).exists()]
    if missing:
        pytest.skip(f"no {missing[0]} at {SAMPLES} (set ASTRAEUS_SAMPLE_DATA)")
    home = tmp_path_factory.mktemp("home")
    config = {
        "cost_source": "export_actual_amortized",
        "export_url": str(SAMPLES / ACTUAL),
        "amortized_export_url": str(SAMPLES / AMORTIZED),
    }
    ingestion = Ingestion(
        module_database,
        LandingStore(str(home / "landing")),
        KeyRing.from_settings(Settings(home=home)),
        TODAY,
    )
    done = deliver(ingestion, AZURE, Account("ea", "azure", "EA", config), "costs", SEPTEMBER)
    assert done.errors == []
    with warehouse(module_database, home / "target") as made:
        statuses = made.dbt("build")
        assert not {n: s for n, s in statuses.items() if s in ("error", "fail", "skipped")}
        yield Sampled(made, lines(ACTUAL), lines(AMORTIZED))


def test_the_marts_hold_the_files_to_the_last_decimal(sampled: Sampled) -> None:
    """Effective is the amortized file. Billed is the same without what commitments have paid.

    And with what was paid for them, which only the actual file tells.
    """
    purchases = [each for each in sampled.actual if each["ChargeType"] in ("Purchase", "Refund")]
    assert {each["PricingModel"] for each in purchases} == {"Reservation"}
    unpaid = [
        each
        for each in sampled.amortized
        if each["PricingModel"] not in ("Reservation", "SavingsPlan")
    ]
    [(charges, billed, effective)] = sampled.warehouse.ask(
        "select sum(charges), sum(billed_cost), sum(effective_cost) from marts.fct_daily_costs"
    )
    assert charges == len(sampled.amortized) + len(purchases) == 29
    assert effective == sum(Decimal(each["Cost"]) for each in sampled.amortized)
    assert billed == sum(Decimal(each["Cost"]) for each in (*unpaid, *purchases))


def test_every_row_keeps_what_azure_said_of_it(sampled: Sampled) -> None:
    found = sampled.warehouse.ask(
        "select consumed_quantity, consumed_unit, pricing_unit, contracted_unit_price, list_cost"
        " from marts.fct_charges where service_name = 'Storage' and pricing_unit = '10000 Units'"
        " and consumed_quantity = 4"
    )
    # 0.0004 of 10K at 0.1 each
    assert found == [(4, "Units", "10000 Units", Decimal("0.1"), Decimal("0.00004"))]
    statuses: list[Any] = sampled.warehouse.ask(
        "select commitment_discount_type, commitment_discount_status, sum(billed_cost),"
        " sum(effective_cost) from marts.fct_charges where commitment_discount_id is not null"
        " group by 1, 2 order by 1, 2"
    )
    assert statuses == [
        ("Reservation", "Used", 0, Decimal("0.493152")),
        ("Reservation", None, Decimal("3.25"), 0),
        ("Savings Plan", "Used", 0, Decimal("0.006000000468")),
    ]
    [(tags,)] = sampled.warehouse.ask(
        "select count(*) from marts.fct_charges where jsonb_typeof(tags) = 'object'"
    )
    assert tags == sum(bool(each["Tags"]) for each in sampled.amortized)

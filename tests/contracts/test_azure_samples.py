"""The published pair of EA exports as an azure account: its sums to the last decimal."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver, reload
from astraeus_pipeline.providers.azure import AZURE
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadResult
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
    refused: LoadResult
    loaded: LoadResult


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
    [refused] = done.results
    assert refused.state == "refused"
    loaded = accept_refused(ingestion, refused)
    with warehouse(module_database, home / "target") as made:
        made.build_everything()
        yield Sampled(made, lines(ACTUAL), lines(AMORTIZED), refused, loaded)


def accept_refused(ingestion: Ingestion, refused: LoadResult) -> LoadResult:
    """Let in, as a person may, the days on which the published excerpts are no pair."""
    with ingestion.database.connect("loader") as conn:
        [(uri,)] = conn.execute("select payload_uri from raw.deliveries").fetchall()
    days = frozenset(refused.days("refused"))
    reason = "Microsoft publishes excerpts: 10 of 26 rows that no commitment pays are in both."
    acceptance = Acceptance("finance", reason, refused.delivery_id, days)
    return reload(ingestion, AZURE, uri, acceptance)


def test_days_on_which_the_two_contradict_each_other_wait_for_a_person(sampled: Sampled) -> None:
    """The fourth has rows in both, some of them in one only; the fifth differs by a hair."""
    unlike = {day for day, amount in differences(sampled).items() if amount}
    assert set(sampled.refused.days("refused")) == unlike
    assert {date(2023, 9, 4), date(2023, 9, 5)} < unlike
    states = sampled.warehouse.ask(
        "select distinct usage_date, state, accepted_by from marts.fct_reconciliations"
        " where cost_type = 'unmatched_cost' and check_name = 'control_total' and residual <> 0"
    )
    assert sorted(states) == [(day, "accepted", "finance") for day in sorted(unlike)]


def differences(sampled: Sampled) -> dict[date, Decimal]:
    """Return, by day, the actual file's rows less the amortized ones, commitments left out."""
    found: dict[date, Decimal] = defaultdict(Decimal)
    for sign, file in ((1, sampled.actual), (-1, sampled.amortized)):
        for each in file:
            if each["PricingModel"] not in ("Reservation", "SavingsPlan"):
                day = datetime.strptime(each["Date"] + "Z", "%m/%d/%Y%z").date()
                found[day] += sign * Decimal(each["Cost"])
    return found


def test_billed_is_the_actual_file_and_effective_the_amortized_to_the_last_decimal(
    sampled: Sampled,
) -> None:
    [(billed, effective)] = sampled.warehouse.ask(
        "select sum(billed_cost), sum(effective_cost) from marts.fct_daily_costs"
    )
    assert billed == sum(Decimal(each["Cost"]) for each in sampled.actual)
    assert effective == sum(Decimal(each["Cost"]) for each in sampled.amortized)
    by_day = sampled.warehouse.ask(
        "select usage_date, sum(billed_cost), sum(effective_cost) from marts.fct_daily_costs"
        " group by 1"
    )
    for day, billed, effective in by_day:
        spelled = f"{day:%m/%d/%Y}"
        for total, file in ((billed, sampled.actual), (effective, sampled.amortized)):
            assert total == sum(Decimal(each["Cost"]) for each in file if each["Date"] == spelled)


def test_what_only_one_of_the_files_has_is_an_adjustment(sampled: Sampled) -> None:
    kinds = {
        category: (charges, billed)
        for category, charges, billed in sampled.warehouse.ask(
            "select charge_category, count(*), sum(billed_cost) from marts.fct_charges group by 1"
        )
    }
    bought = [Decimal(each["Cost"]) for each in sampled.actual if each["ChargeType"] == "Purchase"]
    assert kinds["Usage"][0] == len(sampled.amortized)
    assert kinds["Purchase"] == (len(bought), sum(bought))
    assert kinds["Adjustment"][1] == sum(differences(sampled).values())


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

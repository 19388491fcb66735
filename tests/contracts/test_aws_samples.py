"""Published AWS bills as aws accounts: their sums to the last decimal, and final after open."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
from collections import defaultdict
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
from astraeus_pipeline.orchestration.delivering import Delivered, Ingestion, deliver
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("ASTRAEUS_SAMPLE_DATA") or ROOT.parent / "shared" / "data")
LEGACY = "aws_cur_legacy_a.csv"
OPEN, FINAL = (f"nise_aws_cur_2026_08_{state}.csv.gz" for state in ("open", "final"))
NOVEMBER, AUGUST = date(2023, 11, 1), date(2026, 8, 1)


@dataclass
class Sampled:
    """The marts of both samples, after each of their deliveries."""

    warehouse: Warehouse
    results: dict[str, Delivered]
    finality: dict[str, set[bool]]

    def by_day(self, account: str, column: str) -> dict[date, Decimal]:
        return dict(
            self.warehouse.ask(
                f"select usage_date, sum({column}) from marts.fct_daily_costs"
                f" where account_id = '{account}' group by 1"
            )
        )


@pytest.fixture(scope="module")
def sampled(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sampled]:
    missing = [name for name in (LEGACY, OPEN, FINAL) if not (SAMPLES / name).exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} at {SAMPLES} (set ASTRAEUS_SAMPLE_DATA)")
    home = tmp_path_factory.mktemp("home")
    ingestion = Ingestion(
        module_database,
        LandingStore(str(home / "landing")),
        KeyRing.from_settings(Settings(home=home)),
        TODAY,
    )
    results, finality = {}, {}
    with warehouse(module_database, home / "dbt") as made:
        for name, slug, month in (
            (LEGACY, "legacy", NOVEMBER),
            (OPEN, "nise", AUGUST),
            (FINAL, "nise", AUGUST),
        ):
            folder = home / slug
            folder.mkdir(exist_ok=True)
            shutil.copy(SAMPLES / name, folder / name)
            account = Account(
                slug, "aws", slug, {"cost_source": "export", "export_url": str(folder)}
            )
            results[name] = deliver(ingestion, AWS, account, "costs", DayRange.of_month(month))
            if name == LEGACY:
                continue
            made.build_everything()
            finality[name] = {
                row[0]
                for row in made.ask(
                    "select distinct is_final from marts.fct_daily_costs where account_id = 'nise'"
                )
            }
        yield Sampled(made, results, finality)


def lines(name: str) -> list[dict[str, str]]:
    handle: Any = gzip.open if name.endswith(".gz") else open
    with handle(SAMPLES / name, "rt", encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def sums(name: str, column: str) -> dict[date, Decimal]:
    found: dict[date, Decimal] = defaultdict(Decimal)
    for row in lines(name):
        found[date.fromisoformat(row["lineItem/UsageStartDate"][:10])] += Decimal(row[column])
    return dict(found)


@pytest.mark.parametrize(("name", "account"), [(LEGACY, "legacy"), (FINAL, "nise")])
def test_daily_costs_are_the_file_s_to_the_last_decimal(
    sampled: Sampled, name: str, account: str
) -> None:
    expected = sums(name, "lineItem/UnblendedCost")
    assert sampled.by_day(account, "billed_cost") == expected
    [result] = sampled.results[name].results
    assert result.quarantined_rows == 0
    assert result.sums == {
        "USD": {"line_item_unblended_cost": f"{sum(expected.values()).normalize():f}"}
    }


@pytest.mark.parametrize(("name", "account"), [(LEGACY, "legacy"), (FINAL, "nise")])
def test_each_line_stands_once_though_ids_repeat(sampled: Sampled, name: str, account: str) -> None:
    rows = lines(name)
    [(standing, keys)] = sampled.warehouse.ask(
        "select count(*), count(distinct (identity_line_item_id, identity_time_interval))"
        f" from raw.aws_costs_cur where account_id = '{account}'",
        "loader",
    )
    assert standing == keys == len(rows)
    [(charges,)] = sampled.warehouse.ask(
        f"select count(*) from marts.fct_charges where account_id = '{account}'"
    )
    assert charges == len(rows)
    if name == LEGACY:
        assert len({row["identity/LineItemId"] for row in rows}) < len(rows)


def test_covered_usage_counts_at_its_share_of_the_savings_plan(sampled: Sampled) -> None:
    expected: dict[date, Decimal] = defaultdict(Decimal)
    for row in lines(FINAL):
        is_covered = row["lineItem/LineItemType"] == "SavingsPlanCoveredUsage"
        column = "savingsPlan/SavingsPlanEffectiveCost" if is_covered else "lineItem/UnblendedCost"
        expected[date.fromisoformat(row["lineItem/UsageStartDate"][:10])] += Decimal(row[column])
    assert sampled.by_day("nise", "effective_cost") == expected


def test_final_file_replaces_the_open_one_without_a_delta(sampled: Sampled) -> None:
    [first], [second] = (sampled.results[name].results for name in (OPEN, FINAL))
    august = DayRange.of_month(AUGUST)
    assert first.days("replaced") == second.days("replaced") == list(august)
    assert sampled.finality == {OPEN: {False}, FINAL: {True}}
    assert sampled.warehouse.ask(
        "select count(*), coalesce(sum(abs(delta)), 0) from marts.fct_restatements"
        " where account_id = 'nise' and delta <> 0"
    ) == [(0, 0)]
    assert sampled.warehouse.ask(
        "select distinct state from marts.fct_freshness where account_id = 'nise'"
        f" and usage_date between '{august.first}' and '{august.last}'"
    ) == [("invoiced",)]


def test_services_regions_and_tags_are_the_line_s_own(sampled: Sampled) -> None:
    by_service: dict[str, Decimal] = defaultdict(Decimal)
    by_region: dict[str | None, Decimal] = defaultdict(Decimal)
    for row in lines(FINAL):
        cost = Decimal(row["lineItem/UnblendedCost"])
        by_service[row["product/ProductName"]] += cost
        by_region[row["product/region"] or None] += cost
    for column, expected in (("service_name", by_service), ("region_id", by_region)):
        assert (
            dict(
                sampled.warehouse.ask(
                    f"select {column}, sum(billed_cost) from marts.fct_daily_costs"
                    " where account_id = 'nise' group by 1"
                )
            )
            == expected
        )
    tagged = sum(bool(row["resourceTags/user:environment"]) for row in lines(FINAL))
    assert sampled.warehouse.ask(
        "select count(*) from marts.fct_charges where account_id = 'nise' and tags ? 'environment'"
    ) == [(tagged,)]

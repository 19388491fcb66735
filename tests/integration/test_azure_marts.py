"""The emulated Azure through Dagster, then dbt, to the marts: the estate's two subscriptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.accounts.store import NewAccount
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.backfilling import Backfill
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox import azure_exports, azure_fleet, azure_lines
from astraeus_pipeline.sandbox.azure import SECRET, AzureServer, Subscription
from astraeus_pipeline.sandbox.azure_lines import Line
from astraeus_pipeline.sandbox.estate import AZURE_OWNERS, FABRIKAM_SHOP, Estate, Owner
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures import azure
from tests.fixtures.dbt import warehouse
from tests.fixtures.estate import add_account, installed, secrets

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
ESTATE = Estate(TODAY)
# A month's first is among them, when the reservation is bought.
DAYS = DayRange((TODAY - timedelta(days=32)).replace(day=1), TODAY - timedelta(days=1))
LINES = list(azure_lines.lines(ESTATE, TODAY, DAYS))


@dataclass
class Installation:
    """The marts of both subscriptions."""

    database: Database

    def ask(self, query: str) -> list[Any]:
        with self.database.connect("operator") as conn:
            return conn.execute(query).fetchall()


@pytest.fixture(scope="module")
def installation(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("home")
    subscriptions = [
        Subscription(owner.number, owner.name, azure_fleet.items(owner)) for owner in AZURE_OWNERS
    ]

    def lines(days: DayRange) -> list[Line]:
        return [each for each in LINES if each.day in days]

    with (
        AzureServer(lambda: subscriptions, lines, home / "azure") as server,
        installed(module_database, home) as settings,
    ):
        azure_exports.write(ESTATE, server.files, TODAY)
        sources = {owner.slug: _source(server, owner) for owner in AZURE_OWNERS}
        for owner in AZURE_OWNERS:
            config = azure.account(
                server, subscription_id=owner.number, **sources[owner.slug]
            ).config
            credentials = secrets(client_secret=SECRET)
            new = NewAccount(owner.slug, "azure", owner.name, config, credentials)
            add_account(module_database, settings, new)
        backfill = Backfill(settings, module_database)
        backfill.accounts()
        for owner in AZURE_OWNERS:
            for dataset, days in (("costs", DAYS), ("resources", DayRange(TODAY, TODAY))):
                done = backfill.ingest(owner.slug, PROVIDERS["azure"], dataset, days)  # type: ignore[arg-type]
                assert done.error is None
        with warehouse(module_database, home / "target") as marts:
            marts.build_everything(TODAY)
        assert server.unknown == []
        yield Installation(module_database)


def _source(server: AzureServer, owner: Owner) -> dict[str, str]:
    """One subscription is read by query, the other from its export in FOCUS."""
    if owner is not azure_exports.EXPORTED:
        return {}
    return {
        "cost_source": "export_focus",
        "export_url": f"{server.blob_url}/{azure_exports.CONTAINER}/{azure_exports.EXPORT}",
        "control_scope": f"/subscriptions/{owner.number}",
    }


def test_billed_and_effective_cost_are_the_estates(installation: Installation) -> None:
    found = installation.ask(
        "select account_id, usage_date, billing_currency, sum(billed_cost), sum(effective_cost)"
        " from marts.fct_daily_costs group by 1, 2, 3"
    )
    slugs = {owner.number: owner.slug for owner in AZURE_OWNERS}
    wanted: dict[Any, list[Decimal]] = {}
    for line in LINES:
        sums = wanted.setdefault((slugs[line.subscription], line.day, "EUR"), [Decimal(0)] * 2)
        sums[0] += line.actual or 0
        sums[1] += line.amortized or 0
    assert {row[:3]: list(row[3:]) for row in found} == wanted


def test_every_total_of_azure_ties(installation: Installation) -> None:
    [(controls, largest)] = installation.ask(
        "select count(*), max(abs((control ->> 'residual')::numeric))"
        " from marts.fct_deliveries, jsonb_array_elements(control_totals) as control"
    )
    settled = sum(day <= TODAY - timedelta(days=3) for day in DAYS)
    assert (controls, largest) == (2 * len(DAYS) + 2 * settled, 0)


def test_a_reservation_balances_over_its_months(installation: Installation) -> None:
    """What was bought for a whole month is used or unused within it."""
    found = installation.ask(
        "select billing_period_start, sum(billed_cost), sum(effective_cost),"
        " array_agg(distinct charge_category order by charge_category) from marts.fct_charges"
        " where pricing_category = 'Committed' or charge_category = 'Purchase' group by 1"
    )
    whole = DayRange.of_month(DAYS.first)
    balance = {row[0].date(): row[1:] for row in found}[whole.first]
    assert balance[:2] == (FABRIKAM_SHOP.commitment, FABRIKAM_SHOP.commitment)
    assert balance[2] == ["Purchase", "Usage"]


def test_charges_have_service_meter_unit_resource_and_region(installation: Installation) -> None:
    [charge] = installation.ask(
        "select service_category, service_name, sku_meter, consumed_unit, pricing_unit,"
        " consumed_quantity = pricing_quantity * 10000, resource_type, resource_name,"
        " charge_category"
        " from marts.fct_charges where sku_meter = 'Hot Read Operations' limit 1"
    )
    assert charge == (
        "Storage",
        "Storage",
        "Hot Read Operations",
        "Units",
        "10000 Units",
        True,
        "microsoft.storage/storageaccounts",
        "fabshopassets",
        "Usage",
    )
    assert installation.ask(
        "select count(*) from marts.fct_charges where service_category = 'Other'"
    ) == [(0,)]


def test_costs_join_the_inventory_by_resource(installation: Installation) -> None:
    [(charged, known)] = installation.ask(
        "select count(distinct charges.resource_id), count(distinct resources.resource_id)"
        " from marts.fct_charges as charges"
        " left join marts.dim_resources as resources using (account_id, resource_id)"
        " where charges.resource_id like '/subscriptions/%'"
    )
    assert charged == known > 10
    idle = installation.ask(
        "select resource_name, size_gb, iops from marts.dim_resources"
        " where resource_type = 'microsoft.compute/disks' and attached_to is null"
    )
    assert idle == [("old-import-data", 512, 2300)]


def test_an_unused_disk_would_save_what_it_is_charged(installation: Installation) -> None:
    [(found, charged)] = installation.ask(
        "select found.monthly_saving, costs.mean from marts.fct_recommendations as found"
        " cross join lateral (select round(sum(effective_cost) / count(*) * 30, 6) as mean"
        " from (select usage_date, sum(effective_cost) as effective_cost"
        " from marts.fct_daily_resource_costs as daily"
        " where daily.resource_id = found.resource_id and usage_date <= current_date - 2"
        " and usage_date > current_date - 30 group by usage_date) as days) as costs"
        " where found.kind = 'unattached_volume'"
    )
    assert found == charged > 0
    unknown = installation.ask(
        "select kind, monthly_saving from marts.fct_recommendations"
        " where saving_source = 'unknown_cost' group by 1, 2 order by 1"
    )
    assert unknown == [("old_snapshot", None), ("unattached_address", None)]


def test_an_export_tells_more_than_a_query(installation: Installation) -> None:
    found = installation.ask(
        "select x_list_cost_source, x_effective_cost_source, count(list_unit_price) = count(*)"
        " from marts.fct_charges where account_id = 'fabrikam-data' group by 1, 2"
    )
    assert found == [("provider", "provider", True)]

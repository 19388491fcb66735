"""The emulated estate's Snowflake through connector, loader and dbt: every figure ties."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.snowflake import SNOWFLAKE
from astraeus_pipeline.sandbox import snowflake_demo
from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load
from tests.fixtures.dbt import Warehouse, warehouse

pytestmark = pytest.mark.integration

# Real days, because the inventory is of today; the estate is as deterministic on any of them.
NOW = datetime.now(UTC).date()
# As long as the longest month: a fee of its first day is always among them.
SPAN = 31
DAYS = DayRange(NOW - timedelta(days=SPAN), NOW)
SLUGS = ("acme-snowflake", "globex-snowflake")


class Installation:
    """A database that the demo's two Snowflake accounts are loaded into."""

    def __init__(self, built: Warehouse, database: Database, home: Path) -> None:
        self.built, self.database = built, database
        self.landing = LandingStore(str(home / "landing"))
        self.revision = 0
        self.server = snowflake_demo.server(
            home, lambda: Estate(NOW, self.revision), lambda: NOW, port=0
        )
        self.key: dict[str, SecretStr] = snowflake_demo.credentials(home)

    def load(self, slug: str, dataset: Dataset, days: DayRange = DAYS) -> LoadResult:
        port = int(self.server.url.rsplit(":", 1)[1])
        [demo] = [each for each in snowflake_demo.ACCOUNTS if each.slug == slug]
        account = Account(slug, "snowflake", slug, demo.config(port), lambda: self.key)
        [fetched] = SNOWFLAKE.fetch(account, dataset, days, self.landing)
        with self.database.connect("loader", autocommit=True) as conn:
            return load(
                conn,
                SNOWFLAKE.table_of(fetched),
                fetched,
                self.landing.put_manifest(fetched),
                lambda: list(SNOWFLAKE.rows(fetched, self.landing)),
                LoadOptions(today=NOW, settle_days=SNOWFLAKE.settle_days),
            )

    def ask(self, query: str) -> list[Any]:
        return self.built.ask(query)


@pytest.fixture(scope="module")
def installation(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("home")
    with warehouse(module_database, tmp_path_factory.mktemp("target")) as built:
        made = Installation(built, module_database, home)
        with made.server:
            for slug in SLUGS:
                for dataset in ("costs", "queries", "utilisation"):
                    assert made.load(slug, dataset).state == "loaded", dataset
                made.load(slug, "resources", DayRange(NOW, NOW))
            for dataset in ("prices", "balances"):
                made.load(SLUGS[0], dataset)
            built.dbt("seed")
            built.build()
            yield made


def test_the_marts_hold_the_bill_of_all_accounts_of_the_organization(
    installation: Installation,
) -> None:
    found = installation.ask(
        "select account_id, sub_account_id, charge_category, sum(billed_cost) > 0"
        " from marts.fct_daily_costs group by 1, 2, 3 order by 1, 2, 3"
    )
    assert found == [
        ("acme-snowflake", "AA11111", "Adjustment", False),
        ("acme-snowflake", "AA11111", "Usage", True),
        ("acme-snowflake", "BB22222", "Adjustment", False),
        ("acme-snowflake", "BB22222", "Usage", True),
        ("acme-snowflake", None, "Purchase", True),
        ("globex-snowflake", "GX33333", "Usage", True),
    ]
    [(unsorted,)] = installation.ask(
        "select count(*) from marts.fct_charges where service_category = 'Other'"
        " and service_name <> 'PRIORITY SUPPORT'"
    )
    assert unsorted == 0


def test_queries_and_idle_time_cost_what_the_warehouses_were_charged(
    installation: Installation,
) -> None:
    statuses = installation.built.dbt("test")
    assert statuses["query_costs_equal_warehouse_charges"] == "pass"
    assert statuses["own_values_conform_to_focus"] == "pass"
    assert not {name: end for name, end in statuses.items() if end in ("fail", "error", "warn")}
    by_day = installation.ask(
        "select account_id, usage_date, sum(effective_cost), sum(effective_cost) filter"
        " (where is_idle), count(*) from marts.fct_query_costs"
        " where billing_currency is not null group by 1, 2"
    )
    assert {account for account, *_ in by_day} == set(SLUGS) and len(by_day) == 2 * SPAN
    charged = {
        (account, day): cost
        for account, day, cost in installation.ask(
            "select account_id, usage_date, sum(effective_cost) from marts.fct_daily_costs"
            " where service_name = 'WAREHOUSE_METERING' and charge_category = 'Usage'"
            " and sub_account_id in ('AA11111', 'GX33333') group by 1, 2"
        )
    }
    for account, day, cost, idle, _ in by_day:
        assert cost == charged[account, day]
        assert 0 < idle < cost / 2
    [(asked, roles)] = installation.ask(
        "select count(distinct user_name), count(distinct role_name) from marts.fct_query_costs"
        " where account_id = 'acme-snowflake' and not is_idle"
    )
    assert (asked, roles) == (4, 4)


def test_a_warehouses_rows_sum_up_to_its_share(installation: Installation) -> None:
    [(differences, warehouses)] = installation.built.ask(
        "select count(*) filter (where q.cost is distinct from w.effective_cost), count(*)"
        " from intermediate.int_warehouse_costs as w left join (select account_id, usage_date,"
        " warehouse_name, sum(effective_cost) as cost from marts.fct_query_costs group by 1, 2, 3)"
        " as q using (account_id, usage_date, warehouse_name)",
        "dbt",
    )
    assert (differences, warehouses) == (0, SPAN * 4)


def test_a_warehouse_that_idles_long_is_told_what_that_costs(installation: Installation) -> None:
    found = installation.ask(
        "select resource_name, monthly_saving < monthly_cost / 2, billing_currency, confidence,"
        " evidence -> 'auto_suspend_seconds' from marts.fct_recommendations"
        " where kind = 'late_suspend_warehouse' and monthly_saving > 0"
    )
    assert found == [("BI_WH", True, "USD", "medium", 600)]


def test_the_inventory_has_warehouses_databases_pipes_and_accounts(
    installation: Installation,
) -> None:
    found = installation.ask(
        "select resource_type, count(*) from marts.dim_resources"
        " where account_id = 'acme-snowflake' and is_active group by 1 order by 1"
    )
    assert found == [
        ("snowflake:account", 2),
        ("snowflake:database", 3),
        ("snowflake:pipe", 2),
        ("snowflake:warehouse", 3),
    ]


def test_late_usage_and_a_credit_restate_the_open_days(installation: Installation) -> None:
    assert installation.load(SLUGS[0], "costs").state == "unchanged"
    installation.revision = 1
    assert installation.load(SLUGS[0], "costs").state == "loaded"
    with installation.database.connect("loader") as conn:
        days = conn.execute(
            "select usage_date, sum(delta) > 0 from raw.restatements where account_id = %s"
            " group by 1 order by 1",
            [SLUGS[0]],
        ).fetchall()
    expected = {NOW - timedelta(days=back): True for back in range(3, 7)}
    assert dict(days) == expected | {Estate(NOW).refund_day: False}
    installation.built.build()
    [(credit,)] = installation.ask(
        "select billed_cost from marts.fct_daily_costs where charge_category = 'Credit'"
    )
    assert credit == Decimal("-214.50")

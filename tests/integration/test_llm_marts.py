"""OpenAI and Anthropic through Dagster, then dbt: each cost once, to the cent, tokens beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.accounts.store import NewAccount
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.backfilling import Backfill
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.sandbox.llm_costs import LlmCostServer
from astraeus_pipeline.sandbox.llm_estate import ORGANIZATIONS, LlmEstate
from astraeus_pipeline.sandbox.llm_lines import EstateLines
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.dbt import Warehouse, warehouse
from tests.fixtures.estate import add_account, installed, secrets

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY - timedelta(days=9), TODAY)


@dataclass
class Installation:
    """A database, the emulator, and the state that its estate is in."""

    database: Database
    backfill: Backfill
    marts: Warehouse
    revision: int = 0

    @property
    def lines(self) -> EstateLines:
        return EstateLines(LlmEstate(Estate(TODAY, self.revision)), TODAY)

    def ingest(self) -> None:
        for each in ORGANIZATIONS:
            for dataset in ("costs", "utilisation"):
                run = self.backfill.ingest(each.slug, PROVIDERS[each.vendor], dataset, DAYS)  # type: ignore[arg-type] # a literal
                assert run.error is None, run.error
        self.marts.build_everything(TODAY)

    def ask(self, query: str) -> list[Any]:
        with self.database.connect("operator") as conn:
            return conn.execute(query).fetchall()

    def billed(self) -> dict[tuple[str, date], Decimal]:
        """The emulator's own costs per account and day."""
        found: dict[tuple[str, date], Decimal] = {}
        for each in ORGANIZATIONS:
            for line in self.lines.costs(each.vendor, DAYS.first, DAYS.end):
                key = (each.slug, line.day)
                found[key] = found.get(key, Decimal(0)) + line.amount
        return found


@pytest.fixture(scope="module")
def installation(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("home")
    made: Installation | None = None

    def lines() -> EstateLines:
        assert made
        return made.lines

    with (
        installed(module_database, home) as settings,
        LlmCostServer(lines) as server,
        warehouse(module_database, home / "target") as marts,
    ):
        for each in ORGANIZATIONS:
            new = NewAccount(
                each.slug,
                each.vendor,
                each.name,
                {"base_url": server.url},
                secrets(admin_key=each.admin_key),
            )
            add_account(module_database, settings, new)
        backfill = Backfill(settings, module_database)
        backfill.accounts()
        made = Installation(module_database, backfill, marts)
        made.ingest()
        yield made


def test_every_mart_holds_the_vendors_bill_to_the_last_decimal(installation: Installation) -> None:
    expected = installation.billed()
    for mart in ("fct_daily_costs", "fct_charges", "fct_llm_usage"):
        query = f"select account_id, usage_date, sum(billed_cost) from marts.{mart} group by 1, 2"
        assert {(a, d): cost for a, d, cost in installation.ask(query)} == expected, mart


def test_tokens_stand_beside_the_cost_that_names_them(installation: Installation) -> None:
    day = TODAY - timedelta(days=3)
    found = {
        (model, meter): (tokens, requests, cost)
        for model, meter, tokens, requests, cost in installation.ask(
            "select model, meter, tokens, requests, billed_cost from marts.fct_llm_usage"
            f" where usage_date = '{day}' and sub_account_id in ('proj_support', 'wrkspc_agents')"
        )
    }
    days = DayRange(day, day)
    for vendor in ("openai", "anthropic"):
        for use in LlmEstate(Estate(TODAY)).uses(vendor, days):  # type: ignore[arg-type] # a literal
            if use.workload.project in ("proj_support", "wrkspc_agents"):
                for kind, tokens in use.tokens.items():
                    assert found[use.workload.model, kind] == (tokens, None, use.cost(kind))
    requests = {key: row for key, row in found.items() if key[1] == "requests"}
    assert {model for model, _ in requests} == {"gpt-4o-2024-08-06"}  # Anthropic counts none
    assert all(row[0] is row[2] is None and row[1] > 0 for row in requests.values())
    assert found[None, "Web Search Usage"] == (None, None, Decimal("2.40"))


def test_charges_are_focus_and_say_what_is_modelled(installation: Installation) -> None:
    rows = installation.ask(
        "select provider, provider_name, service_name, service_category, charge_category,"
        " billing_currency, list_cost = billed_cost, x_list_cost_source, x_is_final,"
        " count(*) filter (where pricing_unit = 'Tokens' and pricing_quantity = consumed_quantity),"
        " count(*) filter (where pricing_quantity is null), min(billing_account_id)"
        " from marts.fct_charges group by 1, 2, 3, 4, 5, 6, 7, 8, 9 order by 1"
    )
    days = len(DAYS)
    told = ("AI and Machine Learning", "Usage", "USD", True, "modelled: billed_cost", None)
    anthropic, openai = (each.number for each in reversed(ORGANIZATIONS))
    assert rows == [
        ("anthropic", "Anthropic", "Claude API", *told, 0, 10 * days, anthropic),
        ("openai", "OpenAI", "OpenAI API", *told, 7 * days, days, openai),
    ]


def test_projects_and_workspaces_go_by_their_names(installation: Installation) -> None:
    found = installation.ask(
        "select sub_account_id, sub_account_name from marts.fct_charges group by 1, 2 order by 1"
    )
    assert found == [
        ("proj_search", "Search"),
        ("proj_support", "Support assistant"),
        ("wrkspc_agents", "Agents"),
        (None, None),  # the default workspace
    ]


def test_late_figures_restate_the_days_and_the_marts_follow(installation: Installation) -> None:
    before = installation.billed()
    installation.revision = 1
    installation.ingest()
    after = installation.billed()
    changed = {key for key in after if after[key] != before[key]}
    assert {day for _, day in changed} == {TODAY - timedelta(days=back) for back in (1, 2)}
    test_every_mart_holds_the_vendors_bill_to_the_last_decimal(installation)
    told = installation.ask(
        "select account_id, usage_date, sum(delta) from marts.fct_restatements group by 1, 2"
    )
    assert {(a, d): delta for a, d, delta in told} == {
        key: after[key] - before[key] for key in changed
    }


def test_running_days_have_no_control_total_and_ended_ones_have(installation: Installation) -> None:
    rows = installation.ask(
        "select account_id, min(control ->> 'first_day'), max(control ->> 'last_day'),"
        " max(abs((control ->> 'residual')::numeric))"
        " from marts.fct_deliveries, jsonb_array_elements(control_totals) as control"
        " where dataset = 'costs' group by 1"
    )
    yesterday = str(TODAY - timedelta(days=1))
    assert {row[1:3] for row in rows} == {(str(DAYS.first), yesterday)}
    assert len(rows) == len(ORGANIZATIONS) and all(row[3] == 0 for row in rows)

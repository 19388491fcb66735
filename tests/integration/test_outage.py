"""A provider is away: its own accounts wait, all others load, and the gap fills when it is back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest
from botocore.config import Config

from astraeus_pipeline.accounts.store import NewAccount
from astraeus_pipeline.cli.backfill import run_backfill
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import schedules
from astraeus_pipeline.orchestration.account_run import AccountRun
from astraeus_pipeline.orchestration.code_location import build_definitions
from astraeus_pipeline.providers.aws import client
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer, Line
from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.sandbox.llm_costs import LlmCostServer
from astraeus_pipeline.sandbox.llm_estate import OPENAI, LlmEstate
from astraeus_pipeline.sandbox.llm_lines import EstateLines
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from tests.conftest import fresh_database
from tests.fixtures.estate import add_account, add_focus_account, installed, secrets, write_month
from tests.fixtures.parsed import hand_to_builds

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY - timedelta(days=6), TODAY - timedelta(days=1))
FRESH = DAYS.last
NUMBERS = {"prod": "111111111111", "staging": "222222222222"}  # at AWS
ROWS = {
    "aws_costs": "linked_account_id, service, net_unblended_cost, net_amortized_cost",
    "focus_costs": "service_name, charge_category, billed_cost, effective_cost",
    "openai_costs": "payload",
}


@dataclass
class Aws:
    """Cost Explorer at one address, which can be away; `late` is usage that it learnt of later."""

    late: dict[str, str] = field(default_factory=dict)
    server: CostExplorerServer = field(init=False)

    def start(self, port: int = 0) -> None:
        self.server = CostExplorerServer(self.lines, lambda day: day == FRESH, port=port)
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def lines(self, first: date, end: date) -> list[Line]:
        known = [
            _line(day, number, f"{index}.{day.day:02}0000001")
            for index, number in enumerate(NUMBERS.values(), 1)
            for day in DAYS
        ]
        later = [_line(FRESH, NUMBERS[slug], cost) for slug, cost in self.late.items()]
        return [line for line in (*known, *later) if first <= line.day < end]


@dataclass(frozen=True)
class Installation:
    """Two accounts at AWS, a folder of bills, an organisation at OpenAI, one database."""

    settings: Settings
    database: Database
    aws: Aws

    def backfill(self, *, build_marts: bool = True) -> dict[str, AccountRun]:
        """`astraeus backfill` of all accounts, without a person's ten seconds between two tries."""
        runs, marts = run_backfill(
            *(self.settings, self.database, None, DAYS),
            build_marts=build_marts,
            second_try_after=0,
        )
        assert marts is None
        return {run.account: run for run in runs}

    def ask(self, query: str, role: Any = "dbt") -> list[Any]:
        with self.database.connect(role) as conn:
            return conn.execute(query).fetchall()

    def raw(self) -> dict[str, list[Any]]:
        """What stands, without the marks of the deliveries that brought it."""
        return {
            table: self.ask(
                f"select account_id, usage_date, {columns} from raw.{table} order by 1, 2, 3, 4"
                if "," in columns
                else f"select account_id, usage_date, to_jsonb(t) - 'delivery_id' from raw.{table}"
                " as t order by 1, 2, 3"
            )
            for table, columns in ROWS.items()
        }

    def billed(self) -> dict[str, Decimal]:
        return dict(
            self.ask(
                "select account_id, sum(billed_cost) from marts.fct_daily_costs group by 1",
                "operator",
            )
        )

    def failures(self) -> list[Any]:
        return self.ask(
            "select account_id, first_day, last_day, reason from raw.deliveries"
            " where state = 'failed' order by id"
        )


def _line(day: date, account: str, cost: str) -> Line:
    amount = Decimal(cost)
    return Line(
        day,
        account,
        "Usage",
        "us-east-1",
        "AWS Lambda",
        "Requests",
        *(amount, amount, amount, amount),
    )


@pytest.fixture(scope="module")
def openai() -> Iterator[str]:
    with LlmCostServer(lambda: EstateLines(LlmEstate(Estate(TODAY)), TODAY)) as server:
        yield server.url


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    # The SDK's own tries would only make the outage slow.
    quick = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.AwsClients.__init__, "__defaults__", (quick,))
        cloud = Aws()
        cloud.start()
        yield cloud
        cloud.stop()


@pytest.fixture(scope="module")
def installation(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory, aws: Aws, openai: str
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("home")
    with installed(module_database, home) as settings:
        hand_to_builds(module_database, home)
        yield _furnished(Installation(settings, module_database, aws), home / "bills", openai)


def _furnished(made: Installation, bills: Path, openai: str) -> Installation:
    keys = secrets(access_key_id="id", secret_access_key="secret")
    for slug, number in NUMBERS.items():
        config = {"linked_account_id": number, "cost_explorer_endpoint_url": made.aws.server.url}
        new = NewAccount(slug, "aws", slug.title(), config, keys)
        add_account(made.database, made.settings, new)
    months: dict[date, dict[date, list[str]]] = {}
    for day in DAYS:
        months.setdefault(day.replace(day=1), {})[day] = ["1.25", "0.000000000001"]
    for month, bill in months.items():
        write_month(bills / f"{month:%Y-%m}.csv", bill)
    add_focus_account(made.database, made.settings, "files", bills)
    organization: Mapping[str, str] = {"base_url": openai}
    new = NewAccount(
        "assistants", "openai", "Assistants", organization, secrets(admin_key=OPENAI.admin_key)
    )
    add_account(made.database, made.settings, new)
    return made


def test_an_outage_delays_only_its_own_accounts_and_one_command_fills_the_gap(
    installation: Installation,
    database_server: Database,
    template: Database,
    tmp_path: Path,
    openai: str,
) -> None:
    aws = installation.aws
    port = urlsplit(aws.server.url).port
    assert port
    aws.stop()
    runs = installation.backfill()
    assert {slug for slug, run in runs.items() if run.error is None} == {"files", "assistants"}
    assert set(installation.billed()) == {"files", "assistants"}
    assert installation.raw()["aws_costs"] == []
    _says_all(installation, runs)

    aws.start(port)
    runs = installation.backfill()
    assert {slug: run.error for slug, run in runs.items()} == dict.fromkeys(runs)
    assert set(installation.billed()) == {"files", "assistants", *NUMBERS}

    with fresh_database(database_server, template) as other, installed(other, tmp_path) as settings:
        calm = _furnished(Installation(settings, other, aws), tmp_path / "bills", openai)
        calm.backfill(build_marts=False)
        assert calm.failures() == []
        undisturbed = calm.raw()
    assert installation.raw() == undisturbed
    assert all(undisturbed.values())
    expected = {
        slug: sum(
            line.unblended for line in aws.lines(DAYS.first, TODAY) if number in line.linked_account
        )
        for slug, number in NUMBERS.items()
    }
    billed = installation.billed()
    assert {slug: billed[slug] for slug in NUMBERS} == expected


def _says_all(installation: Installation, runs: dict[str, AccountRun]) -> None:
    """Result and ledger name the attempt, the account, its days and the next step; twice tried."""
    failed = installation.failures()
    assert sorted(row[0] for row in failed) == sorted([*NUMBERS, *NUMBERS])
    for account, first, last, reason in failed:
        assert (first, last) == (DAYS.first, DAYS.last)
        error = runs[account].error
        assert error is not None
        for text in (reason, error):
            assert f"AWS account {account}: Cost Explorer" in text
            assert str(DAYS) in text
            assert "daily schedule" in text and "astraeus backfill" in text
            assert "secret" not in text
        assert runs[account].try_again_after == 0


def test_what_stood_before_an_outage_stands_and_the_next_schedule_brings_what_is_new(
    installation: Installation,
) -> None:
    aws, provider = installation.aws, PROVIDERS["aws"]
    port = urlsplit(aws.server.url).port
    assert port
    before = installation.raw()
    aws.late = {"prod": "0.5", "staging": "-0.25"}
    aws.stop()
    runs = installation.backfill(build_marts=False)
    assert {slug for slug, run in runs.items() if run.error} == set(NUMBERS)
    assert installation.raw() == before  # not one row less while the provider is away

    aws.start(port)
    requests = list(schedules.run_requests(provider, "costs", list(NUMBERS), datetime.now(UTC)))
    assert len(requests) == len(NUMBERS)
    job = build_definitions().resolve_job_def(f"ingest_{provider.tables['costs'].name}")
    for request in requests:
        done = job.execute_in_process(
            instance=dg.DagsterInstance.get(), tags=dict(request.tags), raise_on_error=False
        )
        assert done.success
    found = [row for row in installation.raw()["aws_costs"] if row[1] == FRESH]
    changes = {slug: Decimal(cost) for slug, cost in aws.late.items()}
    old = [row for row in before["aws_costs"] if row[1] == FRESH]
    for slug, change in changes.items():
        then, now = (sum(row[4] for row in rows if row[0] == slug) for rows in (old, found))
        assert now - then == change

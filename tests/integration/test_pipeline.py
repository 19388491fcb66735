"""From a folder of bills through Dagster and dbt to the marts, and back again when they change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.monitoring.exporter import WarehouseCollector
from astraeus_pipeline.orchestration import sensors
from astraeus_pipeline.orchestration.backfilling import Backfill
from astraeus_pipeline.orchestration.partitions import account_days, key_of
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import add_focus_account, installed, write_month
from tests.fixtures.parsed import hand_to_builds, parsed_for, run_dbt

pytestmark = pytest.mark.integration

RAW = dg.AssetKey(["raw", "focus_costs"])
TODAY = datetime.now(UTC).date()
MONTH = (TODAY.replace(day=1) - timedelta(days=40)).replace(day=1)  # closed, settled
DAYS = DayRange.of_month(MONTH)
FRESH = TODAY - timedelta(days=1)


@dataclass
class Installation:
    """One database, one Dagster instance, one folder of bills; the tests below build on it."""

    database: Database
    backfill: Backfill
    bills: Path
    logged: list[dict[str, Any]] = field(default_factory=list)

    def ingest(self, account: str, days: DayRange) -> str | None:
        return self.backfill.ingest(account, PROVIDERS["focus"], "costs", days).error

    def ask(self, query: str, role: Any = "operator") -> list[Any]:
        with self.database.connect(role) as conn:
            return conn.execute(query).fetchall()

    def build_here(self, target: Path) -> None:
        """Build the models as Dagster's build does, but for its process and dbt's own tests."""
        results = run_dbt(parsed_for(self.database), target, ["run"])
        assert {each.node.name: each.message for each in results if each.status != "success"} == {}

    def daily(self, account: str) -> dict[date, Decimal]:
        return dict(
            self.ask(
                "select usage_date, sum(billed_cost) from marts.fct_daily_costs"
                f" where account_id = '{account}' group by 1"
            )
        )

    def statuses(self, account: str, days: DayRange) -> dict[date, str]:
        keys = {str(key_of(account, day)): day for day in days}
        found = self.backfill.instance.get_status_by_partition(
            RAW, list(keys), account_days("focus")
        )
        return {keys[key]: status.value for key, status in (found or {}).items() if status}


@pytest.fixture(scope="module")
def installation(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("home")
    bills = tmp_path_factory.mktemp("bills")
    with installed(module_database, home) as settings:
        for slug in ("acme", "broken"):
            add_focus_account(module_database, settings, slug, bills / slug)
        write_month(bills / "acme" / "old.csv", {day: ["1.25", "-0.000000000001"] for day in DAYS})
        hand_to_builds(module_database, home)
        backfill = Backfill(settings, module_database)
        backfill.accounts()
        yield Installation(module_database, backfill, bills)


def test_a_range_is_one_run_with_every_day_materialised(
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRAEUS_LOG_FORMAT", "json")
    assert installation.ingest("acme", DAYS) is None
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    installation.logged += [json.loads(line) for line in lines]
    assert set(installation.statuses("acme", DAYS).values()) == {"MATERIALIZED"}
    assert len(installation.backfill.instance.get_runs()) == 1


def test_the_marts_hold_the_bill_to_the_last_decimal(installation: Installation) -> None:
    with installation.database.connect("dbt") as conn:
        assert sensors.pending_slices(conn) is not None
    assert installation.backfill.build_marts() is None
    assert installation.daily("acme") == {day: Decimal("1.249999999999") for day in DAYS}
    with installation.database.connect("dbt") as conn:
        assert sensors.pending_slices(conn) is None


def test_a_bill_line_is_followed_from_log_to_run_ledger_mart_and_metric(
    installation: Installation,
) -> None:
    [line] = [each for each in installation.logged if each["event"] == "a delivery ended"]
    assert (line["account"], line["state"], line["rows"]) == ("acme", "loaded", 2 * len(set(DAYS)))
    run = installation.backfill.instance.get_run_by_id(line["run_id"])
    assert run is not None and run.is_success
    ledger = installation.ask(
        "select id, payload_sha256, rows from raw.deliveries where dagster_run_id ="
        f" '{line['run_id']}'",
        "app",
    )
    assert ledger == [(line["delivery_id"], line["payload"], line["rows"])]
    [(charges, cost)] = installation.ask(
        "select count(*), sum(billed_cost) from marts.fct_charges"
        f" where x_delivery_id = {line['delivery_id']} and usage_date = '{DAYS.first}'"
    )
    assert (charges, cost) == (2, Decimal("1.249999999999"))
    collector = WarehouseCollector(Settings(home=installation.bills), lambda: installation.database)
    told = {
        (each.name, *sorted(each.labels.values())): each.value
        for family in collector.collect()
        for each in family.samples
    }
    assert told["astraeus_deliveries_total", "costs", "focus", "loaded"] == 1
    assert told["astraeus_delivered_rows_total", "costs", "focus", "loaded"] == line["rows"]
    assert told["astraeus_feed_rows", "acme", "costs", "focus"] == line["rows"]
    assert told["astraeus_marts_built_timestamp_seconds",] > 0
    assert ("astraeus_reconciliations", "USD", "blocked") not in told
    assert sum(told[key] for key in told if key[0] == "astraeus_reconciliations") > 0


def test_a_bad_row_fails_exactly_its_day(installation: Installation) -> None:
    bad = DAYS.first + timedelta(days=3)
    bill = {day: ["2"] for day in DAYS} | {bad: ["2", "12,5"]}
    write_month(installation.bills / "broken" / "month.csv", bill)
    error = installation.ingest("broken", DAYS)
    assert error is not None and "held back" in error and str(bad) in error
    statuses = installation.statuses("broken", DAYS)
    assert [day for day, status in statuses.items() if status == "FAILED"] == [bad]
    assert len(statuses) == len(DAYS)
    write_month(installation.bills / "broken" / "month.csv", {day: ["2"] for day in DAYS})
    assert installation.ingest("broken", DAYS) is None
    assert set(installation.statuses("broken", DAYS).values()) == {"MATERIALIZED"}


def test_the_final_file_replaces_the_open_one(installation: Installation) -> None:
    """The marts follow with the next build, below."""
    folder = installation.bills / "closing"
    bill = {day: ["3", "0.5"] for day in DAYS}
    write_month(folder / f"focus_{MONTH:%Y-%m}_open.csv", bill)
    with installation.database.connect("app", autocommit=True) as conn:
        conn.execute(
            "insert into app.accounts (slug, provider, name, config)"
            " values ('closing', 'focus', 'Closing', jsonb_build_object('url', %s::text))",
            [str(folder)],
        )
    installation.backfill.accounts()
    assert installation.ingest("closing", DAYS) is None
    # The issuer closes the month: a final file beside the open one, with one cost corrected.
    final = bill | {DAYS.last: ["3", "0.75"]}
    write_month(folder / f"focus_{MONTH:%Y-%m}_final.csv", final, InvoiceId="INV-1")
    assert installation.ingest("closing", DAYS) is None


def test_late_restated_and_emptied_days_heal_by_themselves(
    installation: Installation, tmp_path: Path
) -> None:
    recent = {FRESH - timedelta(days=1): ["5"], FRESH: ["7", "1"]}
    by_month: dict[date, dict[date, list[str]]] = {}
    for day, costs in recent.items():
        by_month.setdefault(day.replace(day=1), {})[day] = costs
    for month, bill in by_month.items():
        write_month(installation.bills / "acme" / f"{month:%Y%m}.csv", bill)
    window = PROVIDERS["focus"].restatement_window(TODAY)
    assert installation.ingest("acme", window) is None
    assert installation.backfill.build_marts() is None
    assert installation.daily("acme")[FRESH] == Decimal(8)  # came late, appears without a hand

    month = FRESH.replace(day=1)
    kept = {day: ["0.5"] for day in [FRESH - timedelta(days=1)] if day.month == FRESH.month}
    write_month(installation.bills / "acme" / f"{month:%Y%m}.csv", kept or {FRESH: ["0"]})
    assert installation.ingest("acme", window) is None
    installation.build_here(tmp_path)
    left = installation.daily("acme").get(FRESH, Decimal(0))
    assert left == 0  # emptied at the provider, emptied in the marts
    [(delta,)] = installation.ask(
        "select sum(delta) from marts.fct_restatements where account_id = 'acme'"
        f" and usage_date = '{FRESH}' and cost_type = 'billed_cost'"
    )
    assert delta == Decimal(-8)


def test_a_replaced_file_stands_once_and_the_change_is_told(installation: Installation) -> None:
    expected = {day: Decimal("3.5") for day in DAYS} | {DAYS.last: Decimal("3.75")}
    assert installation.daily("closing") == expected
    [(charges, finals)] = installation.ask(
        "select count(*), count(*) filter (where x_is_final) from marts.fct_charges"
        " where account_id = 'closing'"
    )
    assert charges == finals == 2 * len(DAYS)  # no charge twice
    told = installation.ask(
        "select usage_date, old_cost, new_cost, delta from marts.fct_restatements"
        " where account_id = 'closing' and cost_type = 'billed_cost'"
    )
    assert told == [(DAYS.last, Decimal("3.5"), Decimal("3.75"), Decimal("0.25"))]


def test_increments_and_a_full_rebuild_are_the_same_rows(
    installation: Installation, tmp_path: Path
) -> None:
    def fingerprints() -> list[Any]:
        return [
            installation.ask(
                f"select count(*), md5(string_agg(md5(row::text), '' order by md5(row::text)))"
                f" from marts.{mart} as row"
            )
            for mart in ("fct_charges", "fct_daily_costs")
        ]

    before = fingerprints()
    assert before[0][0][0] > 60
    with installation.database.connect("dbt", autocommit=True) as conn:
        conn.execute("drop table marts.fct_charges, marts.fct_daily_costs cascade")
    project = parsed_for(installation.database)
    built = run_dbt(project, tmp_path, ["run", "--select", "+fct_daily_costs"])
    assert {str(each.status) for each in built} == {"success"}
    assert fingerprints() == before


def test_nothing_changed_means_nothing_rebuilt(installation: Installation, tmp_path: Path) -> None:
    def versions() -> list[Any]:
        return installation.ask(
            "select count(*), max(xmin::text::bigint) from marts.fct_charges", role="dbt"
        )

    before = versions()
    installation.build_here(tmp_path)
    assert versions() == before


def test_an_empty_folder_is_a_plain_sentence_and_a_ledger_row(installation: Installation) -> None:
    for file in (installation.bills / "broken").iterdir():
        file.unlink()
    error = installation.ingest("broken", DAYS)
    assert error is not None and "broken" in error
    [(state, reason)] = installation.ask(
        "select state, reason from raw.deliveries where account_id = 'broken'"
        " order by id desc limit 1",
        role="app",
    )
    assert state == "failed" and reason


def test_readers_see_every_mart_and_nothing_else(installation: Installation) -> None:
    marts = installation.ask(
        "select table_name from information_schema.tables where table_schema = 'marts'", role="dbt"
    )
    assert len(marts) >= 10
    for (mart,) in marts:
        installation.ask(f"select * from marts.{mart} limit 1")
    for closed in (
        "raw.focus_costs",
        "raw.deliveries",
        "app.accounts",
        "intermediate.built_slices",
    ):
        with pytest.raises(Exception, match="permission denied"):
            installation.ask(f"select * from {closed} limit 1")

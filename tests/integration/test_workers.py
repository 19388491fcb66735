"""Accounts ingested by several processes at the same time, and what the demo says of the marts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from astraeus_pipeline.cli import demo_report
from astraeus_pipeline.cli.backfill import run_backfill
from astraeus_pipeline.cli.workers import workers
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import add_focus_account, installed, write_month
from tests.fixtures.parsed import hand_to_builds

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY - timedelta(days=4), TODAY - timedelta(days=1))
MONTH = DAYS.last.replace(day=1)


@pytest.fixture(autouse=True)
def no_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers start from nothing: tests of pages leave the app's script as this process's."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))


def test_workers_load_what_one_process_would_and_tell_each_failure(
    module_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bill = {day: ["1.25", "0.000000000001"] for day in DAYS if day >= MONTH}
    with installed(module_database, tmp_path / "home") as settings:
        hand_to_builds(module_database, settings.home)
        for slug in ("east", "empty", "west"):
            add_focus_account(module_database, settings, slug, tmp_path / slug)
        for slug in ("east", "west"):
            write_month(tmp_path / slug / "month.csv", bill)
        with workers(settings, module_database, 2) as pool:
            runs, marts = run_backfill(
                settings, module_database, None, DAYS, pool=pool, second_try_after=0
            )
    assert marts is None
    assert [(run.account, run.error is None) for run in runs] == [
        ("east", True),
        ("empty", False),
        ("west", True),
    ]
    with module_database.connect("dbt", autocommit=True) as conn:
        costs = conn.execute(
            "select account_id, usage_date, sum(billed_cost)::text from marts.fct_daily_costs"
            " group by 1, 2 order by 1, 2"
        ).fetchall()
        assert costs == [
            (slug, day, "1.250000000001") for slug in ("east", "west") for day in sorted(bill)
        ]
        demo_report.show(module_database)
        assert "are exact or explained" in capsys.readouterr().out
        conn.execute(
            "update marts.fct_reconciliations set state = 'blocked'"
            " where account_id = 'east' and check_name = 'charges_vs_daily'"
        )
    with pytest.raises(AstraeusError, match="leave a rest that nothing explains"):
        demo_report.show(module_database)

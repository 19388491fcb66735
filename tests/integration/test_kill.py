"""Loads that are killed without warning: what stands afterwards is what would have stood."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.warehouse.engine import Database
from tests.conftest import fresh_database
from tests.fixtures.delivering_child import deliver_all
from tests.fixtures.forked import forking

pytestmark = pytest.mark.integration

ACCOUNTS, KILLS = 2, 6
HEADER = (
    "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,"
    "BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,"
    "ChargePeriodStart,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,"
    "PricingUnit,ProviderName,PublisherName,ServiceCategory,ServiceName,Tags"
)
CONTENTS = (
    "select account_id, usage_date, count(*), sum(billed_cost),"
    " sum(hashtextextended((to_jsonb(charges) - 'delivery_id')::text, 0))"
    " from raw.focus_costs as charges group by 1, 2 order by 1, 2"
)
PARTITIONS = (
    "select account_id, usage_date, billing_period, digest, rows, sums, state"
    " from raw.partitions order by 1, 2, 3"
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write one CSV of ten days and 20,000 charges per account."""
    draw = random.Random(1)
    for account in range(ACCOUNTS):
        folder = tmp_path / "files" / f"kill-{account}"
        folder.mkdir(parents=True)
        lines = [_line(draw, row % 10 + 1, row) for row in range(20_000)]
        (folder / "2026-09.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    return tmp_path / "files"


def _line(draw: random.Random, day: int, row: int) -> str:
    cost = f"{draw.randrange(10**9)}.{draw.randrange(10**9):09d}"
    start, end = f"2026-09-{day:02d}T00:00:00Z", f"2026-09-{day + 1:02d}T00:00:00Z"
    return (
        f"{cost},b-1,Payer,USD,2026-10-01T00:00:00Z,2026-09-01T00:00:00Z,Usage,,Charge {row},"
        f"{end},{start},{cost},{cost},Bench,{cost},1,Hours,Bench,Bench,Compute,Service {row % 7},"
        f'"{{""team"":""t{row % 5}""}}"'
    )


def state(database: Database) -> list[tuple[Any, ...]]:
    with database.connect("admin", autocommit=True) as conn:
        return [*conn.execute(CONTENTS).fetchall(), *conn.execute(PARTITIONS).fetchall()]


def kill_backend(database: Database) -> None:
    """End the loader's session from the server's side, as an operator or a failover would."""
    with database.connect("admin", autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'astraeus_loader' and datname = current_database()"
        )


def test_killed_loads_leave_the_rows_of_an_undisturbed_one(
    database: Database,
    database_server: Database,
    template: Database,
    files: Path,
    tmp_path: Path,
) -> None:
    draw = random.Random(3)
    with forking() as start:
        for number in range(KILLS):
            process = start(deliver_all, database, files, tmp_path / "landing")
            time.sleep(draw.uniform(0.05, 1.0))
            if number % 3 == 2:
                kill_backend(database)
            process.kill()
            process.join()
    deliver_all(database, files, tmp_path / "landing")
    with fresh_database(database_server, template) as undisturbed:
        deliver_all(undisturbed, files, tmp_path / "landing-of-peace")
        wanted = state(undisturbed)
    assert sum(row[2] for row in wanted if isinstance(row[2], int)) == ACCOUNTS * 20_000
    assert state(database) == wanted

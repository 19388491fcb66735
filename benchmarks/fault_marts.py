"""What the marts say of trial accounts after a build, and what they say of held-back days."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import psycopg

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.orchestration.environment import child_environment
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse.engine import Database
from benchmarks.fault_layers import plant_views, staging_over

# What shows days and money.
_SELECTED: Final = ("+fct_reconciliations", "+fct_freshness", "+fct_deliveries")
# Figures of a day, without what only says which delivery they came by.
_FIGURES: Final = """
select account_id, usage_date, billing_account_id, sub_account_id, sub_account_name,
    service_category, service_name, region_id, charge_category, billing_currency, billing_period,
    list_cost, contracted_cost, effective_cost, billed_cost, charges, is_final, is_invoiced
from marts.fct_daily_costs
"""
_HELD: Final = """
select partitions.account_id, partitions.usage_date, max(held.reason)
from raw.partitions
left join raw.delivery_days as held
    on
        held.delivery_id = partitions.blocked_by
        and held.usage_date = partitions.usage_date
        and held.billing_period = partitions.billing_period
where partitions.state <> 'loaded'
group by 1, 2
"""
_SHOWN: Final = """
select account_id, usage_date, held_back from marts.fct_freshness where held_back is not null
"""
_COMPARED: Final = """
select account_id, usage_date, string_agg(distinct check_name, ', ' order by check_name)
from marts.fct_reconciliations
where state = 'blocked' and usage_date is not null
group by 1, 2
"""
_FAILED: Final = """
select account_id, first_day, last_day, reason from marts.fct_deliveries where state = 'failed'
"""

Key = tuple[str, date]


@dataclass(frozen=True)
class Told:
    """All that can be read after a build, by account and day."""

    figures: dict[Key, Counter[tuple[Any, ...]]] = field(default_factory=dict)
    held: dict[Key, str] = field(default_factory=dict)  # why the loader held the day back
    shown: dict[Key, str] = field(default_factory=dict)  # blocked or refused, in fct_freshness
    compared: dict[Key, str] = field(default_factory=dict)  # checks with a residual
    failed: dict[str, list[tuple[date, date, str]]] = field(default_factory=dict)

    def failure(self, account: str, day: date) -> str | None:
        """Return why the delivery of a day failed as a whole, if it did."""
        spans = self.failed.get(account, ())
        return next((why for first, last, why in spans if first <= day <= last), None)


class Marts:
    """dbt over a database, from a copy of the project whose staging reads the planted views."""

    def __init__(self, database: Database, home: Path, tables: Sequence[RawTable]) -> None:
        self.database, self.target = database, home / "dbt"
        self.project = shutil.copytree(
            PROJECT_ROOT / "dbt_project",
            home / "project",
            ignore=shutil.ignore_patterns("target", "logs"),
        )
        settings = Settings(home=home, database_url=None, landing_url=None)
        self.environment = os.environ | child_environment(settings, database)
        with database.connect("admin", autocommit=True) as conn:
            plant_views(conn, tables)
        for table in tables:
            suffix = f"_{table.shape}" if table.shape else ""
            path = self.project / f"models/staging/stg_{table.provider}__costs{suffix}.sql"
            read, planted = staging_over(table)
            text = path.read_text()
            assert text.count(read) == 1, path.name
            path.write_text(text.replace(read, planted))

    def build(self, *, is_tested: bool = True) -> None:
        """Build the marts as the pipeline does, tests between the models included unless told so.

        Raises: SystemExit with dbt's words.
        """
        dbt, target = str(Path(sys.executable).with_name("dbt")), str(self.target)
        left_out = ("unit_test",) if is_tested else ("unit_test", "test")
        paths = ["--target-path", target, "--log-path", target]
        folders = ["--project-dir", str(self.project), "--profiles-dir", str(self.project)]
        chosen = ["--indirect-selection", "cautious", "--select", *_SELECTED]
        command = [dbt, "build", "--no-version-check", "--exclude-resource-type", *left_out]
        done = subprocess.run(
            [*command, *chosen, *paths, *folders],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stdout[-3000:] + done.stderr[-2000:])

    def told(self) -> Told:
        """Read figures, and what speaks against days."""
        with self.database.connect("admin", autocommit=True) as conn:
            told = Told(
                held=_by_day(conn, _HELD),
                shown=_by_day(conn, _SHOWN),
                compared=_by_day(conn, _COMPARED),
            )
            for account, day, *figures in conn.execute(_FIGURES):
                told.figures.setdefault((account, day), Counter())[tuple(figures)] += 1
            for account, first, last, reason in conn.execute(_FAILED):
                told.failed.setdefault(account, []).append((first, last, reason))
        return told


def _by_day(conn: psycopg.Connection, query: str) -> dict[Key, str]:
    return {(row[0], row[1]): row[2] or "" for row in conn.execute(query.encode())}

"""Claim: marts of one changed day cost 1/100 of the CPU of a full rebuild at 10M charges.

A private server holds the history; `dbt run` builds all models in full, then again after the
loader has replaced one day of every account, after 31 days, and after nothing. CPU of the SQL is
the server's; what dbt itself takes (start, parse, compile, log) is the client's, and the same
whatever the number of partitions: one invocation covers them all.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.orchestration.environment import child_environment
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.data import charges
from benchmarks.deliveries import contract_rows
from benchmarks.estates import settings_of
from benchmarks.history import ACCOUNTS, ROWS_PER_DAY, fill
from benchmarks.measure import Cost, machine, measure
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

LAST = date(2026, 9, 30)
OPTIONS = LoadOptions(today=LAST + timedelta(days=10), settle_days=3)


@dataclass(frozen=True)
class Build:
    """One dbt invocation: its cost, and the seconds that each model took inside it."""

    what: str
    cost: Cost
    models: dict[str, float]


class Marts:
    """Changes days of the history and builds the marts over them."""

    def __init__(self, place: Scratch) -> None:
        self.place = place
        self.target = place.home / "dbt"
        # A copy: whoever edits the project meanwhile would change what is measured.
        self.project = shutil.copytree(
            PROJECT_ROOT / "dbt_project",
            place.home / "project",
            ignore=shutil.ignore_patterns("target", "logs"),
        )
        self.environment = os.environ | child_environment(settings_of(place), place.database)
        self.changes = 0

    def build(self, what: str, *flags: str) -> Build:
        """Run dbt once over whatever changed."""
        self.place.settle()
        cost = measure(self.place.server, lambda: self._dbt("run", *flags))
        results = json.loads((self.target / "run_results.json").read_text())["results"]
        models = {each["unique_id"].split(".")[-1]: each["execution_time"] for each in results}
        return Build(what, cost, models)

    def change(self, days: DayRange) -> None:
        """Replace the days of every account through the loader."""
        with self.place.database.connect("loader", autocommit=True) as conn:
            for account in range(ACCOUNTS):
                self.changes += 1
                rows = [
                    RowBatch(contract_rows(batch))
                    for batch in charges(account, days, ROWS_PER_DAY + self.changes // ACCOUNTS)
                ]
                slug = f"bench-{account:02d}"
                fetched = Fetched(slug, "costs", days, "api", "benchmark", parts=())
                payload = StoredPayload("none", f"change-{self.changes}", 0)
                result = load(conn, FOCUS_COSTS, fetched, payload, rows.copy, OPTIONS)
                assert len(result.days("replaced")) == len(days), result

    def prepare(self) -> None:
        """Load the seeds, and let dbt parse the project once."""
        self._dbt("seed")

    def _dbt(self, *words: str) -> None:
        dbt, target = str(Path(sys.executable).with_name("dbt")), str(self.target)
        command = [dbt, *words, "--target-path", target, "--log-path", target]
        folders = ["--project-dir", str(self.project), "--profiles-dir", str(self.project)]
        done = subprocess.run(
            [*command, *folders, "--no-version-check"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stdout[-3000:] + done.stderr[-2000:])


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3, help="incremental builds; medians")
    parser.add_argument("--full-runs", type=int, default=1)
    chosen = parser.parse_args()
    with scratch() as place:
        # Its work is due to the history, not to the build that it happens to fall into.
        place.admin.execute("alter system set autovacuum = off")
        place.admin.execute("select pg_reload_conf()")
        fill(place, LAST, chosen.rows)
        marts = Marts(place)
        marts.prepare()
        builds = [marts.build("full rebuild", "--full-refresh") for _ in range(chosen.full_runs)]
        place.admin.execute("vacuum analyze")
        for number in range(chosen.runs):
            day = LAST - timedelta(days=2 + number)
            marts.change(DayRange(day, day))
            builds.append(marts.build("one day of all accounts"))
        marts.change(DayRange(LAST - timedelta(days=20), LAST - timedelta(days=10)))
        builds.append(marts.build("eleven days of all accounts"))
        builds.append(marts.build("nothing changed"))
        report = _report(builds, machine(place.admin), vars(chosen))
    raise SystemExit(0 if report.publish() else 1)


def _report(builds: list[Build], on: dict[str, str], options: dict[str, Any]) -> Report:
    kinds = list(dict.fromkeys(build.what for build in builds))
    sides = {kind: [build for build in builds if build.what == kind] for kind in kinds}
    full, day = sides["full rebuild"], sides["one day of all accounts"]
    sql = {kind: _middle([each.cost.server_cpu for each in made]) for kind, made in sides.items()}
    overhead = _middle([each.cost.client_cpu for each in day])
    slowest = sorted(day[-1].models.items(), key=lambda each: -each[1])[:4]
    return Report(
        name="marts",
        title=f"Marts over {options['rows']:,} charges, one dbt invocation each",
        machine=on,
        options=options,
        header=("build", "n", "s", "SQL CPU s", "dbt's own CPU s", "SQL CPU ratio"),
        rows=[
            (
                kind,
                str(len(made)),
                f"{_middle([each.cost.wall for each in made]):.1f}",
                f"{sql[kind]:.2f}",
                f"{_middle([each.cost.client_cpu for each in made]):.1f}",
                f"1/{sql['full rebuild'] / max(sql[kind], 0.01):.0f}",
            )
            for kind, made in sides.items()
        ],
        goals=[
            Goal(
                "CPU of the SQL, one day / full rebuild",
                sql["one day of all accounts"] / sql["full rebuild"],
                0.01,
            ),
        ],
        notes=(
            f"dbt's overhead beyond the SQL is {overhead:.1f} CPU s an invocation, one invocation"
            " a run however many partitions changed.",
            "With dbt's own CPU on both sides one day costs"
            f" 1/{full[0].cost.cpu / _middle([each.cost.cpu for each in day]):.0f}.",
            "Slowest models of one day: "
            + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest),
        ),
    )


def _middle(values: list[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()

"""Claim: 50 random kill -9 during a backfill leave exactly the rows of an undisturbed one.

A child process ingests 10 accounts x 60 days through Dagster's own assets and is killed without
warning after a random time, three times in four counted from its first load; every fifth time it
is the server that dies: a backend of the loader, or the postmaster. Before each start the bills
have changed on every day, to another version and back, so that there is always work to be killed
in. Then the backfill of the first version runs to its end. Contents of raw.focus_costs (without
delivery ids) and raw.partitions (digest, rows, sums, state) must equal those of a second
installation where nothing was killed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import psutil
import psycopg

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.orchestration import backfilling  # noqa: F401 - imported before the fork
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database, open_database
from benchmarks.backfill import ingest
from benchmarks.data import Estate, files
from benchmarks.estates import Files, add_accounts, bill
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch

LAST: Final = date(2026, 9, 30)
Victim = Literal["process", "backend", "postmaster"]

# One number per account for rows in any order; jsonb spells values in one way.
CONTENTS: Final = """
select account_id, count(*), sum(hashtextextended((to_jsonb(charges) - 'delivery_id')::text, 0))
from raw.focus_costs as charges group by 1 order by 1
"""
PARTITIONS: Final = """
select account_id, usage_date, billing_period, digest, rows, sums, state
from raw.partitions order by 1, 2, 3
"""


class Alive(Protocol):
    """A process that may end."""

    def is_alive(self) -> bool:
        """Whether it has not."""
        ...


@dataclass(frozen=True)
class State:
    """What stands, without when and by which delivery."""

    contents: list[tuple[Any, ...]]
    partitions: list[tuple[Any, ...]]


def state(database: Database) -> State:
    """Read what stands."""
    with database.connect("admin", autocommit=True) as conn:
        return State(conn.execute(CONTENTS).fetchall(), conn.execute(PARTITIONS).fetchall())


def child(home: Path, accounts: list[str], days: DayRange) -> None:
    """Ingest all accounts, silently, in a forked process: what is imported need not be again."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    ingest(home, accounts, days)


class Killer:
    """Starts children and kills them, or their server, at random moments."""

    def __init__(self, home: Path, estate: Estate, versions: list[Files], seed: int) -> None:
        self.settings = Settings(home=home, database_url=None, landing_url=None)
        self.work = (home, estate.account_ids(), estate.days)
        self.versions = versions
        self.draw = random.Random(seed)
        self.struck: Counter[str] = Counter()

    def strike(self, number: int, longest: float) -> None:
        """Let a child work for a random time on changed bills, then kill it or its server."""
        database = open_database(self.settings)
        bill(database, self.versions[(number + 1) % len(self.versions)])
        server: Victim = "postmaster" if number % 10 == 9 else "backend"
        self.kill(
            self._started(),
            "process" if number % 5 != 4 else server,
            longest,
            database,
            in_a_load=bool(number % 4),  # else many would die before they have begun
        )

    def kill(
        self,
        process: BaseProcess,
        victim: Victim,
        longest: float,
        database: Database,
        *,
        in_a_load: bool,
    ) -> bool:
        """Let a child work for a random time, then kill it or its server; False if it had ended."""
        if in_a_load:
            self.await_load(database, process)
        time.sleep(self.draw.uniform(0.0, longest))
        was_alive = process.is_alive()
        if not was_alive:
            self.struck["nothing: the backfill had ended"] += 1
        elif victim != "process":
            self._kill_server(database, whole=victim == "postmaster")
        else:
            moment = self._moment(database)
            process.kill()
            self.struck[f"the process, {moment}"] += 1
        process.kill()
        process.join()
        return was_alive

    def run_to_the_end(self) -> None:
        """Run the child once more, in peace."""
        bill(open_database(self.settings), self.versions[0])
        process = self._started()
        process.join()
        assert process.exitcode == 0, process.exitcode

    def _started(self) -> ForkProcess:
        process = get_context("fork").Process(target=child, args=self.work)
        process.start()
        return process

    def kill_postmaster(self, database: Database) -> None:
        """Kill the server; nobody starts it again here."""
        with psycopg.connect(_admin(database), autocommit=True) as conn:
            postmaster = psutil.Process(conn.info.backend_pid).ppid()
        os.kill(postmaster, signal.SIGKILL)
        self.struck["the postmaster"] += 1

    def _kill_server(self, database: Database, *, whole: bool) -> None:
        with psycopg.connect(_admin(database), autocommit=True) as conn:
            row = conn.execute(
                "select pid from pg_stat_activity where usename = 'astraeus_loader'"
                " and backend_type = 'client backend' limit 1"
            ).fetchone()
        if whole or row is None:
            self.kill_postmaster(database)
        else:
            os.kill(row[0], signal.SIGKILL)
            self.struck["a backend, and with it all sessions"] += 1
        self._wait_for_server()

    def await_load(self, database: Database, process: Alive) -> bool:
        """Wait until a load's transaction is open; False if the child ended before."""
        with database.connect("admin", autocommit=True) as conn:
            while process.is_alive():
                if _activity(conn)[1]:
                    return True
                time.sleep(0.01)
        return False

    def _moment(self, database: Database) -> str:
        with database.connect("admin", autocommit=True) as conn:
            is_copying, is_loading = _activity(conn)
        if is_copying:
            return "during a COPY"
        return "elsewhere in a load's transaction" if is_loading else "outside of a transaction"

    def _wait_for_server(self) -> None:
        for _ in range(60):
            try:
                open_database(self.settings).connect("admin").close()
            except AstraeusError:
                time.sleep(0.5)
            else:
                return
        raise SystemExit("the server did not come back within 30 s")


def _admin(database: Database) -> str:
    return database.admin_url.set(drivername="postgresql").render_as_string(hide_password=False)


def _activity(conn: psycopg.Connection) -> tuple[bool, bool]:
    """Say whether a COPY is under way, and whether a load's transaction is open."""
    row = conn.execute(
        "select exists (select 1 from pg_stat_progress_copy), exists (select 1 from"
        " pg_stat_activity where usename = 'astraeus_loader' and xact_start is not null)"
    ).fetchone()
    assert row is not None
    return bool(row[0]), bool(row[1])


def main() -> None:
    """Kill, re-run, compare, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--accounts", type=int, default=10)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rows-per-day", type=int, default=2000)
    parser.add_argument("--longest", type=float, default=6.0, help="seconds until a kill")
    parser.add_argument("--seed", type=int, default=2)
    chosen = parser.parse_args()
    days = DayRange(LAST - timedelta(days=chosen.days - 1), LAST)
    estate = Estate(chosen.accounts, days, chosen.rows_per_day)
    revised = Estate(chosen.accounts, days, chosen.rows_per_day + 1)
    versions = [files(each, "parquet") for each in (estate, revised)]
    with scratch() as peace:
        on = machine(peace.admin)
        add_accounts(peace, versions[0])
        Killer(peace.home, estate, versions, 0).run_to_the_end()
        wanted = state(peace.database)
    started = time.perf_counter()
    with scratch() as war:
        add_accounts(war, versions[0])
        war.admin.close()
        killer = Killer(war.home, estate, versions, chosen.seed)
        for number in range(chosen.kills):
            killer.strike(number, chosen.longest)
        killer.run_to_the_end()
        found = state(open_database(killer.settings))
    assert sum(row[1] for row in wanted.contents) == estate.rows, wanted.contents
    report = Report(
        name="kill",
        title=f"{chosen.kills} kills during a backfill of {chosen.accounts} accounts"
        f" x {chosen.days} days, {estate.rows:,} rows, {time.perf_counter() - started:.0f} s",
        machine=on,
        options=vars(chosen),
        header=("killed", "times"),
        rows=[(what, str(times)) for what, times in sorted(killer.struck.items())],
        goals=[
            Goal("accounts whose rows differ", differing(wanted.contents, found.contents), 0),
            Goal("partitions that differ", differing(wanted.partitions, found.partitions), 0),
        ],
        notes=("Rows are compared without their delivery ids, partitions without times.",),
    )
    raise SystemExit(0 if report.publish() else 1)


def differing(wanted: list[tuple[Any, ...]], found: list[tuple[Any, ...]]) -> int:
    return sum(row not in found for row in wanted) + sum(row not in wanted for row in found)


if __name__ == "__main__":
    main()

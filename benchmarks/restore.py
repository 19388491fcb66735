"""Claim: a backup comes back into an empty home with every row of every table as it was.

The warehouse of `benchmarks.warehouses` and as many megabytes of payloads as asked for are saved by
`astraeus backup` and brought by `astraeus restore` into an empty home with a server of its own, as
people run them. Rows are compared table by table, by their number and the sum of their hashes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg import sql

from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import backup, embedded
from astraeus_pipeline.warehouse.engine import Database, open_database
from benchmarks.data import cache_folder
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch
from benchmarks.warehouses import warehouse

_PAYLOAD: Final = 1_000_000
# Which says of itself who saved and restored it.
_OTHER: Final = "app.audit_log"
Tables = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Took:
    """Seconds of a command as its user waits for them, and what it told."""

    seconds: float
    told: dict[str, Any]


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=1000, help="of payloads")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    with warehouse(chosen.charges) as place, _folder("backup-") as folder, _folder("home-") as home:
        on = machine(place.admin)
        _land(place, chosen.megabytes)
        before = _tables(place.database)
        size = backup.database_bytes(place.database)
        saved = _run(place.home, "backup", str(folder / "saved"), "--jobs", str(chosen.jobs))
        restored = _run(home, "restore", str(folder / "saved"), "--jobs", str(chosen.jobs))
        after = _tables(open_database(Settings(home=home, database_url=None, landing_url=None)))
    other = [name for name, rows in before.items() if name != _OTHER and after.get(name) != rows]
    rows = sum(count for count, _ in before.values())
    missing = restored.told["payloads missing"] - saved.told["payloads missing"]
    report = Report(
        "restore",
        "A backup, and its restore into an empty home",
        on,
        vars(chosen),
        ("step", "seconds", "rows a second", "MB"),
        [
            ("backup", f"{saved.seconds:.1f}", f"{rows / saved.seconds:,.0f}", _mb(size)),
            (
                "restore",
                f"{restored.seconds:.1f}",
                f"{rows / restored.seconds:,.0f}",
                _mb(saved.told["bytes"]),
            ),
        ],
        [
            Goal(f"tables of {len(before)} with other rows", len(other), 0),
            # Charges of the warehouse were made without files: one name that nothing lies under.
            Goal("payloads that are missing since", missing, 0),
        ],
        (
            f"{rows:,} rows in all; MB of the database, then of its dump;"
            f" {chosen.megabytes} MB of payloads are copied beside it.",
            *other,
        ),
    )
    raise SystemExit(0 if report.publish() else 1)


def _run(home: Path, *words: str) -> Took:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ASTRAEUS_")
    }
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "astraeus_pipeline.cli", *words, "--json"],
        env=environment | {"ASTRAEUS_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Took(time.perf_counter() - began, json.loads(done.stdout))


def _land(place: Scratch, megabytes: int) -> None:
    """Fill the landing store; bytes that do not compress, as Parquet does not."""
    for number in range(megabytes):
        place.landing.put(f"{number}.parquet", [os.urandom(_PAYLOAD)], "parquet")


def _tables(database: Database) -> Tables:
    """Return number and summed hash of the rows of each table, in whatever order they lie."""
    with database.connect("admin", autocommit=True) as conn:
        return {
            name: conn.execute(
                sql.SQL(
                    "select count(*), sum(hashtextextended(each::text, 0)::numeric)::text"
                    " from {} as each"
                ).format(sql.Identifier(*name.split(".")))
            ).fetchone()
            for name in backup.row_counts(conn)
        }  # type: ignore[return-value] # one row each


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=cache_folder()))
    made.chmod(0o711)
    try:
        yield made
    finally:
        embedded.stop(made)
        shutil.rmtree(made, ignore_errors=True)


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"


if __name__ == "__main__":
    main()

"""Against the FinOps Foundation's published sample, and against memory."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.focus_files import account, csv_text, deliver, line, only

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("ASTRAEUS_SAMPLE_DATA") or ROOT.parent / "shared" / "data")
SEPTEMBER = DayRange(date(2024, 9, 1), date(2024, 9, 30))


@pytest.fixture
def sample() -> Path:
    path = SAMPLES / "focus_1_0_sample_a.csv"
    if not path.exists():
        pytest.skip(f"no sample data at {SAMPLES} (set ASTRAEUS_SAMPLE_DATA)")
    return path


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> LandingStore:
    return LandingStore(str(tmp_path_factory.mktemp("landing")))


def test_published_sample_to_the_last_decimal(sample: Path, landing: LandingStore) -> None:
    with sample.open(encoding="utf-8-sig", newline="") as handle:
        lines = list(csv.DictReader(handle))
    one = only(deliver(account(sample), landing, SEPTEMBER))
    assert not one.rejects
    assert len(one.rows) == len(lines) == 600
    for column, name in (
        ("BilledCost", "billed_cost"),
        ("ListCost", "list_cost"),
        ("ConsumedQuantity", "consumed_quantity"),
        ("ListUnitPrice", "list_unit_price"),
    ):
        expected = [None if row[column] == "NULL" else Decimal(row[column]) for row in lines]
        assert [row[name] for row in one.rows] == expected
    assert [json.loads(row["payload"])["Id"] for row in one.rows] == [row["Id"] for row in lines]
    assert {row["billing_period"] for row in one.rows} == {date(2024, 9, 1)}
    assert all(row["tags"] is None or isinstance(json.loads(row["tags"]), dict) for row in one.rows)


def test_check_of_the_published_sample(sample: Path) -> None:
    assert "FOCUS 1.0" in FOCUS.check(account(sample)).summary


READ = """
import sys
from datetime import date
import pyarrow as pa
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.landing import LandingStore
landing = LandingStore(sys.argv[2])
source = Account("a", "focus", "A", {"url": sys.argv[1]})
days = DayRange(date(2026, 10, 1), date(2026, 10, 31))
[fetched] = FOCUS.fetch(source, "costs", days, landing)
print(sum(batch.rows.num_rows for batch in FOCUS.rows(fetched, landing)))
print(pa.default_memory_pool().max_memory() >> 20)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    header, *body = csv_text(
        [line(cost=f"{each}.5", ResourceId=f"i-{each:032}") for each in range(5_000)]
    ).splitlines(keepends=True)
    peaks = []
    for copies in (10, 60):
        (folder / "a.csv").write_bytes(header + b"".join(body) * copies)
        found = subprocess.run(
            [sys.executable, "-c", READ, str(folder), str(tmp_path / f"landing{copies}")],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        rows, peak = (int(each) for each in found.stdout.split()[-2:])
        assert rows == 5_000 * copies
        peaks.append(peak)
    # A file of 75 MB in less than its own size, and no more than what one of 12 MB takes.
    assert peaks[1] <= peaks[0] + 8
    assert peaks[1] < 64

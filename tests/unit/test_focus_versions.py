"""Which files are read: layouts, versions, manifests, and what is refused as ambiguous."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import PayloadError, PermanentError
from astraeus_pipeline.exports import versions
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, covers
from tests.fixtures.focus_files import OCTOBER, account, csv_text, deliver, line, only, write

SEPTEMBER_5 = date(2026, 9, 5)


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> LandingStore:
    return LandingStore(str(tmp_path_factory.mktemp("landing")))


@pytest.mark.parametrize(
    ("path", "month"),
    [
        ("billing_period=2026-10/a.csv", date(2026, 10, 1)),
        ("x/data/BILLING_PERIOD=2026-10/run/a.parquet", date(2026, 10, 1)),
        ("2026-10/a.csv", date(2026, 10, 1)),
        ("202610/a.csv", date(2026, 10, 1)),
        ("export/20261001-20261031/a.csv", date(2026, 10, 1)),
        ("report/20261201-20270101/a.csv", date(2026, 12, 1)),  # AWS names the exclusive end
        ("20261001-20261102/a.csv", None),
        ("year=2026/month=10/a.csv", date(2026, 10, 1)),
        ("2026-10.csv", None),  # names of files do not count, their rows do
        ("20261001-20261130/a.csv", None),
        ("2026-13/a.csv", None),
        ("a.csv", None),
    ],
)
def test_month_hint(path: str, month: date | None) -> None:
    assert versions.month_hint(path) == month


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-10_open.csv", "2026-10_final.csv"),
        ("2026-10_open.csv", "2026-10.csv"),
        ("2026-10.csv", "2026-10-closed.csv.gz"),
        ("open/2026-10.csv", "final/2026-10.csv"),
        ("focus-preliminary-202610.parquet", "focus-invoiced-202610.parquet"),
        ("2026-10/20261015T0600Z/a.csv", "2026-10/20261016T0600Z/a.csv"),
        ("2026-10/2026-10-05T09:31:29.123Z-x/a.csv", "2026-10/2026-10-06T08:31:29.123Z-x/a.csv"),
        ("20261001-20261031/202610150600/a.csv", "20261001-20261031/202610160600/a.csv"),
        ("2026-10/run=2026-10-15/a.csv", "2026-10/run=2026-10-16/a.csv"),
        ("2026-10/v9/a.csv", "2026-10/v10/a.csv"),
        ("2026-10_v1.csv", "2026-10_v2.csv"),
        (
            "2026-10/00000000-0000-0000-0000-00000000000b/a.csv",
            "2026-10/00000000-0000-0000-0000-00000000000a/a.csv",
        ),
    ],
)
@pytest.mark.parametrize("is_newer_written_first", [True, False])
def test_newest_version_wins(
    older: str, newer: str, is_newer_written_first: bool, tmp_path: Path, landing: LandingStore
) -> None:
    for path, cost in ((older, "1"), (newer, "2")):
        write(tmp_path / path, [line(cost=cost)])
    # Only folders named by a GUID have nothing but the time of their files to go by.
    if is_newer_written_first and "0000-0000" not in newer:
        os.utime(tmp_path / older, (2_000_000_000, 2_000_000_000))
    else:
        os.utime(tmp_path / older, (1_000_000_000, 1_000_000_000))
    assert only(deliver(account(tmp_path), landing)).billed == 2


@pytest.mark.parametrize(
    "paths",
    [
        ("2026-10_part-0001.csv", "2026-10_part-0002.csv"),
        ("2026-10/part-00000-aa11.csv.gz", "2026-10/part-00001-aa11.csv.gz"),
        ("2026-10_final_1.csv", "2026-10_final_2.csv"),
        ("billing_period=2026-10/a_1.parquet", "billing_period=2026-10/a_2.parquet"),
        ("aws/2026-10.csv", "azure/2026-10.csv"),
        ("aws_2026-10_final.csv", "azure_2026-10_open.csv"),
        ("111122223333_2026-10_final.csv", "444455556666_2026-10_open.csv"),
        ("2026-10/a.csv", "2026-10/b.csv"),
    ],
)
def test_parts_and_streams_are_all_read(
    paths: tuple[str, str], tmp_path: Path, landing: LandingStore
) -> None:
    for path, cost in zip(paths, ("1", "2"), strict=True):
        write(tmp_path / path, [line(cost=cost)])
    one = only(deliver(account(tmp_path), landing))
    assert one.billed == 3
    assert [row["row_number"] for row in one.rows] == [1, 2]


def test_files_of_a_day_each_are_parts(tmp_path: Path, landing: LandingStore) -> None:
    for day in (1, 2, 3):
        write(tmp_path / f"focus_2026-10-{day:02}.csv", [line(date(2026, 10, day), str(day))] * 2)
    assert only(deliver(account(tmp_path), landing)).billed == 12


def test_month_to_date_file_a_day_is_refused(tmp_path: Path, landing: LandingStore) -> None:
    for last in (2, 3):
        rows = [line(date(2026, 10, day)) for day in range(1, last + 1)]
        write(tmp_path / f"focus_2026-10-{last:02}.csv", rows)
    with pytest.raises(PayloadError, match="two states of one month"):
        deliver(account(tmp_path), landing)


def test_one_file_in_two_formats_is_refused(tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "2026-10.csv", [line()])
    write(tmp_path / "2026-10.parquet", [line()])
    with pytest.raises(PayloadError, match="two formats"):
        deliver(account(tmp_path), landing)
    assert only(deliver(account(tmp_path, files="*.parquet"), landing)).billed == Decimal("1.25")


def test_duplicate_is_read_once(tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "focus_1.csv", [line()])
    shutil.copy(tmp_path / "focus_1.csv", tmp_path / "focus_2.csv")
    one = only(deliver(account(tmp_path), landing))
    assert one.names == ["focus_1.csv"]
    assert one.billed == Decimal("1.25")


def test_file_of_several_months_is_a_part_of_each(tmp_path: Path, landing: LandingStore) -> None:
    october = line(date(2026, 10, 2), "2")
    correction = october | {"ChargePeriodStart": "2026-09-30T00:00:00Z", "BilledCost": "4"}
    write(tmp_path / "all.csv", [line(SEPTEMBER_5, "1"), october, correction])
    write(tmp_path / "more.csv", [line(date(2026, 11, 1), "8")])
    days = DayRange(date(2026, 9, 5), date(2026, 11, 2))
    september, of_october, november = deliver(account(tmp_path), landing, days)
    assert (september.billed, of_october.billed, november.billed) == (1, 6, 8)
    assert [each["row_number"] for each in of_october.rows] == [2, 3]
    assert of_october.rows[1]["usage_date"] == date(2026, 9, 30)
    assert september.names == of_october.names == ["all.csv"]
    assert september.fetched.days == DayRange.of_month(date(2026, 9, 1))
    assert november.fetched.days == DayRange(date(2026, 11, 1), date(2026, 11, 2))


def test_days_reach_to_the_last_charge(tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "a.csv", [line(date(2026, 10, 20))])
    one = only(deliver(account(tmp_path), landing, DayRange(date(2026, 10, 3), date(2026, 10, 4))))
    assert one.fetched.days == DayRange(date(2026, 10, 1), date(2026, 10, 20))


def test_folder_of_a_month_with_rows_of_another_is_refused(
    tmp_path: Path, landing: LandingStore
) -> None:
    write(tmp_path / "2026-10" / "a.csv", [line(), line(SEPTEMBER_5)])
    with pytest.raises(PayloadError, match=r"folder of 2026-10, but holds rows of 2026-09"):
        deliver(account(tmp_path), landing)


def test_folders_of_other_months_are_not_opened(tmp_path: Path, landing: LandingStore) -> None:
    (tmp_path / "2026-09").mkdir()
    (tmp_path / "2026-09" / "a.csv").write_bytes(b"broken")
    write(tmp_path / "2026-10" / "a.csv", [line()])
    assert only(deliver(account(tmp_path), landing)).billed == Decimal("1.25")


@covers("focus", Fault.EMPTY)
def test_header_only_file_empties_its_folder_s_month(tmp_path: Path, landing: LandingStore) -> None:
    path = write(tmp_path / "billing_period=2026-10" / "a.csv", [line()])
    path.write_bytes(csv_text([line()]).splitlines(keepends=True)[0])
    one = only(deliver(account(tmp_path), landing))
    assert (one.rows, one.names) == ([], ["billing_period=2026-10/a.csv"])


def test_nothing_found_says_what_is_there(tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "a.csv", [line(SEPTEMBER_5)])
    with pytest.raises(PermanentError, match=r"Account files: .*2026-10; found a\.csv.*"):
        deliver(account(tmp_path), landing)
    assert len(deliver(account(tmp_path), landing, DayRange(SEPTEMBER_5, OCTOBER.last))) == 1


@pytest.mark.parametrize(
    ("url", "files", "expected"),
    [
        ("*.csv", None, 1),
        ("**/*.csv", None, 3),
        ("", "a.csv", 1),
        ("", "*.csv", 3),
        ("", "sub/*", 2),
        ("s*b/[bc].csv", None, 2),
        ("a.csv", None, 1),
    ],
)
def test_globs(
    url: str, files: str | None, expected: int, tmp_path: Path, landing: LandingStore
) -> None:
    write(tmp_path / "a.csv", [line(cost="1")])
    write(tmp_path / "sub" / "b.csv", [line(cost="2")])
    one = only(deliver(account(tmp_path / url, files=files), landing))
    assert one.billed == expected


def test_writers_own_files_are_left_out(tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "_temporary" / "a.csv", [line()])
    write(tmp_path / ".a.csv", [line()])
    (tmp_path / "README.txt").write_text("hello")
    with pytest.raises(PermanentError, match="no CSV"):
        deliver(account(tmp_path), landing)


def aws_manifest(root: Path, files: list[str]) -> None:
    path = root / "exp" / "metadata" / "BILLING_PERIOD=2026-10" / "exp-Manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"dataFiles": [f"s3://bucket{root}/{each}" for each in files]}))


def test_aws_manifest_names_the_refresh(tmp_path: Path, landing: LandingStore) -> None:
    data = "exp/data/BILLING_PERIOD=2026-10"
    for run, cost in (("1-old", "1"), ("2-new", "2"), ("3-newer-but-not-announced", "4")):
        write(tmp_path / data / run / "exp-00001.parquet", [line(cost=cost)])
    aws_manifest(tmp_path, [f"{data}/2-new/exp-00001.parquet"])
    write(tmp_path / "other" / "2026-10.csv", [line(cost="8")])  # of another export
    assert only(deliver(account(tmp_path), landing)).billed == 10


def azure_run(root: Path, run: str, cost: str, submitted: str, **blob: Any) -> None:
    folder = f"exp/20261001-20261031/{run}"
    path = write(root / folder / "part_0_0001.csv", [line(cost=cost)])
    entry = {
        "blobName": f"{folder}/part_0_0001.csv",
        "byteCount": path.stat().st_size,
        "dataRowCount": 1,
    } | blob
    manifest = {
        "runInfo": {"submittedTime": submitted, "startDate": "2026-10-01T00:00:00"},
        "blobs": [entry],
    }
    (root / folder / "manifest.json").write_text(json.dumps(manifest))


def test_azure_s_newest_run_wins(tmp_path: Path, landing: LandingStore) -> None:
    azure_run(tmp_path, "b", "1", "2026-10-15T06:00:00.1234567Z")
    azure_run(tmp_path, "a", "2", "2026-10-16T06:00:00Z")
    write(tmp_path / "exp/20261001-20261031/running/part_0_0001.csv", [line(cost="4")])
    one = only(deliver(account(tmp_path), landing))
    assert one.billed == 2
    assert one.fetched.expected_rows == 1


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        ({"byteCount": 1}, "announces 1"),
        ({"dataRowCount": 2}, "1 rows where .* announces 2"),
        ({"blobName": "exp/gone.csv", "byteCount": None}, "gone.csv, which is not there"),
    ],
)
def test_manifest_that_does_not_fit_is_refused(
    blob: dict[str, Any], message: str, tmp_path: Path, landing: LandingStore
) -> None:
    azure_run(tmp_path, "a", "1", "2026-10-15T06:00:00Z", **blob)
    with pytest.raises(PayloadError, match=message):
        deliver(account(tmp_path), landing)


def test_plain_manifest_beside_its_files(tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "focus" / "a.csv", [line(cost="1")])
    write(tmp_path / "focus" / "b.csv", [line(cost="2")])
    (tmp_path / "focus" / "manifest.json").write_text(
        json.dumps({"files": [{"path": "b.csv", "rows": 1}]})
    )
    assert only(deliver(account(tmp_path), landing)).billed == 2


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"dataFiles": 3}'])
def test_unreadable_manifest_is_refused(text: str, tmp_path: Path, landing: LandingStore) -> None:
    write(tmp_path / "a.csv", [line()])
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(PayloadError, match=r"manifest\.json"):
        deliver(account(tmp_path), landing)


def test_fetch_is_lazy_about_other_datasets(tmp_path: Path, landing: LandingStore) -> None:
    with pytest.raises(PermanentError, match="not resources"):
        list(FOCUS.fetch(account(tmp_path), "resources", OCTOBER, landing))

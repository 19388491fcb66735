"""Exports that contradict themselves, or change while they are read: refused whole, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.errors import (
    AstraeusError,
    ConfigError,
    PayloadError,
    PermanentError,
    TransientError,
)
from astraeus_pipeline.providers.aws.bucket import BucketStore
from astraeus_pipeline.sandbox.data_exports import DataExport, encode
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws_exports import AUGUST, MONTH, RUNS, account, export, fetch, only, usage
from tests.fixtures.aws_exports import _one_try as _one_try  # fixtures, as the next three
from tests.fixtures.aws_exports import bucket as bucket
from tests.fixtures.aws_exports import landing as landing
from tests.fixtures.aws_exports import s3_url as s3_url
from tests.fixtures.focus_files import line as focus_line

DATA = f"exports/finance/cur/data/BILLING_PERIOD=2026-08/{RUNS[0]}/cur-00001.csv.gz"
MANIFEST = f"exports/finance/cur/metadata/BILLING_PERIOD=2026-08/{RUNS[0]}/cur-Manifest.json"


def no_manifest(s3: Any) -> None:
    s3.delete_object(Bucket="bills", Key=MANIFEST)


def one_month_without_manifest(s3: Any) -> None:
    s3.delete_object(Bucket="bills", Key=MANIFEST)
    export(s3).refresh(date(2026, 9, 1), RUNS[0], [[usage(date(2026, 9, 1))]])


def manifest_of_nothing(s3: Any) -> None:
    s3.put_object(Bucket="bills", Key=MANIFEST, Body=b"{}")


def half_a_manifest(s3: Any) -> None:
    s3.put_object(Bucket="bills", Key=MANIFEST, Body=b'{"dataFiles": ["s3://bi')


def manifest_of_a_gone_refresh(s3: Any) -> None:
    s3.delete_object(Bucket="bills", Key=DATA)


def manifest_of_a_gone_refresh_beside_an_old_one(s3: Any) -> None:
    s3.delete_object(Bucket="bills", Key=DATA)
    leftover = "exports/finance/cur/data/BILLING_PERIOD=2026-08/cur-00001.csv.gz"
    s3.put_object(Bucket="bills", Key=leftover, Body=encode([usage(cost="99")], "csv.gz"))


def half_a_file(s3: Any) -> None:
    content = encode([usage(cost=f"{n}") for n in range(3000)], "csv.gz")
    s3.put_object(Bucket="bills", Key=DATA, Body=content[: len(content) // 2])


def no_gzip(s3: Any) -> None:
    s3.put_object(Bucket="bills", Key=DATA, Body=b"this is not a bill")


def missing_column(s3: Any) -> None:
    row = usage()
    del row["line_item_unblended_cost"]
    s3.put_object(Bucket="bills", Key=DATA, Body=encode([row], "csv.gz"))


def missing_mandatory_column(s3: Any) -> None:
    row = usage()
    del row["line_item_usage_start_date"]
    s3.put_object(Bucket="bills", Key=DATA, Body=encode([row], "csv.gz"))


def rows_of_another_month(s3: Any) -> None:
    content = encode([usage(), usage(date(2026, 7, 30))], "csv.gz")
    s3.put_object(Bucket="bills", Key=DATA, Body=content)


def formats_mixed(s3: Any) -> None:
    keys = [DATA, DATA.replace("00001", "00002")]
    focus = encode([focus_line(date(2026, 8, 5))], "csv.gz")
    s3.put_object(Bucket="bills", Key=keys[1], Body=focus)
    export(s3).put_manifest(MANIFEST, "x", keys)


def file_of_another_kind(s3: Any) -> None:
    key = DATA.replace("csv.gz", "zip")
    s3.put_object(Bucket="bills", Key=key, Body=b"PK")
    export(s3).put_manifest(MANIFEST, "x", [DATA, key])


def all_files_emptied(s3: Any) -> None:
    s3.put_object(Bucket="bills", Key=DATA, Body=b"")


def two_exports(s3: Any) -> None:
    other = DataExport(s3, "bills", "exports/finance/cur", "second")
    other.refresh(MONTH, RUNS[0], [[usage()]])


@pytest.mark.parametrize(
    ("break_it", "error", "says"),
    [
        (no_manifest, PayloadError, "1 files of 2026-08.*no manifest"),
        (one_month_without_manifest, PayloadError, "no manifest"),
        (manifest_of_nothing, PayloadError, "is not a manifest that can be read"),
        (half_a_manifest, PayloadError, "is not a manifest that can be read"),
        (manifest_of_a_gone_refresh, PayloadError, "which is not there"),
        (manifest_of_a_gone_refresh_beside_an_old_one, PayloadError, "which is not there"),
        (half_a_file, PayloadError, "cut off"),
        (no_gzip, PayloadError, "cut off or no CSV file"),
        (missing_column, PayloadError, "neither a FOCUS export nor"),
        (missing_mandatory_column, PayloadError, "lacks mandatory CUR columns: line_item_usage"),
        (rows_of_another_month, PayloadError, "holds rows billed in 2026-07"),
        (formats_mixed, PayloadError, "is a FOCUS file among CUR files"),
        (file_of_another_kind, PayloadError, "neither Parquet, CSV nor CSV.gz"),
        (all_files_emptied, PayloadError, "are empty"),
        (two_exports, ConfigError, "holds several exports"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_contradicts_itself_is_refused_whole(
    bucket: Any,
    s3_url: str,
    landing: LandingStore,
    break_it: Any,
    error: type[AstraeusError],
    says: str,
) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage()]])
    break_it(bucket)
    with pytest.raises(error, match=says) as caught:
        fetch(account(cur.url, s3_url), AUGUST, landing)
    assert caught.value.message.startswith("AWS account payer: ")
    assert caught.value.hint
    assert "canary" not in str(caught.value)


def test_a_file_named_or_stored_twice_counts_once(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket)
    keys = cur.refresh(MONTH, RUNS[0], [[usage(cost="3")], [usage(cost="3")]])
    cur.put_manifest(MANIFEST, "x", [*keys, *keys])
    one = only(fetch(account(cur.url, s3_url), AUGUST, landing))
    assert (one.cost, len(one.fetched.parts)) == (3, 1)


def test_announced_rows_are_passed_on_to_the_loader(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket)
    keys = cur.refresh(MONTH, RUNS[0], [[usage(cost="3")], [usage(cost="4")]])
    document = {"files": [{"path": key, "rows": 1} for key in keys]}
    bucket.put_object(Bucket="bills", Key=MANIFEST, Body=json.dumps(document).encode())
    assert only(fetch(account(cur.url, s3_url), AUGUST, landing)).fetched.expected_rows == 2


def test_unknown_columns_are_kept_and_wrong_values_rejected(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    rows = [
        usage(cost="1", line_item_brand_new="x"),
        usage(cost="2", line_item_brand_new=None, line_item_usage_amount="many"),
        usage(cost="3", line_item_brand_new=None, line_item_currency_code=None),
        usage(
            cost="4", line_item_brand_new=None, line_item_line_item_type="SavingsPlanCoveredUsage"
        ),
    ]
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [rows])
    one = only(fetch(account(cur.url, s3_url), AUGUST, landing))
    assert [json.loads(row["payload"])["line_item_brand_new"] for row in one.rows] == ["x"]
    assert [each.reason for each in one.rejects] == [
        "line_item_usage_amount cannot be read as its type",
        "line_item_currency_code is missing",
        "SavingsPlanCoveredUsage without savings_plan_savings_plan_effective_cost",
    ]
    assert {each.usage_date for each in one.rejects} == {date(2026, 8, 5)}


def test_a_column_of_a_hopeless_type_is_refused(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    content = encode([usage()], "parquet")
    table = pq.read_table(pa.BufferReader(content))
    position = table.column_names.index("line_item_unblended_cost")
    table = table.set_column(position, "line_item_unblended_cost", pa.array([[1]]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    cur = export(bucket, format="parquet")
    cur.put(MONTH, RUNS[0], [sink.getvalue().to_pybytes()])
    with pytest.raises(PayloadError, match=r"line_item_unblended_cost of .* cannot be read"):
        fetch(account(cur.url, s3_url), AUGUST, landing)


def test_files_newer_than_their_manifest_are_being_rewritten(
    bucket: Any, s3_url: str, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cur = export(bucket, is_overwritten=True)
    cur.refresh(MONTH, "one", [[usage()]])
    listing = BucketStore.list

    def later(self: BucketStore) -> list[Any]:
        return [
            type(each)(each.path, each.size, each.modified + timedelta(hours=8), each.version)
            if each.media_type
            else each
            for each in listing(self)
        ]

    monkeypatch.setattr(BucketStore, "list", later)
    with pytest.raises(TransientError, match="is newer than"):
        fetch(account(cur.url, s3_url), AUGUST, landing)


@pytest.mark.parametrize("which", [DATA, MANIFEST])
def test_what_changes_while_it_is_read_is_read_again_later(
    bucket: Any,
    s3_url: str,
    landing: LandingStore,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage()]])
    chunks = BucketStore.chunks
    content = bucket.get_object(Bucket="bills", Key=which)["Body"].read()

    def changed(self: BucketStore, file: Any) -> Iterator[bytes]:
        if file.media_type:
            other = encode([usage(cost="7")], "csv.gz") if which == DATA else content + b" "
            bucket.put_object(Bucket="bills", Key=which, Body=other)
        return chunks(self, file)

    monkeypatch.setattr(BucketStore, "chunks", changed)
    with pytest.raises(TransientError):
        fetch(account(cur.url, s3_url), AUGUST, landing)


def test_a_bucket_that_is_not_there(s3_url: str, landing: LandingStore) -> None:
    with pytest.raises(PermanentError, match="NoSuchBucket"):
        fetch(account("s3://gone/export", s3_url), AUGUST, landing)

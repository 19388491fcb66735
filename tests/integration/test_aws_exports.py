"""AWS exports through real boto3 against moto's S3: layouts, refreshes, formats, settings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
)
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.providers.aws.bucket import BucketStore
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer
from astraeus_pipeline.sandbox.cost_explorer import Line as Stated
from astraeus_pipeline.sandbox.data_exports import LegacyReport, encode
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws_exports import AUGUST, MONTH, RUNS, account, export, fetch, only, usage
from tests.fixtures.aws_exports import _one_try as _one_try  # fixtures, as the next three
from tests.fixtures.aws_exports import bucket as bucket
from tests.fixtures.aws_exports import landing as landing
from tests.fixtures.aws_exports import s3_url as s3_url
from tests.fixtures.focus_files import line as focus_line


@pytest.mark.parametrize("format_", ["csv.gz", "parquet"])
def test_ten_listed_refreshes_count_once(
    bucket: Any, s3_url: str, landing: LandingStore, format_: Any
) -> None:
    cur = export(bucket, format=format_)
    for number, run in enumerate(RUNS, 1):
        chunks = [[usage(cost=f"{number}.1")], [usage(date(2026, 8, 6), cost=f"{number}.02")]]
        cur.refresh(MONTH, run, chunks)
    listed = bucket.list_objects_v2(Bucket="bills", Prefix="exports/finance/cur/data/")
    assert listed["KeyCount"] == 20
    one = only(fetch(account(cur.url, s3_url), AUGUST, landing))
    assert (one.cost, len(one.rows)) == (Decimal("20.12"), 2)
    assert [part.name.split("/")[2] for part in one.fetched.parts] == [RUNS[-1]] * 2
    assert (one.fetched.shape, one.fetched.source, one.fetched.days) == ("cur", "export", AUGUST)


def test_a_refresh_in_place_leaves_chunks_behind(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket, is_overwritten=True)
    old = cur.refresh(MONTH, "one", [[usage(cost="1")], [usage(cost="2")], [usage(cost="4")]])
    cur.refresh(MONTH, "two", [[usage(cost="8")]])
    assert only(fetch(account(cur.url, s3_url), AUGUST, landing)).cost == 8
    # as AWS does it where the manifest still names them
    manifest = "exports/finance/cur/metadata/BILLING_PERIOD=2026-08/cur-Manifest.json"
    bucket.put_object(Bucket="bills", Key=old[1], Body=b"")
    bucket.put_object(Bucket="bills", Key=old[2], Body=gzip.compress(b""))
    cur.put_manifest(manifest, "three", old)
    one = only(fetch(account(cur.url, s3_url), AUGUST, landing))
    assert (one.cost, len(one.fetched.parts)) == (8, 1)


@pytest.mark.parametrize("key", ["BILLING_PERIOD", "billing_period"])
def test_folders_of_months_in_either_case(
    bucket: Any, s3_url: str, landing: LandingStore, key: str
) -> None:
    data = f"exports/finance/cur/data/{key}=2026-08/cur-00001.csv.gz"
    bucket.put_object(Bucket="bills", Key=data, Body=encode([usage(cost="3")], "csv.gz"))
    cur = export(bucket)
    cur.put_manifest(f"exports/finance/cur/metadata/{key}=2026-08/cur-Manifest.json", "x", [data])
    assert only(fetch(account(cur.url, s3_url), AUGUST, landing)).cost == 3


def legacy(row: dict[str, Any]) -> dict[str, Any]:
    """Spell a line of CUR 2.0 under the names of the reports before."""
    groups = {
        "identity": "identity",
        "bill": "bill",
        "line_item": "lineItem",
        "pricing": "pricing",
        "product": "product",
        "savings_plan": "savingsPlan",
    }
    spelt: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            spelt |= {"product/ProductName": value.get("product_name")}
            continue
        group = next((each for each in groups if name.startswith(f"{each}_")), None)
        if group:
            words = name.removeprefix(f"{group}_").split("_")
            spelt[f"{groups[group]}/{''.join(each.capitalize() for each in words)}"] = value
    return spelt


def test_a_legacy_report_reads_as_cur_2_0(bucket: Any, s3_url: str, landing: LandingStore) -> None:
    report = LegacyReport(bucket, "bills", "old", "daily")
    tagged = {"resourceTags/user:Team": "core", "resourceTags/aws:createdBy": None}
    for number, assembly in enumerate(("guid-1", "guid-2"), 1):
        report.refresh(MONTH, assembly, [[legacy(usage(cost=f"{number}.5")) | tagged]])
    one = only(fetch(account(report.url, s3_url), AUGUST, landing))
    [row] = one.rows
    assert one.cost == Decimal("2.5")
    assert row["product_product_name"] == "Amazon Elastic Compute Cloud"
    assert row["product_region_code"] == "us-east-1"
    assert json.loads(row["resource_tags"]) == {"user:Team": "core"}
    assert row["payload"] is None


def test_doubles_are_taken_by_their_shortest_spelling(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    costs = ["0.1", "0.0000001234", "7E-06", "123456.7890123456", "-0.3"]
    cur = export(bucket, format="parquet")
    tags = {"user_team": "core", "user_env": "prod"}
    rows = [
        usage(cost=each, resource_tags=tags, identity_line_item_id=str(number))
        for number, each in enumerate(costs)
    ]
    cur.refresh(MONTH, RUNS[0], [rows])
    one = only(fetch(account(cur.url, s3_url), AUGUST, landing))
    found = [row["line_item_unblended_cost"] for row in one.rows]
    assert found == [Decimal(repr(float(each))) for each in costs] == [Decimal(c) for c in costs]
    assert json.loads(one.rows[0]["resource_tags"]) == tags
    assert one.rows[0]["product_product_name"] == "Amazon Elastic Compute Cloud"
    assert json.loads(one.rows[0]["product"]) == {"product_name": "Amazon Elastic Compute Cloud"}


def test_a_focus_export_is_told_by_its_header(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket, format="parquet")
    day = date(2026, 8, 5)
    rows = [focus_line(day, "2.5", x_ServiceCode="AmazonEC2"), focus_line(day, "1")]
    cur.refresh(MONTH, RUNS[0], [[{"x_ServiceCode": None, **row} for row in rows]])
    one = only(fetch(account(cur.url, s3_url), AUGUST, landing))
    assert (one.fetched.shape, one.cost) == ("focus", Decimal("3.5"))
    assert json.loads(one.rows[0]["payload"]) == {"x_ServiceCode": "AmazonEC2"}
    with pytest.raises(PayloadError, match="export_format says cur2"):
        fetch(account(cur.url, s3_url, export_format="cur2"), AUGUST, landing)


def test_a_closed_month_that_aws_rewrites_is_read_again(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage(cost="5")]])
    source = account(cur.url, s3_url)
    first = only(fetch(source, AUGUST, landing))
    refund = usage(date(2026, 8, 31), "-2", line_item_line_item_type="Refund")
    cur.refresh(MONTH, RUNS[1], [[usage(cost="5", bill_invoice_id="1"), refund]])
    again = only(fetch(source, AUGUST, landing))
    assert (first.cost, again.cost) == (5, 3)
    assert first.fetched.parts != again.fetched.parts


def test_files_with_a_known_etag_are_not_fetched_again(
    bucket: Any, s3_url: str, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage(cost="1")], [usage(cost="2")]])
    source = account(cur.url, s3_url)
    read: list[str] = []
    chunks = BucketStore.chunks

    def noted(self: BucketStore, file: Any) -> Iterator[bytes]:
        read.append(file.path.rpartition("/")[2])
        return chunks(self, file)

    monkeypatch.setattr(BucketStore, "chunks", noted)
    first = only(fetch(source, AUGUST, landing)).fetched
    assert sorted(read) == ["cur-00001.csv.gz", "cur-00002.csv.gz", "cur-Manifest.json"]
    read.clear()
    second = only(fetch(source, AUGUST, landing)).fetched
    assert read == ["cur-Manifest.json"]
    assert landing.put_manifest(first) == landing.put_manifest(second)
    # the same key with other bytes is another file
    bucket.put_object(
        Bucket="bills",
        Key=f"exports/finance/cur/data/BILLING_PERIOD=2026-08/{RUNS[0]}/cur-00002.csv.gz",
        Body=encode([usage(cost="4")], "csv.gz"),
    )
    assert only(fetch(source, AUGUST, landing)).cost == 5


def test_each_month_is_a_delivery_of_its_own(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage(cost="1")]])
    cur.refresh(date(2026, 9, 1), RUNS[1], [[usage(date(2026, 9, 3), cost="2")]])
    days = DayRange(date(2026, 7, 15), date(2026, 9, 10))
    found = fetch(account(cur.url, s3_url), days, landing)
    assert [(each.fetched.billing_period, each.cost) for each in found] == [
        (MONTH, 1),
        (date(2026, 9, 1), 2),
    ]
    assert found[1].fetched.days == DayRange.of_month(date(2026, 9, 1))
    with pytest.raises(PermanentError, match="nothing of 2026-06-01; it has 2026-08 to 2026-09"):
        fetch(account(cur.url, s3_url), DayRange(date(2026, 6, 1), date(2026, 6, 1)), landing)


def test_an_open_month_ends_with_the_last_day_asked_for(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    today = datetime.now(UTC).date()
    month = today.replace(day=1)
    cur = export(bucket)
    cur.refresh(month, RUNS[0], [[usage(month, cost="1")]])
    one = only(fetch(account(cur.url, s3_url), DayRange(month, today), landing))
    assert one.fetched.days == DayRange(month, today)


def test_a_month_without_charges_is_a_delivery_without_rows(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket)
    header = gzip.compress(",".join(usage()).encode() + b"\n")
    cur.put(MONTH, RUNS[0], [header])
    cur.put(date(2026, 9, 1), RUNS[0], [])
    days = DayRange(AUGUST.first, date(2026, 9, 30))
    found = fetch(account(cur.url, s3_url), days, landing)
    assert [(len(each.rows), len(each.fetched.parts)) for each in found] == [(0, 1), (0, 0)]


def test_cost_explorer_ties_an_export_where_asked(
    bucket: Any, s3_url: str, landing: LandingStore
) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage(cost="1.1")], [usage(cost="2.2")]])

    def lines(first: date, end: date) -> list[Stated]:
        cost = Decimal("3.3")
        day = date(2026, 8, 5)
        stated = Stated(day, "4", "Usage", "us-east-1", "EC2", "Box", cost, cost, cost, cost)
        return [stated] if first <= day < end else []

    with CostExplorerServer(lines, lambda _: False) as explorer:
        source = account(
            cur.url,
            s3_url,
            tie_to_cost_explorer=True,
            cost_explorer_endpoint_url=explorer.url,
        )
        one = only(fetch(source, AUGUST, landing))
        assert (one.fetched.requests, explorer.requests) == (1, 1)
        assert one.fetched.request_cost_usd == Decimal("0.01")
        controls = {each.days.first: each for each in one.fetched.controls}
        assert set(controls) == set(AUGUST)
        control = controls[date(2026, 8, 5)]
        assert (control.cost_type, control.amount) == ("line_item_unblended_cost", Decimal("3.3"))
        assert 0 < control.tolerance < Decimal("1e-9")
        assert controls[date(2026, 8, 6)].amount == 0
        untied = only(fetch(account(cur.url, s3_url), AUGUST, landing))
        assert (untied.fetched.controls, untied.fetched.requests) == ((), 0)


def test_check_says_what_the_export_is(bucket: Any, s3_url: str) -> None:
    cur = export(bucket)
    cur.refresh(MONTH, RUNS[0], [[usage(cost="1")]])
    identity = AWS.check(account(cur.url, s3_url, endpoint_url=s3_url))
    assert identity.details["format"] == "CUR"
    assert identity.details["months"] == "2026-08"
    assert identity.details["header read from"].endswith("cur-00001.csv.gz")


def test_copied_files_need_no_credentials_and_have_costs_alone(
    tmp_path: Path, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    copies = tmp_path / "copies"
    copies.mkdir()
    (copies / "august.csv.gz").write_bytes(encode([usage(cost="1")], "csv.gz"))
    settings = {"cost_source": "export", "export_url": str(copies)}
    offline = Account("files", "aws", "Files", settings)
    assert AWS.check(offline).summary == "AWS export files in a folder"
    assert AWS.datasets(offline) == ("costs",)
    assert only(fetch(offline, AUGUST, landing)).cost == 1
    wants_more = Account("files", "aws", "Files", settings | {"datasets": ["costs", "resources"]})
    assert AWS.datasets(wants_more) == ("costs", "resources")
    with pytest.raises(AuthError, match="no usable credentials"):
        AWS.check(wants_more)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"export_url": None}, "needs export_url"),
        ({"linked_account_id": "111111111111"}, "holds all linked accounts"),
        ({"export_url": "abfs://a@b.dfs.core.windows.net/c"}, "s3://bucket"),
        ({"export_format": "pdf"}, "export_format"),
    ],
)
def test_a_wrong_configuration_is_refused(
    config: dict[str, Any], says: str, landing: LandingStore
) -> None:
    source = account("s3://bills/x")
    bad = type(source)(source.slug, "aws", "Payer", {**source.config, **config})
    with pytest.raises(ConfigError, match=says):
        fetch(bad, AUGUST, landing)

"""Every dialect trap of FOCUS files, from the bytes of a file to typed rows."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports import tables
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, covers
from tests.fixtures.focus_files import OCTOBER, Delivered, account, csv_text, deliver, line, only
from tests.fixtures.focus_files import write as write_file


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> LandingStore:
    return LandingStore(str(tmp_path_factory.mktemp("landing")))


def parse(data: bytes, folder: Path, landing: LandingStore, **config: Any) -> Delivered:
    (folder / "focus.csv").write_bytes(data)
    return only(deliver(account(folder, **config), landing))


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_rows_of_each_format(suffix: str, tmp_path: Path, landing: LandingStore) -> None:
    write_file(tmp_path / f"focus.{suffix}", [line(), line(date(2026, 10, 6), "-0.000000000001")])
    one = only(deliver(account(tmp_path), landing))
    assert not one.rejects
    assert [row["usage_date"] for row in one.rows] == [date(2026, 10, 5), date(2026, 10, 6)]
    assert [row["billed_cost"] for row in one.rows] == [Decimal("1.25"), Decimal("-1e-12")]
    assert [row["row_number"] for row in one.rows] == [1, 2]
    assert one.rows[0]["billing_account_id"] == "0012"
    assert one.rows[0]["charge_class"] is None
    assert one.rows[0]["availability_zone"] is None
    assert one.rows[0]["payload"] is None
    assert one.fetched.billing_period == date(2026, 10, 1)


def test_batches_have_the_contract_s_columns(tmp_path: Path, landing: LandingStore) -> None:
    write_file(tmp_path / "focus.csv", [line()])
    [fetched] = FOCUS.fetch(account(tmp_path), "costs", OCTOBER, landing)
    [batch] = FOCUS.rows(fetched, landing)
    assert batch.rows.schema.names == [column.name for column in FOCUS_COSTS.row_columns]
    for column, field in zip(FOCUS_COSTS.row_columns, batch.rows.schema, strict=True):
        assert field.type == arrow_type(column.type, 12)
    batch.rows.validate(full=True)


@pytest.mark.parametrize("word", ["NULL", "null", "None", "", "  ", " NULL "])
def test_null_in_words(word: str, tmp_path: Path, landing: LandingStore) -> None:
    row = line(
        ChargeClass=word, PricingQuantity=word, Tags=word, BillingPeriodEnd=word, x_note=word
    )
    one = parse(csv_text([row]), tmp_path, landing)
    found = one.rows[0]
    assert not one.rejects
    for name in ("charge_class", "pricing_quantity", "tags", "billing_period_end", "payload"):
        assert found[name] is None


@pytest.mark.parametrize(
    "spelling",
    [
        str.lower,
        str.upper,
        lambda name: "".join(f"_{each}" if each.isupper() else each for each in name)[1:].lower(),
        lambda name: f" {name} ",
    ],
)
def test_header_spellings(spelling: Any, tmp_path: Path, landing: LandingStore) -> None:
    row = {spelling(name): value for name, value in line(x_team="blue").items()}
    one = parse(csv_text([row]), tmp_path, landing)
    assert one.billed == Decimal("1.25")
    assert one.rows[0]["payload"] is not None


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_bom_line_ends_delimiters(
    mark: bytes, end: bytes, delimiter: str, tmp_path: Path, landing: LandingStore
) -> None:
    text = csv_text([line(cost="1.5"), line(cost="2")], delimiter).replace(b"\r\n", end)
    assert parse(mark + text, tmp_path, landing).billed == Decimal("3.5")


def test_quotes_commas_and_line_ends_in_cells(tmp_path: Path, landing: LandingStore) -> None:
    text = 'One, two\nand "three"; 5" disk'
    one = parse(csv_text([line(ChargeDescription=text), line()]), tmp_path, landing)
    assert one.rows[0]["charge_description"] == text
    assert len(one.rows) == 2


@pytest.mark.parametrize(
    ("word", "tags", "kept"),
    [
        ('{"a": "b"}', {"a": "b"}, None),
        ("{}", {}, None),
        ("[]", {}, None),
        ('"a": "b", "c": "d"', {"a": "b", "c": "d"}, None),
        ('[["a","b"],["c",null]]', {"a": "b", "c": None}, None),
        ('[{"key":"a","value":"b"}]', {"a": "b"}, None),
        ('[{"Key":"a","Value":"b"}]', {"a": "b"}, None),
        ('{"a":"1","a":"2"}', {"a": "2"}, '{"a":"1","a":"2"}'),
        ('{"n": 1, "o": {"p": true}}', {"n": 1, "o": {"p": True}}, None),
        ("{'a': 'b'}", None, "{'a': 'b'}"),
        ('{"a": "b"', None, '{"a": "b"'),
        ('{"a":"\\u0000"}', None, '{"a":"\\u0000"}'),
        ('"alone"', None, '"alone"'),
        ("17", None, "17"),
    ],
)
def test_tags(
    word: str, tags: Any, kept: str | None, tmp_path: Path, landing: LandingStore
) -> None:
    one = parse(csv_text([line(Tags=word), line(Tags='{"x":"y"}')]), tmp_path, landing)
    assert not one.rejects
    found, other = one.rows
    assert (found["tags"] and json.loads(found["tags"])) == tags
    assert (found["payload"] and json.loads(found["payload"])) == (
        {"x_raw_tags": kept} if kept else None
    )
    assert other["tags"] == '{"x":"y"}'
    assert other["payload"] is None


def test_tags_as_parquet_map(tmp_path: Path, landing: LandingStore) -> None:
    table = pa.Table.from_pylist([line(), line(), line()])
    maps = pa.array(
        [[("a", 'say "hi"'), ("b\n", None)], [], None], pa.map_(pa.string(), pa.string())
    )
    details = pa.array([{"CoreCount": 4}, None, {"CoreCount": None}])
    pq.write_table(
        table.append_column("Tags", maps).append_column("SkuPriceDetails", details),
        tmp_path / "focus.parquet",
    )
    one = only(deliver(account(tmp_path), landing))
    assert [row["tags"] and json.loads(row["tags"]) for row in one.rows] == [
        {"a": 'say "hi"', "b\n": None},
        {},
        None,
    ]
    assert json.loads(one.rows[0]["sku_price_details"]) == {"CoreCount": 4}


def test_parquet_types(tmp_path: Path, landing: LandingStore) -> None:
    start, end = datetime(2026, 10, 5, 7, tzinfo=UTC), datetime(2026, 10, 5, 8, tzinfo=UTC)
    table = pa.Table.from_pylist([line()])
    for name, column in {
        "BilledCost": pa.array([0.1]),
        "ListCost": pa.array([Decimal("0.123456789012345678")], pa.decimal128(38, 18)),
        "EffectiveCost": pa.array([7], pa.int32()),
        "ChargePeriodStart": pa.array([start.replace(tzinfo=None)], pa.timestamp("ns")),
        "ChargePeriodEnd": pa.array([end], pa.timestamp("ms", tz="America/New_York")),
        "BillingPeriodStart": pa.array([date(2026, 10, 1)]),
        "BillingAccountId": pa.array([12], pa.int64()),
        "ServiceName": pa.array(["EC2"]).dictionary_encode(),
        "ChargeClass": pa.nulls(1),
    }.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, tmp_path / "focus.parquet")
    [row] = only(deliver(account(tmp_path), landing)).rows
    assert row["billed_cost"] == Decimal("0.1")
    assert row["list_cost"] == Decimal("0.123456789012345678")
    assert row["effective_cost"] == 7
    assert row["charge_period_start"] == start
    assert row["charge_period_end"] == end
    assert row["billing_period"] == date(2026, 10, 1)
    assert (row["billing_account_id"], row["service_name"]) == ("12", "EC2")


def test_parquet_of_a_hopeless_type(tmp_path: Path, landing: LandingStore) -> None:
    table = pa.Table.from_pylist([line()])
    at = table.schema.get_field_index("ListCost")
    table = table.set_column(at, "ListCost", pa.array([True]))
    pq.write_table(table, tmp_path / "focus.parquet")
    with pytest.raises(PayloadError, match=r"ListCost of focus\.parquet"):
        deliver(account(tmp_path), landing)


@covers("focus", Fault.UNKNOWN_COLUMN)
def test_further_columns_go_to_the_payload(tmp_path: Path, landing: LandingStore) -> None:
    rows = [
        line(Id="17", x_quote='a "b" \\ c', x_bell="a\tb", x_empty=""),
        line(Id="", x_quote="", x_bell="", x_empty=""),
    ]
    one = parse(csv_text(rows), tmp_path, landing)
    assert json.loads(one.rows[0]["payload"]) == {
        "Id": "17",
        "x_quote": 'a "b" \\ c',
        "x_bell": "a\tb",
    }
    assert one.rows[1]["payload"] is None


@pytest.mark.parametrize(
    ("faulty", "reason", "day"),
    [
        ({"BilledCost": "1,000.00"}, "BilledCost cannot be read", date(2026, 10, 5)),
        ({"ListCost": "$5"}, "ListCost cannot be read", date(2026, 10, 5)),
        ({"EffectiveCost": ""}, "EffectiveCost is missing", date(2026, 10, 5)),
        ({"PricingQuantity": "100 Hours"}, "PricingQuantity cannot", date(2026, 10, 5)),
        ({"BillingCurrency": "US dollars"}, "BillingCurrency cannot", date(2026, 10, 5)),
        ({"BillingCurrency": "NULL"}, "BillingCurrency is missing", date(2026, 10, 5)),
        ({"ChargePeriodStart": "1790000000"}, "ChargePeriodStart cannot be read", None),
        ({"ChargePeriodStart": "0001-01-01"}, "ChargePeriodStart cannot be read", None),
        ({"ChargePeriodStart": ""}, "ChargePeriodStart is missing", None),
        ({"BillingPeriodStart": "x"}, "BillingPeriodStart cannot be read", date(2026, 10, 5)),
        ({"ChargePeriodEnd": "x"}, "ChargePeriodEnd cannot be read", date(2026, 10, 5)),
    ],
)
def test_faulty_row_is_set_apart(
    faulty: dict[str, str], reason: str, day: date | None, tmp_path: Path, landing: LandingStore
) -> None:
    one = parse(csv_text([line(), line(**faulty), line(cost="2")]), tmp_path, landing)
    assert [row["row_number"] for row in one.rows] == [1, 3]
    assert one.billed == Decimal("3.25")
    [reject] = one.rejects
    assert (reject.row_number, reject.usage_date) == (2, day)
    assert reason in reject.reason
    assert json.loads(reject.raw_text)["ServiceName"] == "Amazon EC2"


def test_reject_keeps_two_thousand_characters(tmp_path: Path, landing: LandingStore) -> None:
    row = line(cost="x", ChargeDescription="y" * 5000)
    [reject] = parse(csv_text([line(), row]), tmp_path, landing).rejects
    assert len(reject.raw_text) == 2000
    assert reject.reason.count(";") == 3


def test_line_with_too_many_cells_is_rejected(tmp_path: Path, landing: LandingStore) -> None:
    lines = csv_text([line(), line(cost="2"), line(cost="4")]).splitlines(keepends=True)
    lines[2] = lines[2].replace(b"An hour", b"An hour, or two")
    one = parse(b"".join(lines), tmp_path, landing)
    assert one.billed == Decimal("5.25")
    [reject] = one.rejects
    assert (reject.row_number, reject.usage_date) == (2, None)
    assert "22 cells where the header has 21" in reject.reason


def test_nul_characters_are_dropped(tmp_path: Path, landing: LandingStore) -> None:
    text = csv_text([line(ResourceName="a?b")]).replace(b"a?b", b"a\0b")
    assert parse(text, tmp_path, landing).rows[0]["resource_name"] == "ab"


@pytest.mark.parametrize("order", ["month_first", "day_first"])
def test_slashed_dates_by_configuration(order: str, tmp_path: Path, landing: LandingStore) -> None:
    day, month = ("05/10/2026", "01/10/2026")
    if order == "month_first":
        day, month = ("10/05/2026", "10/01/2026")
    rows = [line(ChargePeriodStart=day, ChargePeriodEnd=day, BillingPeriodStart=month)]
    one = parse(csv_text(rows), tmp_path, landing, date_order=order)
    assert (one.rows[0]["usage_date"], one.rows[0]["billing_period"]) == (
        date(2026, 10, 5),
        date(2026, 10, 1),
    )
    assert one.names == ["reading.json", "focus.csv"]


def test_slashed_dates_inferred_from_the_whole_file(tmp_path: Path, landing: LandingStore) -> None:
    slashed = {"BillingPeriodStart": "10/01/2026", "BillingPeriodEnd": "11/01/2026"}
    rows = [
        line(ChargePeriodStart=f"10/{day:02}/2026 00:00", ChargePeriodEnd="10/05/2026", **slashed)
        for day in (1, 2, 31)
    ]
    one = parse(csv_text(rows), tmp_path, landing)
    assert [row["usage_date"].day for row in one.rows] == [1, 2, 31]


def test_slashed_dates_left_open_are_refused(tmp_path: Path, landing: LandingStore) -> None:
    with pytest.raises(PayloadError, match="date_order"):
        parse(csv_text([line(ChargePeriodStart="10/05/2026")]), tmp_path, landing)


def test_missing_mandatory_columns_are_named(tmp_path: Path, landing: LandingStore) -> None:
    row = {key: value for key, value in line().items() if key not in ("ListCost", "ServiceName")}
    with pytest.raises(PayloadError, match=r"focus\.csv lacks .*: ListCost, ServiceName"):
        parse(csv_text([row]), tmp_path, landing)


def test_column_twice_is_refused(tmp_path: Path, landing: LandingStore) -> None:
    with pytest.raises(PayloadError, match="BilledCost twice"):
        parse(csv_text([line(billed_cost="9")]), tmp_path, landing)


WHOLE = csv_text([line(Tags='{"a":"b"}') for _ in range(50)])


@covers("focus", Fault.TRUNCATED_PAYLOAD)
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", WHOLE[:-40]),  # inside the last line
        ("a.csv", WHOLE[:-4]),  # inside the last, quoted cell
        ("a.csv", b""),
        ("a.csv", "ä".join(WHOLE.decode().split("An hour")).encode("latin-1")),
        ("a.csv", WHOLE.decode().encode("utf-16")),
        ("a.csv.gz", gzip.compress(WHOLE)[:-9]),
        ("a.csv.gz", WHOLE),
        ("a.parquet", b"PAR1 and no more"),
        ("a.parquet", b""),
    ],
)
def test_cut_off_file_is_refused_by_name(
    name: str, data: bytes, tmp_path: Path, landing: LandingStore
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PayloadError, match=r"a\.(csv|parquet)"):
        deliver(account(tmp_path), landing)


def test_cut_off_parquet_is_refused(tmp_path: Path, landing: LandingStore) -> None:
    path = write_file(tmp_path / "a.parquet", [line() for _ in range(100)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PayloadError, match=r"a\.parquet is cut off"):
        deliver(account(tmp_path), landing)


def test_rows_read_the_same_again(tmp_path: Path, landing: LandingStore) -> None:
    write_file(tmp_path / "a.csv", [line(cost=str(each)) for each in range(40_000)])
    [fetched] = FOCUS.fetch(account(tmp_path), "costs", OCTOBER, landing)
    first, second = ([each.rows for each in FOCUS.rows(fetched, landing)] for _ in range(2))
    assert len(first) > 1
    assert all(one.equals(other) for one, other in zip(first, second, strict=True))
    assert max(each.num_rows for each in first) <= tables._LARGEST_BATCH
    numbers = [value for each in first for value in each.column("row_number").to_pylist()]
    assert numbers == list(range(1, 40_001))

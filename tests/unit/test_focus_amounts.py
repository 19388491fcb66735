"""Amounts stay what the file says, to the last digit, in text, Parquet decimals and doubles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.columns import DECIMAL_SCALES
from astraeus_pipeline.exports import amounts, records, tables
from astraeus_pipeline.exports.cells import Notes
from astraeus_pipeline.exports.focus import focus_dialect
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.focus_files import account, csv_text, deliver, line, only


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> LandingStore:
    return LandingStore(str(tmp_path_factory.mktemp("landing")))


def typed(*values: str | None) -> amounts.Typed:
    return amounts.decimals(pa.array(values, pa.string()), Notes())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.00000080000", Decimal("0.0000008")),
        ("-12.50", Decimal("-12.5")),
        ("+3", Decimal(3)),
        (".5", Decimal("0.5")),
        ("5.", Decimal(5)),
        (" 7 ", Decimal(7)),
        ("7E-06", Decimal("0.000007")),
        ("1.5e3", Decimal(1500)),
        ("1e25", Decimal(10) ** 25),
        ("12345678901234567890.123456", Decimal("12345678901234567890.123456")),
        ("0.123456789012345678901234567890", Decimal("0.12345678901234567890123456789")),
        ("0" * 50 + "1." + "0" * 50, Decimal(1)),
        ("0.1000000000000000000000000000000000000000", Decimal("0.1")),
    ],
)
def test_decimals_reads(text: str, value: Decimal) -> None:
    column = typed(text)
    assert column.bad is None
    assert column.array[0].as_py() == value


@pytest.mark.parametrize(
    "text",
    [
        "1,000.00",
        "$5",
        "5 USD",
        "(5)",
        "1_000",
        "nan",
        "inf",
        "\u0661",  # Arabic-Indic digit one
        "1e",
        "--1",
        "1.2.3",
        "0x10",
        "1e30",  # Arrow's own cast wraps around here, silently
        "9" * 30 + ".5",
        "1e9999",
        "0." + "0" * 30 + "1",
    ],
)
def test_decimals_refuses(text: str) -> None:
    column = typed("1.5", text, None)
    assert column.bad is not None
    assert column.bad.to_pylist() == [False, True, False]
    assert column.array.to_pylist() == [Decimal("1.5"), None, None]


@pytest.mark.parametrize(
    ("text", "scale"),
    [("1", 12), ("0." + "1" * 13, 18), ("0." + "1" * 19, 24), ("." + "1" * 25, 30)],
)
def test_decimals_takes_smallest_scale(text: str, scale: int) -> None:
    assert typed(text).array.type == pa.decimal128(38, scale)


def test_decimals_without_common_scale_splits_the_batch(
    tmp_path: Path, landing: LandingStore
) -> None:
    costs = ["12345678901234567890123456", "0." + "1" * 28, "2"]
    (tmp_path / "a.csv").write_bytes(csv_text([line(cost=each) for each in costs]))
    one = only(deliver(account(tmp_path), landing))
    assert [row["billed_cost"] for row in one.rows] == [Decimal(each) for each in costs]
    assert [row["row_number"] for row in one.rows] == [1, 2, 3]


def test_doubles_are_read_by_their_shortest_spelling() -> None:
    values = [0.1, 1e-7, 1 / 3, 123456.789, -2.5, 1e15, float("nan"), None]
    column = amounts.decimals(pa.array(values, pa.float64(), from_pandas=False), Notes())
    expected = [None if each is None or each != each else Decimal(repr(each)) for each in values]
    assert column.array.to_pylist() == expected


def test_doubles_of_float_noise_are_rounded_and_counted() -> None:
    notes = Notes()
    column = amounts.decimals(pa.array([3.469446951953614e-18, 1.0]), notes)
    assert column.array.to_pylist() == [Decimal("3.469446951954E-18"), Decimal(1)]
    assert notes.counts["rounded_double"] == 1


@pytest.mark.parametrize("kind", [pa.int64(), pa.decimal128(38, 0), pa.decimal256(60, 4)])
def test_other_numbers(kind: pa.DataType) -> None:
    column = amounts.decimals(pa.array([Decimal(5), None]).cast(kind), Notes())
    assert column.array.to_pylist() == [Decimal(5), None]


def test_decimal128_of_38_digits_does_not_wrap() -> None:
    huge = pa.array([Decimal("9" * 30)], pa.decimal128(38, 0))
    column = amounts.decimals(huge, Notes())
    assert column.bad is not None
    assert column.bad.to_pylist() == [True]


exact = st.decimals(
    min_value=Decimal("-1e14"), max_value=Decimal("1e14"), allow_nan=False, places=18
) | st.decimals(min_value=-1, max_value=1, allow_nan=False, places=30).map(lambda each: each / 1)
spelt = st.tuples(exact, st.sampled_from(["f", "e", "E"])).map(
    lambda each: format(each[0], each[1])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(spelt, min_size=1, max_size=30))
def test_any_decimal_survives_csv_and_parquet(texts: list[str]) -> None:
    rows = [line(cost=each) for each in texts]
    expected = [Decimal(each) for each in texts]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    for data, kind in ((csv_text(rows), "csv"), (sink.getvalue().to_pybytes(), "parquet")):
        table = tables.open_table(pa.BufferReader(data), kind, "x")
        dialect = focus_dialect(FOCUS_COSTS)
        typer = records.Typer(dialect, "x", dialect.match(table.names, "x"), None, None)
        got = [
            value
            for batch in table.batches
            for each in typer.type(batch, 1)
            for value in each.rows.column("billed_cost").to_pylist()
        ]
        assert got == expected


def test_scales_are_those_of_the_contract() -> None:
    assert DECIMAL_SCALES == (12, 18, 24, 30)

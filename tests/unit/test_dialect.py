"""A dialect other than FOCUS: aliases, gathered columns, derived ones, rows that are not kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from astraeus_pipeline.contracts.columns import Column, RawTable
from astraeus_pipeline.contracts.delivery import RowBatch
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports.cells import Notes
from astraeus_pipeline.exports.dialect import Dialect
from astraeus_pipeline.exports.records import Typer

TABLE = RawTable(
    provider="focus",
    dataset="costs",
    description="A table of this test",
    vendor_columns=(
        Column("day", "date", "Day of use"),
        Column("period_start", "timestamptz", "Start of the billing period"),
        Column("charge_type", "text", "Kind of charge"),
        Column("cost", "numeric", "Money"),
        Column("currency", "text", "ISO code"),
        Column("basis", "text", "Derived"),
        Column("labels", "jsonb", "Labels as one object"),
    ),
    cost_types=("cost",),
    currency="currency",
)


def label_basis(columns: Mapping[str, pa.Array], length: int) -> dict[str, pa.Array]:
    return {"basis": pa.repeat("actual", length)}


DIALECT = Dialect(
    label="Test",
    table=TABLE,
    usage_times=("day",),
    period_times=("period_start", "day"),
    mandatory=("cost",),
    required=("cost",),
    aliases={"cost": ("CostInCurrency", "PreTaxCost"), "day": ("UsageDateTime",)},
    gathered={"labels/": "labels", "label_": "labels"},
    derive=label_basis,
)


def typed(rows: list[dict[str, str | None]], dialect: Dialect = DIALECT) -> tuple[RowBatch, Notes]:
    batch = pa.RecordBatch.from_pylist(rows)
    header, notes = dialect.match(batch.schema.names, "a.csv"), Notes()
    [one] = Typer(dialect, "a.csv", header, None, None, notes).type(batch, 1)
    assert one.rows.schema.names == [column.name for column in TABLE.row_columns]
    one.rows.validate(full=True)
    return one, notes


def line(**more: str | None) -> dict[str, Any]:
    return {"UsageDateTime": "2026-10-05T07:00:00Z", "Currency": "USD", "PreTaxCost": "1.5"} | more


def test_alias_types_column_and_day_tells_the_month() -> None:
    batch, _ = typed([line()])
    [row] = batch.rows.to_pylist()
    assert (row["usage_date"], row["billing_period"]) == (date(2026, 10, 5), date(2026, 10, 1))
    assert (row["cost"], row["basis"], row["payload"]) == (Decimal("1.5"), "actual", None)


def test_preferred_name_wins_and_the_other_stays_in_payload() -> None:
    batch, _ = typed([line(CostInCurrency="2", period_start="2026-09-01")])
    [row] = batch.rows.to_pylist()
    assert row["cost"] == 2
    assert row["billing_period"] == date(2026, 9, 1)
    assert json.loads(row["payload"]) == {"PreTaxCost": "1.5"}


def test_prefixed_columns_become_one_object() -> None:
    rows = [
        line(**{"labels/user:Team": "core", "Labels/a": None, "label_b": "1"}),
        line(**{"labels/user:Team": None, "Labels/a": None, "label_b": None}),
    ]
    batch, _ = typed(rows)
    first, second = batch.rows.column("labels").to_pylist()
    assert json.loads(first) == {"user:Team": "core", "b": "1"}
    assert second is None


def test_prefixed_columns_stay_beside_an_object_column() -> None:
    batch, _ = typed([line(Labels='{"a":"1"}', label_b="2")])
    [row] = batch.rows.to_pylist()
    assert json.loads(row["labels"]) == {"a": "1"}
    assert json.loads(row["payload"]) == {"label_b": "2"}


def test_rows_not_kept_are_counted_and_their_faults_ignored() -> None:
    dialect = replace(DIALECT, keep=lambda columns: pc.not_equal(columns["charge_type"], "Usage"))
    rows = [
        line(charge_type="Usage", PreTaxCost="no number"),
        line(charge_type="Purchase"),
        line(charge_type=None, PreTaxCost="3"),
        line(charge_type="Refund", PreTaxCost="no number"),
    ]
    batch, notes = typed(rows, dialect)
    assert batch.rows.column("row_number").to_pylist() == [2, 3]
    assert [each.row_number for each in batch.rejects] == [4]
    assert "cost cannot be read as its type" in batch.rejects[0].reason
    assert notes.counts["not_kept"] == 1


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["UsageDateTime", "Currency"], "cost"),
        (["PreTaxCost", "Currency"], "day, period_start"),
    ],
)
def test_match_names_what_is_missing(names: list[str], missing: str) -> None:
    with pytest.raises(PayloadError, match=f"lacks mandatory Test columns: {missing}"):
        DIALECT.match(names, "a.csv")


def test_match_refuses_a_doublet() -> None:
    with pytest.raises(PayloadError, match="the column cost twice"):
        DIALECT.match(["UsageDateTime", "cost", "COST"], "a.csv")


def test_a_row_without_what_it_must_fill_is_rejected() -> None:
    batch, _ = typed([line(), line(Currency=None), line(Currency="US$")])
    assert batch.rows.num_rows == 1
    assert [each.reason for each in batch.rejects] == [
        "currency is missing",
        "currency cannot be read as its type",
    ]


def test_dialect_speaks_only_of_its_table_s_columns() -> None:
    with pytest.raises(ValueError, match="nothing_of_it"):
        replace(DIALECT, required=("nothing_of_it",))

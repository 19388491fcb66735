"""The official validator on the standard's own sample: the figures that are known of it."""

from __future__ import annotations

import csv
import os
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.conformance.export import focus_name
from astraeus_pipeline.conformance.report import RuleResult, read_report
from astraeus_pipeline.conformance.validator import Validator, find_python, install
from astraeus_pipeline.contracts.columns import Column, arrow_type
from astraeus_pipeline.contracts.focus import FOCUS_COSTS
from astraeus_pipeline.settings import PROJECT_ROOT

SAMPLES = Path(os.environ.get("ASTRAEUS_SAMPLE_DATA") or PROJECT_ROOT.parent / "shared" / "data")
SAMPLE = SAMPLES / "focus_1_0_sample_a.csv"
COLUMNS = {focus_name(column.name): column for column in FOCUS_COSTS.vendor_columns}

pytestmark = [
    pytest.mark.skipif(find_python(None) is None, reason="the validator needs a Python 3.12"),
    pytest.mark.skipif(not SAMPLE.exists(), reason="no sample data (set ASTRAEUS_SAMPLE_DATA)"),
]


@pytest.fixture(scope="module")
def validator() -> Validator:
    python = find_python(None)
    assert python is not None
    return install(python)


@pytest.fixture(scope="module")
def results(
    validator: Validator, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RuleResult]:
    folder = tmp_path_factory.mktemp("gate")
    pq.write_table(_sample(), folder / "charges.parquet")
    report = validator.run(folder / "charges.parquet", (), folder)
    return {each.rule: each for each in read_report(report, validator.rules_file)}


def test_the_published_sample_gives_the_figures_known_of_it(
    results: dict[str, RuleResult],
) -> None:
    assert Counter(each.outcome for each in results.values()) == {
        "passed": 117,
        "failed": 13,
        "error": 7,
        "not applicable": 441,
    }


def test_five_of_the_failures_are_leaves(results: dict[str, RuleResult]) -> None:
    assert {
        each.rule for each in results.values() if each.is_leaf and each.outcome == "failed"
    } == {
        "BilledCost-C-005-C",  # an issuer with its full name
        "CostAndUsage-D-033-O",  # InvoiceId and
        "CostAndUsage-D-042-O",  # ServiceSubcategory are younger than the file
        "PricingUnit-C-003-O",
        "ServiceName-C-005-C",  # EC2 in two categories
    }


def _sample() -> pa.Table:
    with SAMPLE.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    names = [name for name in rows[0] if name != "Id"]
    return pa.table({name: _column(COLUMNS[name], [row[name] for row in rows]) for name in names})


def _column(column: Column, cells: list[str]) -> pa.Array:
    values = [None if cell in ("NULL", "") else _value(column, cell) for cell in cells]
    return pa.array(values, arrow_type(column.type))


def _value(column: Column, cell: str) -> Any:
    if column.type == "numeric":
        return Decimal(cell)
    if column.type == "timestamptz":
        return datetime.fromisoformat(cell).replace(tzinfo=UTC)
    return cell

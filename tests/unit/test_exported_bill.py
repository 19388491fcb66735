"""The demo's exported bill: what AWS would write, and what Cost Explorer says of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox import cur_lines, exported_bill
from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws_exports import account, fetch, read
from tests.fixtures.s3 import moto

TODAY = date(2026, 11, 20)
ESTATE = Estate(TODAY)
OCTOBER = DayRange.of_month(date(2026, 10, 1))


@pytest.fixture
def s3_url() -> Iterator[str]:
    with moto() as url:
        yield url


def test_negations_cancel_the_covered_usage_and_the_plan_is_never_overdrawn() -> None:
    lines = cur_lines.rows(ESTATE, OCTOBER.first, TODAY)
    covered, negated = (
        sum(
            each["line_item_unblended_cost"]
            for each in lines
            if each["line_item_line_item_type"] == t
        )
        for t in ("SavingsPlanCoveredUsage", "SavingsPlanNegation")
    )
    assert covered == -negated > 0
    fees = [each for each in lines if each["savings_plan_used_commitment"] is not None]
    assert len(fees) == 31
    for fee in fees:
        assert 0 < fee["savings_plan_used_commitment"] <= cur_lines.COMMITMENT
    used = sum(each["savings_plan_used_commitment"] for each in fees)
    shares = (each["savings_plan_savings_plan_effective_cost"] for each in lines)
    assert used == sum(each for each in shares if each is not None)


def test_lines_are_told_apart_by_id_and_interval() -> None:
    lines = cur_lines.rows(ESTATE, OCTOBER.first, TODAY)
    ids = {each["identity_line_item_id"] for each in lines}
    keys = {(each["identity_line_item_id"], each["identity_time_interval"]) for each in lines}
    assert len(ids) < len(keys) == len(lines)


def test_the_export_is_read_to_the_cent_through_s3(s3_url: str, tmp_path: Path) -> None:
    landing = LandingStore(str(tmp_path))
    source = account(exported_bill.URL, s3_url)
    days = DayRange(ESTATE.first_day, TODAY - timedelta(days=1))
    for revision in (0, 1):
        estate = Estate(TODAY, revision)
        exported_bill.write(s3_url, estate, TODAY)
        found = fetch(source, days, landing)
        months = cur_lines.months(estate, TODAY)
        assert [each.fetched.billing_period for each in found] == months
        for each, month in zip(found, months, strict=True):
            lines = cur_lines.rows(estate, month, TODAY)
            assert len(each.rows) == len(lines)
            assert each.cost == sum(line["line_item_unblended_cost"] for line in lines)
            invoiced = {row["bill_invoice_id"] is not None for row in each.rows}
            assert invoiced == {estate.is_final(month)}
    assert read(found[0].fetched, landing).cost == found[0].cost


def test_cost_explorer_says_the_same_of_each_day() -> None:
    end = OCTOBER.last + timedelta(days=1)
    stated = list(cur_lines.totals(ESTATE, TODAY, OCTOBER.first, end))
    lines = cur_lines.rows(ESTATE, OCTOBER.first, TODAY)
    assert sum(each.unblended for each in stated) == sum(
        each["line_item_unblended_cost"] for each in lines
    )
    unused = sum(
        cur_lines.COMMITMENT - each["savings_plan_used_commitment"]
        for each in lines
        if each["savings_plan_used_commitment"] is not None
    )
    fees = [each.amortized for each in stated if each.record_type == "SavingsPlanRecurringFee"]
    assert sum(fees) == unused > Decimal(0)

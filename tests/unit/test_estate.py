"""What the demo's providers restate passes as a restatement, whatever the day it is made on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox.estate import AWS_OWNERS, AZURE_OWNERS, FOCUS_OWNERS, Estate
from astraeus_pipeline.sandbox.snowflake_estate import SnowEstate

MONDAY = date(2026, 11, 30)
OWNERS = (*AWS_OWNERS, *AZURE_OWNERS, *FOCUS_OWNERS)
Costs = dict[tuple[str, date], Decimal]
Bill = Callable[[Estate], Iterator[tuple[str, date, Decimal]]]


def clouds(estate: Estate) -> Iterator[tuple[str, date, Decimal]]:
    days = DayRange(estate.anchor - timedelta(days=20), estate.anchor)
    for owner in OWNERS:
        for charge in estate.charges(owner, days):
            yield owner.slug, charge.day, charge.billed_cost


def snowflake(estate: Estate) -> Iterator[tuple[str, date, Decimal]]:
    for line in SnowEstate(estate, estate.anchor).bill():
        yield "snowflake", line.day, line.cost


@pytest.mark.parametrize("later", range(7))
@pytest.mark.parametrize("bill", [clouds, snowflake])
def test_no_settled_day_loses_half_of_its_cost(bill: Bill, later: int) -> None:
    """The loader refuses what does: `make demo` would end there on that day of the week."""
    anchor = MONDAY + timedelta(days=later)
    before, after = (_sums(bill, Estate(anchor, revision)) for revision in (0, 1))
    restated = {key for key in before if before[key] != after[key]}
    assert Estate(anchor).refund_day in {day for _, day in restated}
    assert [key for key in restated if after[key] * 2 < before[key]] == []


def _sums(bill: Bill, estate: Estate) -> Costs:
    sums: Costs = defaultdict(Decimal)
    for slug, day, cost in bill(estate):
        sums[slug, day] += cost
    return sums

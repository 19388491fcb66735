"""The estate's charges as Cost Explorer's lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox.cost_explorer import Line
from astraeus_pipeline.sandbox.estate import AWS_OWNERS, Charge, Estate

_RECORD_TYPES: Final = {
    "Usage": "Usage",
    "Tax": "Tax",
    "Credit": "Credit",
    "Refund": "Refund",
    "Fee": "Fee",
    "Purchase": "SavingsPlanRecurringFee",
}
_SERVICES: Final = {
    "Support": "AWS Support (Business)",
    "Savings Plans": "Savings Plans for AWS Compute usage",
    "Credits": "Amazon Elastic Compute Cloud - Compute",
}


def lines(estate: Estate, today: date, first: date, end: date) -> Iterator[Line]:
    """Yield the lines of all AWS accounts from `first` to the day before `end`, yesterday at most.

    Today's charges are not on the bill yet.
    """
    last = min(end, today) - timedelta(days=1)
    if last < first:
        return
    for owner in AWS_OWNERS:
        for charge in estate.charges(owner, DayRange(first, last)):
            yield _line(charge)


def _line(charge: Charge) -> Line:
    return Line(
        charge.day,
        charge.owner.number,
        _RECORD_TYPES[charge.category],
        charge.region or "NoRegion",
        _SERVICES.get(charge.service, charge.service),
        charge.usage_type or "NoUsageType",
        charge.billed_cost,
        charge.effective_cost,
        charge.billed_cost,
        charge.effective_cost,
        charge.quantity or charge.billed_cost * 0,
        charge.unit or "N/A",
        charge.owner.currency,
    )

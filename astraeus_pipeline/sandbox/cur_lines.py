"""The charges of a payer whose bill is exported, as lines of CUR 2.0, with a savings plan.

A no-upfront savings plan covers a part of the EC2 usage: AWS bills that part at on-demand rates,
cancels it by a negation, and asks for the commitment as a fee of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox.cost_explorer import Line
from astraeus_pipeline.sandbox.estate import GROUP, Charge, Estate

_EC2: Final = "Amazon Elastic Compute Cloud"
_PLAN: Final = "arn:aws:savingsplans::777777777444:savingsplan/5ee1a2f0-acme"
COMMITMENT: Final = Decimal("96.00")  # a day
_COVERED_SHARE: Final = Decimal("0.6")
_PLAN_RATE: Final = Decimal("0.72")  # of the on-demand rate
_PLACES: Final = Decimal("0.0000000001")  # AWS states costs with ten decimals
_LINKED: Final = {"shop": "777777777401", "data": "777777777402"}
_PRODUCTS: Final = {
    _EC2: ("AmazonEC2", _EC2),
    "Amazon Relational Database Service": (
        "AmazonRDS",
        "Amazon Relational Database Service",
    ),
    "Amazon Simple Storage Service": ("AmazonS3", "Amazon Simple Storage Service"),
    "Support": ("AWSSupportBusiness", "AWS Support (Business)"),
    "Credits": ("AmazonEC2", _EC2),
    "Tax": ("AmazonEC2", _EC2),
}
_FAMILIES: Final = {
    _EC2: "Compute Instance",
    "Amazon Relational Database Service": "Database Instance",
    "Amazon Simple Storage Service": "Storage",
}
_SAVINGS_PLANS: Final = ("ComputeSavingsPlans", "Savings Plans for AWS Compute usage")

Row = dict[str, Any]


def rows(estate: Estate, month: date, today: date) -> list[Row]:
    """Return the lines of a billing month up to yesterday, every row with the same columns."""
    days = DayRange(month, min(DayRange.of_month(month).last, today - timedelta(days=1)))
    invoice = f"{month:%Y%m}7777" if estate.is_final(month) else None
    return [
        _identified({**row, "bill_invoice_id": invoice})
        for day in days
        if day >= estate.first_day
        for row in _day(estate, day)
    ]


def months(estate: Estate, today: date) -> list[date]:
    """Return the billing months that have charges by yesterday."""
    return list(DayRange(estate.first_day, today - timedelta(days=1)).months())


def totals(estate: Estate, today: date, first: date, end: date) -> Iterator[Line]:
    """Yield what Cost Explorer says of the same days, from `first` to the day before `end`."""
    last = min(end, today) - timedelta(days=1)
    for month in DayRange(first, last).months() if last >= first else ():
        for row in rows(estate, month, today):
            day = row["line_item_usage_start_date"].date()
            if first <= day <= last:
                yield _total(row, day)


def _total(row: Row, day: date) -> Line:
    billed, amortized = row["line_item_unblended_cost"], _amortized(row)
    return Line(
        day,
        row["line_item_usage_account_id"],
        row["line_item_line_item_type"],
        row["product_region_code"] or "NoRegion",
        row["product"]["product_name"],
        row["line_item_usage_type"] or "NoUsageType",
        billed,
        amortized,
        billed,
        amortized,
    )


def _amortized(row: Row) -> Decimal:
    line_type = row["line_item_line_item_type"]
    if line_type == "SavingsPlanCoveredUsage":
        return Decimal(row["savings_plan_savings_plan_effective_cost"])
    if line_type == "SavingsPlanRecurringFee":
        committed, used = (
            row[f"savings_plan_{name}"] for name in ("total_commitment_to_date", "used_commitment")
        )
        return Decimal(committed - used)
    return (
        Decimal(0) if line_type.endswith("Negation") else Decimal(row["line_item_unblended_cost"])
    )


def _day(estate: Estate, day: date) -> Iterator[Row]:
    charges = list(estate.charges(GROUP, DayRange(day, day)))
    computed = [each for each in charges if each.category == "Usage" and each.service == _EC2]
    on_demand = sum((each.list_cost for each in computed), Decimal(0))
    # a little below the commitment: AWS never covers more, and something is left unused
    share = min(_COVERED_SHARE, COMMITMENT * Decimal("0.99") / (on_demand * _PLAN_RATE))
    used = Decimal(0)
    for charge in charges:
        if charge.category != "Usage":
            yield _flat(charge)
        elif charge.service != _EC2:
            yield _usage(charge, "Usage", charge.quantity or Decimal(0))
        else:
            quantity = charge.quantity or Decimal(0)
            covered = (quantity * share).quantize(Decimal("0.000001"))
            yield _usage(charge, "Usage", quantity - covered)
            row = _covered(charge, covered)
            used += row["savings_plan_savings_plan_effective_cost"]
            yield row
            yield _negation(charge, row)
    yield _recurring_fee(day, used)


def _usage(charge: Charge, line_type: str, quantity: Decimal) -> Row:
    price = charge.list_cost / charge.quantity if charge.quantity else Decimal(0)
    cost = (quantity * price).quantize(_PLACES)
    rate = price.quantize(_PLACES)
    return _line(charge.day, line_type, cost, _PRODUCTS[charge.service], charge.team) | {
        "line_item_line_item_description": f"{rate.normalize():f} USD per {charge.unit}",
        "line_item_resource_id": f"{charge.team}-{charge.usage_type.lower()}",
        "line_item_unblended_rate": rate,
        "line_item_usage_amount": quantity,
        "line_item_usage_type": charge.usage_type,
        "pricing_public_on_demand_cost": cost,
        "pricing_public_on_demand_rate": rate,
        "pricing_term": "OnDemand",
        "pricing_unit": charge.unit,
        "product_product_family": _FAMILIES[charge.service],
        "product_region_code": charge.region,
        "product_sku": _hash(charge.service, charge.usage_type)[:16].upper(),
        "resource_tags": {"user_team": charge.team, "user_env": "prod"},
    }


def _covered(charge: Charge, quantity: Decimal) -> Row:
    row = _usage(charge, "SavingsPlanCoveredUsage", quantity)
    effective = (row["line_item_unblended_cost"] * _PLAN_RATE).quantize(_PLACES)
    return row | {
        "savings_plan_savings_plan_a_r_n": _PLAN,
        "savings_plan_offering_type": "ComputeSavingsPlans",
        "savings_plan_savings_plan_effective_cost": effective,
        "savings_plan_savings_plan_rate": (row["line_item_unblended_rate"] * _PLAN_RATE).quantize(
            _PLACES
        ),
    }


def _negation(charge: Charge, covered: Row) -> Row:
    cost = -covered["line_item_unblended_cost"]
    return _line(charge.day, "SavingsPlanNegation", cost, _SAVINGS_PLANS, charge.team) | {
        "line_item_line_item_description": f"SavingsPlanNegation of {charge.usage_type}",
        "line_item_usage_type": charge.usage_type,
        "product_region_code": charge.region,
        "savings_plan_savings_plan_a_r_n": _PLAN,
        "savings_plan_offering_type": "ComputeSavingsPlans",
    }


def _recurring_fee(day: date, used: Decimal) -> Row:
    return _line(day, "SavingsPlanRecurringFee", COMMITMENT, _SAVINGS_PLANS, "") | {
        "line_item_line_item_description": "1 year no upfront Compute Savings Plan",
        "line_item_usage_amount": Decimal(24),
        "line_item_usage_type": "ComputeSP:1yrNoUpfront",
        "pricing_unit": "Hrs",
        "savings_plan_savings_plan_a_r_n": _PLAN,
        "savings_plan_offering_type": "ComputeSavingsPlans",
        "savings_plan_total_commitment_to_date": COMMITMENT,
        "savings_plan_used_commitment": used,
    }


def _flat(charge: Charge) -> Row:
    product = _PRODUCTS[charge.service]
    return _line(charge.day, charge.category, charge.billed_cost, product, "") | {
        "line_item_line_item_description": f"{charge.category}: {product[1]}",
        "line_item_tax_type": "USSalesTax" if charge.category == "Tax" else None,
        "line_item_usage_amount": Decimal(1),
    }


def _line(day: date, line_type: str, cost: Decimal, product: tuple[str, str], team: str) -> Row:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end, month = start + timedelta(days=1), start.replace(day=1)
    code, name = product
    return {
        "identity_line_item_id": None,
        "identity_time_interval": f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}",
        "bill_bill_type": "Anniversary",
        "bill_billing_entity": "AWS",
        "bill_billing_period_start_date": month,
        "bill_billing_period_end_date": (month + timedelta(days=32)).replace(day=1),
        "bill_invoice_id": None,
        "bill_invoicing_entity": "Amazon Web Services, Inc.",
        "bill_payer_account_id": GROUP.number,
        "bill_payer_account_name": GROUP.name,
        "line_item_currency_code": GROUP.currency,
        "line_item_legal_entity": "Amazon Web Services, Inc.",
        "line_item_line_item_description": None,
        "line_item_line_item_type": line_type,
        "line_item_product_code": code,
        "line_item_resource_id": None,
        "line_item_tax_type": None,
        "line_item_unblended_cost": cost.quantize(_PLACES),
        "line_item_unblended_rate": None,
        "line_item_usage_account_id": _LINKED.get(team, GROUP.number),
        "line_item_usage_account_name": f"Acme {team}" if team in _LINKED else GROUP.name,
        "line_item_usage_amount": None,
        "line_item_usage_end_date": end,
        "line_item_usage_start_date": start,
        "line_item_usage_type": None,
        "pricing_currency": GROUP.currency,
        "pricing_public_on_demand_cost": None,
        "pricing_public_on_demand_rate": None,
        "pricing_term": None,
        "pricing_unit": None,
        "product": {"product_name": name},
        "product_product_family": None,
        "product_region_code": None,
        "product_sku": None,
        "resource_tags": None,
        "savings_plan_savings_plan_a_r_n": None,
        "savings_plan_offering_type": None,
        "savings_plan_savings_plan_effective_cost": None,
        "savings_plan_savings_plan_rate": None,
        "savings_plan_total_commitment_to_date": None,
        "savings_plan_used_commitment": None,
    }


def _identified(row: Row) -> Row:
    """Give a line its id: the same from day to day, as AWS's are."""
    named = ("line_item_line_item_type", "line_item_usage_type", "line_item_usage_account_id")
    words = [str(row[each]) for each in named]
    return {**row, "identity_line_item_id": _hash(*words, row["line_item_product_code"])}


def _hash(*words: str) -> str:
    return hashlib.sha256("|".join(words).encode()).hexdigest()[:52]

"""Stored answers about commitments into rows: what was bought meets how it was used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row
from astraeus_pipeline.providers.aws.stored import Page, amount, rejected

Item = Mapping[str, Any]

_RESERVED: Final = "reserved-instance"
_PLAN: Final = "savings-plan"
_TYPING: Final = (KeyError, ValueError, TypeError, InvalidOperation)


def commitment_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """Yield a row per commitment and day of its term, AWS's totals, and the coverage.

    A commitment that another account of the organization bought is known from its use alone, so
    its price is null; one without use on a day has its use null on that day, and never 0.
    """
    bought: dict[str, Row] = {}
    used: dict[str, dict[date, Row]] = {}
    for page in documents(fetched, landing):
        read = _READERS[page["purpose"]]
        for item in page["items"]:
            try:
                for row in read(page, item):
                    if row["record"] != "commitment":
                        yield _dated(row.pop("day"), row)
                    elif "day" in row:
                        used.setdefault(row["key"], {})[row.pop("day")] = row
                    else:
                        bought[row["key"]] = row
            except _TYPING as error:
                yield rejected(_day_of(item), item, error)
    yield from _joined(_known_days(fetched), bought, used)


def _joined(
    days: DayRange | None, bought: dict[str, Row], used: dict[str, dict[date, Row]]
) -> Iterator[Row]:
    for key in sorted({*bought, *used}):
        facts, use = bought.get(key, {}), used.get(key, {})
        within = {day for day in days or () if _is_in_term(day, facts)}
        for day in sorted(within | set(use)):
            row = {**use.get(day, {}), **_known(facts)}
            row["payload"] = use.get(day, facts).get("payload")
            del row["key"]
            yield _dated(day, row)


def _known(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _known_days(fetched: Fetched) -> DayRange | None:
    last = fetched.complete_through
    if last is None or last < fetched.days.first:
        return None
    return DayRange(fetched.days.first, last)


def _is_in_term(day: date, facts: Row) -> bool:
    start, end = facts.get("term_start"), facts.get("term_end")
    return start is not None and start.date() <= day and (end is None or day <= end.date())


def _dated(day: date, row: Row) -> Row:
    return {"usage_date": day, "billing_period": day.replace(day=1), **row}


def _day_of(item: Item) -> date | None:
    period = item.get("TimePeriod")
    return date.fromisoformat(period["Start"]) if period else None


def _bought(page: Page, item: Item) -> Iterator[Row]:
    yield {"record": "commitment", "payload": _json(item), **_BOUGHT[page["kind"]](page, item)}


def _reserved_machine(page: Page, item: Item) -> Row:
    count = amount(item.get("InstanceCount")) or Decimal(1)
    identity = item["ReservedInstancesId"]
    return {
        "key": identity,
        "commitment_id": f"arn:aws:ec2:{page['region']}:{page['account']}"
        f":reserved-instances/{identity}",
        "commitment_type": _RESERVED,
        "owner_account_id": page["account"],
        "service": "Amazon Elastic Compute Cloud - Compute",
        "region": page["region"],
        "plan": item.get("OfferingClass"),
        "payment_option": item.get("OfferingType"),
        "instance_type": item.get("InstanceType"),
        "instance_count": count,
        "state": item.get("State"),
        "term_start": _instant(item.get("Start")),
        "term_end": _instant(item.get("End")),
        "currency": item.get("CurrencyCode"),
        "upfront_cost": _times(count, item.get("FixedPrice")),
        "hourly_cost": _times(count, _hourly(item)),
    }


def _reserved_database(page: Page, item: Item) -> Row:
    count = amount(item.get("DBInstanceCount")) or Decimal(1)
    start = _instant(item.get("StartTime"))
    term = timedelta(seconds=int(item.get("Duration") or 0))
    return {
        "key": item.get("LeaseId") or item["ReservedDBInstanceId"],
        "commitment_id": item["ReservedDBInstanceArn"],
        "commitment_type": _RESERVED,
        "owner_account_id": page["account"],
        "service": "Amazon Relational Database Service",
        "region": page["region"],
        "plan": item.get("ProductDescription"),
        "payment_option": item.get("OfferingType"),
        "instance_type": item.get("DBInstanceClass"),
        "instance_count": count,
        "state": item.get("State"),
        "term_start": start,
        "term_end": start + term if start and term else None,
        "currency": item.get("CurrencyCode"),
        "upfront_cost": _times(count, item.get("FixedPrice")),
        "hourly_cost": _times(count, _hourly(item)),
    }


def _hourly(item: Item) -> Decimal | None:
    """Add up the recurring charges of an hour; None where AWS lists none but a usage price."""
    charges = item.get("RecurringCharges")
    if charges is None:
        return amount(item.get("UsagePrice"))
    figures = [
        amount(each.get("Amount") if "Amount" in each else each.get("RecurringChargeAmount"))
        for each in charges
    ]
    return sum((each for each in figures if each is not None), Decimal(0))


def _savings_plan(page: Page, item: Item) -> Row:
    return {
        "key": item["savingsPlanArn"],
        "commitment_id": item["savingsPlanArn"],
        "commitment_type": _PLAN,
        "owner_account_id": page["account"],
        "region": item.get("region") or None,
        "plan": item.get("savingsPlanType"),
        "payment_option": item.get("paymentOption"),
        "instance_type": item.get("ec2InstanceFamily") or None,
        "state": item.get("state"),
        "term_start": _instant(item.get("start")),
        "term_end": _instant(item.get("end")),
        "currency": item.get("currency"),
        "upfront_cost": amount(item.get("upfrontPaymentAmount")),
        "hourly_cost": amount(item.get("recurringPaymentAmount")),
    }


def _reservations(page: Page, item: Item) -> Iterator[Row]:
    for group in item.get("Groups") or ():
        facts = {name.lower(): value for name, value in (group.get("Attributes") or {}).items()}
        lease = facts.get("leaseid") or group["Value"]
        yield {
            "record": "commitment",
            "day": date.fromisoformat(page["day"]),
            "key": lease,
            "commitment_id": lease,
            "commitment_type": _RESERVED,
            "owner_account_id": facts.get("accountid"),
            "service": page["service"],
            "region": facts.get("region"),
            "payment_option": facts.get("subscriptiontype") or facts.get("offeringtype"),
            "instance_type": facts.get("instancetype"),
            "instance_count": amount(facts.get("numberofinstances")),
            "state": facts.get("subscriptionstatus"),
            "term_start": _instant(facts.get("startdatetime")),
            "term_end": _instant(facts.get("enddatetime")),
            "payload": _json(group),
            **_reservation_figures(group.get("Utilization") or {}),
        }


def _reservation_totals(page: Page, item: Item) -> Iterator[Row]:
    yield {
        "record": "total",
        "day": date.fromisoformat(item["TimePeriod"]["Start"]),
        "commitment_type": _RESERVED,
        "service": page["service"],
        **_reservation_figures(item.get("Total") or {}),
    }


def _reservation_figures(figures: Item) -> Row:
    return {
        "currency": "USD",  # Cost Explorer names none here and states savings in dollars
        "purchased_quantity": amount(figures.get("PurchasedHours")),
        "used_quantity": amount(figures.get("TotalActualHours")),
        "unused_quantity": amount(figures.get("UnusedHours")),
        "quantity_unit": "Hours",
        "amortized_upfront_cost": amount(figures.get("AmortizedUpfrontFee")),
        "amortized_recurring_cost": amount(figures.get("AmortizedRecurringFee")),
        "amortized_cost": amount(figures.get("TotalAmortizedFee")),
        "unused_cost": amount(figures.get("RICostForUnusedHours")),
        "on_demand_cost": amount(figures.get("OnDemandCostOfRIHoursUsed")),
        "net_savings": amount(figures.get("NetRISavings")),
    }


def _reservation_coverage(page: Page, item: Item) -> Iterator[Row]:
    hours = (item.get("Total") or {}).get("CoverageHours") or {}
    cost = (item.get("Total") or {}).get("CoverageCost") or {}
    yield {
        "record": "coverage",
        "day": date.fromisoformat(item["TimePeriod"]["Start"]),
        "commitment_type": _RESERVED,
        "service": page["service"],
        "currency": "USD",
        "quantity_unit": "Hours",
        "covered_quantity": amount(hours.get("ReservedHours")),
        "total_quantity": amount(hours.get("TotalRunningHours")),
        "on_demand_cost": amount(cost.get("OnDemandCost")),
        "payload": _json(item),
    }


def _savings_plans(page: Page, item: Item) -> Iterator[Row]:
    facts = {name.lower(): value for name, value in (item.get("Attributes") or {}).items()}
    yield {
        "record": "commitment",
        "day": date.fromisoformat(page["day"]),
        "key": item["SavingsPlanArn"],
        "commitment_id": item["SavingsPlanArn"],
        "commitment_type": _PLAN,
        "owner_account_id": facts.get("accountid"),
        "region": facts.get("region"),
        "plan": facts.get("savingsplanstype"),
        "payment_option": facts.get("purchaseoption") or facts.get("paymentoption"),
        "instance_type": facts.get("instancefamily"),
        "state": facts.get("status"),
        "term_start": _instant(facts.get("startdatetime")),
        "term_end": _instant(facts.get("enddatetime")),
        "payload": _json(item),
        **_plan_figures(item),
    }


def _savings_plan_totals(page: Page, item: Item) -> Iterator[Row]:
    del page
    yield {
        "record": "total",
        "day": date.fromisoformat(item["TimePeriod"]["Start"]),
        "commitment_type": _PLAN,
        **_plan_figures(item),
    }


def _plan_figures(item: Item) -> Row:
    use, savings = item.get("Utilization") or {}, item.get("Savings") or {}
    cost = item.get("AmortizedCommitment") or {}
    return {
        "currency": "USD",
        "purchased_quantity": amount(use.get("TotalCommitment")),
        "used_quantity": amount(use.get("UsedCommitment")),
        "unused_quantity": amount(use.get("UnusedCommitment")),
        "quantity_unit": "USD",
        "amortized_upfront_cost": amount(cost.get("AmortizedUpfrontCommitment")),
        "amortized_recurring_cost": amount(cost.get("AmortizedRecurringCommitment")),
        "amortized_cost": amount(cost.get("TotalAmortizedCommitment")),
        "unused_cost": amount(use.get("UnusedCommitment")),
        "on_demand_cost": amount(savings.get("OnDemandCostEquivalent")),
        "net_savings": amount(savings.get("NetSavings")),
    }


def _savings_plan_coverage(page: Page, item: Item) -> Iterator[Row]:
    del page
    covered = item.get("Coverage") or {}
    yield {
        "record": "coverage",
        "day": date.fromisoformat(item["TimePeriod"]["Start"]),
        "commitment_type": _PLAN,
        "currency": "USD",
        "quantity_unit": "USD",
        "covered_quantity": amount(covered.get("SpendCoveredBySavingsPlans")),
        "total_quantity": amount(covered.get("TotalCost")),
        "on_demand_cost": amount(covered.get("OnDemandCost")),
        "payload": _json(item),
    }


def _times(count: Decimal, price: float | str | Decimal | None) -> Decimal | None:
    each = price if isinstance(price, Decimal) else amount(price)
    return None if each is None else each * count


def _instant(text: str | None) -> datetime | None:
    """Read a time; one without a zone is UTC."""
    if not text:
        return None
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _json(item: Item) -> str:
    return json.dumps(item, sort_keys=True)


_BOUGHT: Final[Mapping[str, Callable[[Page, Item], Row]]] = {
    "ec2": _reserved_machine,
    "rds": _reserved_database,
    "savings-plan": _savings_plan,
}
_READERS: Final[Mapping[str, Callable[[Page, Item], Iterator[Row]]]] = {
    "inventory": _bought,
    "reservation-totals": _reservation_totals,
    "reservations": _reservations,
    "reservation-coverage": _reservation_coverage,
    "savings-plan-totals": _savings_plan_totals,
    "savings-plans": _savings_plans,
    "savings-plan-coverage": _savings_plan_coverage,
}

"""The estate's charges as lines of Cost Management, with a reservation and what it covers."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox import azure_fleet
from astraeus_pipeline.sandbox.estate import AZURE_OWNERS, Charge, Estate, Owner

_SEED: Final = 20_261_103
_METERS: Final = uuid.UUID("6f6f1c7e-3c0e-4d3c-9d5e-0d6a6f7f1a10")
_LOCATIONS: Final = {"westeurope": "EU West", "northeurope": "EU North"}
_MACHINES: Final = "Virtual Machines"
_SHARES: Final = Decimal("0.000000000001")


@dataclass(frozen=True)
class Line:
    """One line of a subscription's bill; a cost is None where that cost type has no such line."""

    day: date
    subscription: str
    charge_type: str
    pricing_model: str
    service: str
    subcategory: str
    meter: str
    meter_id: str
    unit: str
    resource_id: str
    location: str
    quantity: Decimal
    actual: Decimal | None
    amortized: Decimal | None
    currency: str = "EUR"
    benefit_id: str = ""
    benefit_name: str = ""
    unit_price: Decimal = Decimal(0)


def lines(estate: Estate, today: date, days: DayRange) -> Iterator[Line]:
    """Yield the lines of all subscriptions, up to yesterday: today's are not on the bill yet."""
    last = min(days.last, today - timedelta(days=1))
    if last < days.first:
        return
    for owner in AZURE_OWNERS:
        for charge in estate.charges(owner, DayRange(days.first, last)):
            if charge.category == "Usage":
                yield from _usage(charge)
            elif charge.category == "Purchase":
                yield _purchase(charge)
        if owner.commitment:
            for day in DayRange(max(days.first, estate.first_day), last):
                yield from _covered(owner, day)


def meter_id(service: str, meter: str) -> str:
    """Return the id of a meter."""
    return str(uuid.uuid5(_METERS, f"{service}/{meter}"))


def reservation(owner: Owner) -> tuple[str, str]:
    """Return id and name of the owner's reservation."""
    order = uuid.uuid5(_METERS, owner.slug)
    return (
        f"/providers/Microsoft.Capacity/reservationOrders/{order}/reservations/"
        f"{uuid.uuid5(_METERS, owner.number)}",
        "VM_RI_D4s_v5_West_Europe",
    )


def _line(owner: Owner, day: date, service: str, meter: str, unit: str, region: str) -> Line:
    return Line(
        day,
        owner.number,
        "Usage",
        "OnDemand",
        service,
        f"{service} {meter.split()[0]} Series" if service == _MACHINES else meter.split()[0],
        meter,
        meter_id(service, meter),
        unit,
        "",
        _LOCATIONS[region],
        Decimal(0),
        None,
        None,
        owner.currency,
    )


def _usage(charge: Charge) -> Iterator[Line]:
    """Spread a workload's charge over its resources; the parts sum to it exactly."""
    base = _line(
        charge.owner,
        charge.day,
        charge.service,
        charge.usage_type,
        charge.unit or "1",
        charge.region or "westeurope",
    )
    resources = azure_fleet.billed(charge.owner, charge.usage_type)
    quantity = charge.quantity or Decimal(0)
    price = (charge.list_cost / quantity).quantize(_SHARES) if quantity else Decimal(0)
    costs = _shares(charge.billed_cost, len(resources))
    quantities = _shares(quantity, len(resources))
    for resource, amount, cost in zip(resources, quantities, costs, strict=True):
        yield replace(
            base,
            resource_id=resource,
            quantity=amount,
            actual=cost,
            amortized=cost,
            unit_price=price,
        )


def _shares(amount: Decimal, parts: int) -> list[Decimal]:
    share = (amount / parts).quantize(_SHARES)
    return [*([share] * (parts - 1)), amount - share * (parts - 1)]


def _committed(owner: Owner, day: date) -> Line:
    workload = next(each for each in owner.workloads if each.service == _MACHINES)
    benefit, name = reservation(owner)
    base = _line(owner, day, _MACHINES, workload.usage_type, "1 Hour", workload.region)
    return replace(
        base,
        pricing_model="Reservation",
        benefit_id=benefit,
        benefit_name=name,
        unit_price=workload.unit_price,
    )


def _purchase(charge: Charge) -> Line:
    base = _committed(charge.owner, charge.day)
    return replace(
        base,
        charge_type="Purchase",
        resource_id=base.benefit_id,
        quantity=Decimal(1),
        actual=charge.billed_cost,
        unit_price=charge.billed_cost,
    )


def _covered(owner: Owner, day: date) -> Iterator[Line]:
    """Spread the month's fee over its days: what was used, and what was not."""
    month = DayRange.of_month(day)
    fee = _shares(owner.commitment, len(month))[(day - month.first).days]
    chance = random.Random(f"{_SEED}:{owner.slug}:{day}")  # noqa: S311 - play
    used = (fee * Decimal(repr(round(chance.uniform(0.82, 1.0), 4)))).quantize(_SHARES)
    base = _committed(owner, day)
    machine = azure_fleet.billed(owner, base.meter)[0]
    hours = Decimal(24)
    share = (hours * used / fee).quantize(Decimal("0.0001"))
    yield replace(base, resource_id=machine, quantity=share, actual=Decimal(0), amortized=used)
    yield replace(
        base,
        charge_type="UnusedReservation",
        resource_id=base.benefit_id,
        quantity=hours - share,
        amortized=fee - used,
    )

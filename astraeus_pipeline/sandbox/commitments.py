"""What the invented company has bought ahead, and how much of it each day used. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from astraeus_pipeline.sandbox.estate import Owner
from astraeus_pipeline.sandbox.organization import PAYER

Kind = Literal["ec2", "rds", "savings-plan"]
HOURS: Final = Decimal(24)
EC2: Final = "Amazon Elastic Compute Cloud - Compute"
RDS: Final = "Amazon Relational Database Service"
_CENT: Final = Decimal("0.0000000001")  # Cost Explorer's ten decimals


@dataclass(frozen=True)
class Commitment:
    """One purchase; prices are totals over all its instances, in USD.

    `hourly` is what an hour of it costs beside the upfront payment; `busy` the mean share used.
    """

    kind: Kind
    owner: Owner
    identity: str
    region: str
    instance_type: str
    count: int
    start: date
    days: int
    upfront: Decimal
    hourly: Decimal
    payment: str
    plan: str
    busy: float

    @property
    def end(self) -> date:
        """The day after the term."""
        return self.start + timedelta(days=self.days)

    @property
    def service(self) -> str:
        """The service that it covers, as Cost Explorer says."""
        return RDS if self.kind == "rds" else EC2

    @property
    def arn(self) -> str:
        """ARN as billed."""
        number = self.owner.number
        if self.kind == "ec2":
            return f"arn:aws:ec2:{self.region}:{number}:reserved-instances/{self.identity}"
        if self.kind == "rds":
            return f"arn:aws:rds:{self.region}:{number}:ri:{self.identity}"
        return f"arn:aws:savingsplans::{number}:savingsplan/{self.identity}"

    def is_open(self, day: date) -> bool:
        """Whether the day is in the term."""
        return self.start <= day < self.end


@dataclass(frozen=True)
class Use:
    """One commitment's day: hours and dollars, unrounded parts of exact totals."""

    hours: Decimal
    used_hours: Decimal
    upfront: Decimal
    recurring: Decimal
    unused_cost: Decimal

    @property
    def cost(self) -> Decimal:
        """The day's cost, used or not."""
        return self.upfront + self.recurring


def company(anchor: date) -> tuple[Commitment, ...]:
    """Return what the company of a demo made on `anchor` has bought."""
    return (
        Commitment(
            "savings-plan",
            PAYER,
            "5f0c1f7e-0d5f-4c9e-9d50-6a2b1f3c9a10",
            "",
            "",
            0,
            anchor - timedelta(days=150),
            365,
            Decimal(0),
            Decimal("3.00"),
            "No Upfront",
            "Compute",
            0.93,
        ),
        Commitment(
            "ec2",
            PAYER,
            "b847fa93-e282-4f55-b59a-1342fexample1",
            "us-east-1",
            "m6i.large",
            4,
            anchor - timedelta(days=200),
            365,
            Decimal("876.00"),
            Decimal("0.12"),
            "Partial Upfront",
            "standard",
            0.61,
        ),
        Commitment(
            "rds",
            PAYER,
            "shop-databases",
            "us-east-1",
            "db.r6g.2xlarge",
            1,
            anchor - timedelta(days=70),
            365,
            Decimal("4380.00"),
            Decimal(0),
            "All Upfront",
            "postgresql",
            0.97,
        ),
    )


def use(commitment: Commitment, day: date) -> Use:
    """Return how a day of the term used a commitment; weekends use less."""
    chance = random.Random(f"{commitment.identity}:{day}")  # noqa: S311 - play
    share = commitment.busy + chance.uniform(-0.05, 0.03)
    share *= 0.8 if day.isoweekday() >= 6 else 1.0
    used = Decimal(repr(round(min(share, 1.0), 4)))
    hours = HOURS * (commitment.count or 1)
    upfront = (commitment.upfront / commitment.days).quantize(_CENT)
    recurring = commitment.hourly * HOURS
    return Use(hours, hours * used, upfront, recurring, (upfront + recurring) * (1 - used))


def on_day(
    commitments: tuple[Commitment, ...], day: date, *kinds: Kind
) -> Iterator[tuple[Commitment, Use]]:
    """Yield the commitments of some kinds that are open on a day, with their use."""
    for each in commitments:
        if each.kind in kinds and each.is_open(day):
            yield each, use(each, day)


def instant(day: date) -> datetime:
    """Return a day's first instant, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

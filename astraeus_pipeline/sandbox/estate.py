"""The estate of an invented company: what it uses, when it misbehaves. Pure and deterministic.

A day's charges depend on the day alone, so the past stays as it was while time goes on; what
changes a past day is a revision (late usage, a refund, the close of a month).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from astraeus_pipeline.contracts.days import DayRange, next_month

_SEED: Final = 20_261_101
HISTORY_DAYS: Final = 120


@dataclass(frozen=True)
class Workload:
    """One stream of charges: `daily` is its cost on an average day, in the owner's currency."""

    service: str
    usage_type: str
    unit: str
    unit_price: Decimal
    daily: Decimal
    region: str
    weekend: float = 1.0  # share of a weekday's use
    growth: float = 0.0  # a month
    noise: float = 0.04
    team: str = "platform"


@dataclass(frozen=True)
class Owner:
    """One account or subscription with its workloads."""

    slug: str
    number: str
    name: str
    currency: str
    workloads: tuple[Workload, ...]
    tax_rate: Decimal = Decimal(0)
    support: Decimal = Decimal(0)  # fee on the first of a month
    credit: Decimal = Decimal(0)  # on the third of a month
    commitment: Decimal = Decimal(0)  # bought a month ahead, on the first


@dataclass(frozen=True)
class Anomaly:
    """Something to be found: `starts` counts days back from the anchor, `factor` multiplies."""

    slug: str
    service: str
    kind: str  # spike, shift or new_service
    starts: int
    days: int
    factor: float


@dataclass(frozen=True)
class Charge:
    """One invented charge of a day; effective differs from billed where commitments are."""

    owner: Owner
    day: date
    category: str  # Usage, Tax, Credit, Refund, Fee, Purchase, Covered
    service: str
    usage_type: str
    region: str | None
    unit: str | None
    quantity: Decimal | None
    list_cost: Decimal
    billed_cost: Decimal
    effective_cost: Decimal
    team: str


def _w(*fields: object, **more: object) -> Workload:
    service, usage_type, unit, price, daily, region = fields
    return Workload(
        str(service),
        str(usage_type),
        str(unit),
        Decimal(str(price)),
        Decimal(str(daily)),
        str(region),
        **more,  # type: ignore[arg-type] # keyword arguments of Workload
    )


_EC2, _OTHER = "Amazon Elastic Compute Cloud - Compute", "EC2 - Other"
_RDS, _S3 = "Amazon Relational Database Service", "Amazon Simple Storage Service"

PROD = Owner(
    "acme-prod",
    "111111111111",
    "Acme production",
    "USD",
    (
        _w(_EC2, "BoxUsage:m6i.2xlarge", "Hrs", "0.384", 412, "us-east-1", growth=0.02),
        _w(_EC2, "EUC1-BoxUsage:m6i.xlarge", "Hrs", "0.23", 168, "eu-central-1", team="shop"),
        _w(_OTHER, "EBS:VolumeUsage.gp3", "GB-Mo", "0.08", 61, "us-east-1", noise=0.01),
        _w(_OTHER, "NatGateway-Bytes", "GB", "0.045", 38, "us-east-1", weekend=0.7, noise=0.1),
        _w(_RDS, "InstanceUsage:db.r6g.2xl", "Hrs", "0.86", 143, "us-east-1", team="shop"),
        _w(_S3, "TimedStorage-ByteHrs", "GB-Mo", "0.023", 57, "us-east-1", growth=0.04, noise=0.01),
        _w("AWS Lambda", "Lambda-GB-Second", "Lambda-GB-Second", "0.0000166667", 22, "us-east-1"),
        _w("AmazonCloudWatch", "CW:MetricMonitorUsage", "Metrics", "0.3", 19, "us-east-1"),
        _w(
            "Amazon CloudFront",
            "US-DataTransfer-Out-Bytes",
            "GB",
            "0.085",
            74,
            "us-east-1",
            weekend=1.3,
        ),
    ),
    tax_rate=Decimal("0.0825"),
    support=Decimal("2490.00"),
    credit=Decimal("-750.00"),
    commitment=Decimal("2160.00"),
)
STAGING = Owner(
    "acme-staging",
    "222222222222",
    "Acme staging",
    "USD",
    (
        _w(_EC2, "BoxUsage:m6i.large", "Hrs", "0.096", 64, "us-east-1", weekend=0.25, noise=0.12),
        _w(_RDS, "InstanceUsage:db.t4g.large", "Hrs", "0.129", 18, "us-east-1", weekend=0.4),
        _w(_S3, "TimedStorage-ByteHrs", "GB-Mo", "0.023", 6, "us-east-1", noise=0.01),
        _w("AWS Lambda", "Lambda-GB-Second", "Lambda-GB-Second", "0.0000166667", 3, "us-east-1"),
    ),
    tax_rate=Decimal("0.0825"),
)
DATA = Owner(
    "acme-data",
    "333333333333",
    "Acme data",
    "USD",
    (
        _w("Amazon Redshift", "Node:ra3.4xlarge", "Hrs", "3.26", 235, "us-west-2", team="data"),
        _w(
            "AWS Glue",
            "ETL-DPU-Hour",
            "DPU-Hour",
            "0.44",
            71,
            "us-west-2",
            weekend=0.3,
            team="data",
        ),
        _w(
            _S3,
            "USW2-TimedStorage-ByteHrs",
            "GB-Mo",
            "0.023",
            118,
            "us-west-2",
            growth=0.05,
            team="data",
        ),
        _w(
            "Amazon SageMaker",
            "Train-ml.g5.2xlarge",
            "Hrs",
            "1.515",
            96,
            "us-west-2",
            noise=0.35,
            team="ml",
        ),
    ),
    tax_rate=Decimal("0.0825"),
)
GROUP = Owner(
    "acme-group",
    "777777777777",
    "Acme group",
    "USD",
    (
        _w(
            "Amazon Elastic Compute Cloud",
            "BoxUsage:m7i.xlarge",
            "Hrs",
            "0.2016",
            148,
            "us-east-1",
            weekend=0.8,
            team="shop",
        ),
        _w(
            "Amazon Elastic Compute Cloud",
            "EUC1-BoxUsage:c7i.large",
            "Hrs",
            "0.1019",
            66,
            "eu-central-1",
            team="data",
        ),
        _w(_RDS, "Aurora:ServerlessV2Usage", "ACU-Hr", "0.12", 51, "us-east-1", team="shop"),
        _w(_S3, "TimedStorage-INT-FA-ByteHrs", "GB-Mo", "0.023", 27, "us-east-1", team="data"),
    ),
    tax_rate=Decimal("0.0825"),
    support=Decimal("990.00"),
)
AZURE = Owner(
    "contoso-azure",
    "6f1c9c3e-52b1-4bb5-9c2c-1d0f7d1f7a11",
    "Contoso on Azure",
    "EUR",
    (
        _w("Virtual Machines", "D4s v5", "Hours", "0.214", 188, "westeurope", growth=0.01),
        _w(
            "Storage Accounts",
            "Hot LRS Data Stored",
            "GB/Month",
            "0.0196",
            44,
            "westeurope",
            noise=0.01,
        ),
        _w("Azure SQL Database", "vCore", "Hours", "0.1522", 92, "westeurope", team="shop"),
        _w(
            "Azure Kubernetes Service",
            "Uptime SLA",
            "Hours",
            "0.0932",
            9,
            "northeurope",
            noise=0.01,
        ),
        _w("Bandwidth", "Standard Data Transfer Out", "GB", "0.0737", 15, "westeurope", noise=0.15),
    ),
    support=Decimal("912.50"),
    credit=Decimal("-300.00"),
)
FABRIKAM_SHOP = Owner(
    "fabrikam-shop",
    "0f2e9a10-7d0b-4d35-9d6a-6b7f3a1c5e01",
    "Fabrikam shop",
    "EUR",
    (
        _w("Virtual Machines", "D4s v5", "1 Hour", "0.214", 171, "westeurope", team="shop"),
        _w("Storage", "P20 LRS Disk", "1/Month", "68.14", 26, "westeurope", noise=0.01),
        _w("Storage", "Hot LRS Data Stored", "1 GB/Month", "0.0196", 33, "westeurope", noise=0.01),
        _w("Storage", "Hot Read Operations", "10K", "0.0044", 2, "westeurope", noise=0.2),
        _w("SQL Database", "vCore", "1 Hour", "0.1522", 88, "westeurope", growth=0.02, team="shop"),
        _w(
            "Bandwidth", "Standard Data Transfer Out", "1 GB", "0.0737", 14, "westeurope", noise=0.2
        ),
    ),
    commitment=Decimal("1860.00"),
)
FABRIKAM_DATA = Owner(
    "fabrikam-data",
    "0f2e9a10-7d0b-4d35-9d6a-6b7f3a1c5e02",
    "Fabrikam data",
    "EUR",
    (
        _w(
            "Azure Databricks",
            "Premium All-purpose Compute DBU",
            "1 Hour",
            "0.51",
            96,
            "northeurope",
            weekend=0.3,
            team="data",
        ),
        _w("Virtual Machines", "E8s v5", "1 Hour", "0.563", 62, "northeurope", team="data"),
        _w(
            "Storage", "Cool ZRS Data Stored", "1 GB/Month", "0.0113", 41, "northeurope", noise=0.01
        ),
        _w("Azure Database for PostgreSQL", "vCore", "100 Hours", "8.9", 37, "northeurope"),
        _w("Log Analytics", "Pay-as-you-go Data Ingestion", "1 GB", "2.5", 19, "northeurope"),
    ),
)
ORACLE = Owner(
    "globex-oci",
    "ocid1.tenancy.oc1..globex",
    "Globex on Oracle Cloud",
    "USD",
    (
        _w("Compute", "Standard - E5 - OCPU", "OCPU Hours", "0.03", 47, "us-ashburn-1"),
        _w(
            "Block Storage",
            "Block Volume - Performance",
            "GB Months",
            "0.0425",
            12,
            "us-ashburn-1",
            noise=0.01,
        ),
        _w(
            "Autonomous Database",
            "ECPU",
            "ECPU Hours",
            "0.336",
            58,
            "us-ashburn-1",
            weekend=0.8,
            team="data",
        ),
    ),
)
AWS_OWNERS: Final = (PROD, STAGING, DATA)
AZURE_OWNERS: Final = (FABRIKAM_SHOP, FABRIKAM_DATA)
FOCUS_OWNERS: Final = (AZURE, ORACLE)

ANOMALIES: Final = (
    Anomaly("acme-prod", "AWS Lambda", "spike", 24, 2, 7.0),
    Anomaly("acme-prod", _OTHER, "shift", 11, 11, 1.9),
    Anomaly("acme-data", "Amazon Bedrock", "new_service", 16, 16, 1.0),
    Anomaly("fabrikam-data", "Azure Databricks", "spike", 19, 2, 3.6),
    Anomaly("contoso-azure", "Azure SQL Database", "spike", 40, 3, 3.2),
)
_NEW_SERVICES: Final = {
    "Amazon Bedrock": _w(
        "Amazon Bedrock", "Claude-InputTokenCount", "1K tokens", "0.003", 83, "us-west-2", team="ml"
    )
}
# Days back from the anchor that revision 1 restates: usage that arrived late.
RESTATED_DAYS: Final = range(3, 7)
_LATE_OWNERS: Final = (PROD, FABRIKAM_SHOP, AZURE)
_LATE_SHARE: Final = Decimal("0.031")


@dataclass(frozen=True)
class Estate:
    """The company as of a day; `anchor` is the day the demo was made, `revision` its state."""

    anchor: date
    revision: int = 0

    @property
    def first_day(self) -> date:
        """The first day with charges: a month's first, so that whole months can be compared."""
        return (self.anchor - timedelta(days=HISTORY_DAYS)).replace(day=1)

    @property
    def refund_day(self) -> date:
        """The day, settled long ago, of which revision 1 gives something back.

        A day of work: at a weekend it would be more than half of what was spent, and a settled day
        that shrinks by so much is refused.
        """
        day = self.anchor - timedelta(days=9)
        return day - timedelta(days=max(0, day.isoweekday() - 5))

    def charges(self, owner: Owner, days: DayRange) -> Iterator[Charge]:
        """Yield the owner's charges of the days that have begun since its first day."""
        for day in days:
            if day >= self.first_day:
                yield from _charges(self, owner, day)

    def is_final(self, day: date) -> bool:
        """Whether the bill of the day's month is closed: revision 1 closes all past months."""
        closes = next_month(day) + timedelta(days=0 if self.revision else 31)
        return closes <= self.anchor.replace(day=1)

    def day(self, owner: Owner, day: date) -> Iterator[Charge]:
        """Yield the owner's charges of one day."""
        for workload in self._workloads(owner, day):
            yield self._usage(owner, workload, day)
        if day.day == 1:
            yield from self._first_of_month(owner, day)
        if day.day == 3 and owner.credit:
            yield _flat(owner, day, "Credit", "Credits", owner.credit)
        if self.revision and owner is PROD and day == self.refund_day:
            yield _flat(owner, day, "Refund", _EC2, Decimal("-184.32"))

    def _workloads(self, owner: Owner, day: date) -> Iterator[Workload]:
        yield from owner.workloads
        for anomaly in ANOMALIES:
            if (
                anomaly.kind == "new_service"
                and anomaly.slug == owner.slug
                and day >= self.anchor - timedelta(days=anomaly.starts)
            ):
                yield _NEW_SERVICES[anomaly.service]

    def _usage(self, owner: Owner, workload: Workload, day: date) -> Charge:
        chance = random.Random(f"{_SEED}:{owner.slug}:{workload.usage_type}:{day}")  # noqa: S311 - play
        months = (day - self.first_day).days / 30.4
        factor = (1 + workload.growth) ** months * max(0.05, chance.gauss(1, workload.noise))
        factor *= workload.weekend if day.isoweekday() >= 6 else 1.0
        factor *= self._anomaly_factor(owner, workload, day)
        target = workload.daily * Decimal(repr(round(factor, 6)))
        quantity = (target / workload.unit_price).quantize(Decimal("0.000001"))
        if self._is_late(owner, day):
            quantity += (quantity * _LATE_SHARE).quantize(Decimal("0.000001"))
        # The price list has as many decimals as it likes, and so have the costs.
        cost = quantity * workload.unit_price
        covered = cost * Decimal("0.2") if owner.commitment and workload.service == _EC2 else 0
        return Charge(
            owner,
            day,
            "Usage",
            workload.service,
            workload.usage_type,
            workload.region,
            workload.unit,
            quantity,
            cost,
            cost - covered,
            cost,
            workload.team,
        )

    def _is_late(self, owner: Owner, day: date) -> bool:
        back = (self.anchor - day).days
        return bool(self.revision) and owner in _LATE_OWNERS and back in RESTATED_DAYS

    def _anomaly_factor(self, owner: Owner, workload: Workload, day: date) -> float:
        for anomaly in ANOMALIES:
            start = self.anchor - timedelta(days=anomaly.starts)
            if (
                anomaly.kind != "new_service"
                and (anomaly.slug, anomaly.service) == (owner.slug, workload.service)
                and start <= day < start + timedelta(days=anomaly.days)
            ):
                return anomaly.factor
        return 1.0

    def _first_of_month(self, owner: Owner, day: date) -> Iterator[Charge]:
        if owner.support:
            yield _flat(owner, day, "Fee", "Support", owner.support)
        if owner.commitment:
            yield _flat(owner, day, "Purchase", "Savings Plans", owner.commitment)
        if owner.tax_rate:
            expected = sum((each.daily for each in owner.workloads), Decimal(0)) * 30
            tax = (expected * owner.tax_rate).quantize(Decimal("0.01"))
            yield _flat(owner, day, "Tax", "Tax", tax)


@lru_cache(maxsize=10_000)  # each page of an emulator's answer asks for the same days again
def _charges(estate: Estate, owner: Owner, day: date) -> tuple[Charge, ...]:
    return tuple(estate.day(owner, day))


def _flat(owner: Owner, day: date, category: str, service: str, cost: Decimal) -> Charge:
    effective = Decimal(0) if category == "Purchase" else cost
    return Charge(
        owner, day, category, service, "", None, None, None, cost, cost, effective, "finance"
    )

"""The estate's Snowflake: what its warehouses, services and databases used, and what that cost.

Pure and deterministic like `estate.py`. Everything follows from the hours of the warehouses:
queries share an hour's credits, hours sum up to the day's metering, metering and bytes at a rate
are the bill, and the bill eats up the contract's capacity, beyond which overage rates apply.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox.estate import RESTATED_DAYS, Estate

_SEED: Final = 20_261_107
_CREDIT: Final = Decimal("0.000000001")
_TB: Final = 1024**4
_CLOUD_SERVICES_FREE: Final = Decimal("0.1")  # of the day's warehouse credits
_LATE_SHARE: Final = Decimal("0.18")

Cells = dict[str, str | None]


@dataclass(frozen=True)
class Work:
    """Queries of one kind: who asks, as what, under which tag, and their share of an hour."""

    user: str
    role: str
    tag: str | None
    statement: str
    kind: str
    share: float


@dataclass(frozen=True)
class Warehouse:
    """One warehouse: its credits an hour, when it works, how much of that no query explains."""

    name: str
    size: str
    rate: Decimal
    hours: range
    works: tuple[Work, ...]
    weekend: float = 1.0
    cloud_services: float = 0.05
    running: float = 1.4
    auto_suspend: int = 60  # idle seconds


@dataclass(frozen=True)
class Store:
    """One database and its mean bytes on the first day."""

    name: str
    terabytes: float
    growth: float = 0.03  # a month


@dataclass(frozen=True)
class SnowAccount:
    """One Snowflake account."""

    organization: str
    name: str
    locator: str
    region: str
    edition: str
    warehouses: tuple[Warehouse, ...]
    stores: tuple[Store, ...]
    serverless: tuple[tuple[str, str], ...] = ()  # service type, credits a day
    pipes: tuple[str, ...] = ()


_DBT = Work("DBT_PROD", "TRANSFORMER", "dbt", "merge into fct_orders", "MERGE", 0.5)
_BI = Work("LOOKER", "REPORTER", "dashboards", "select revenue by day", "SELECT", 0.45)
_ADHOC = Work("A_MEYER", "ANALYST", None, "select whatever", "SELECT", 0.2)
_LOADS = Work("FIVETRAN", "LOADER", "ingest", "copy into raw", "COPY", 0.55)
_TRAINS = Work("ML_JOBS", "DATA_SCIENTIST", "training", "select features", "SELECT", 0.6)

PROD: Final = SnowAccount(
    "ACME",
    "PROD",
    "AA11111",
    "AWS_US_EAST_1",
    "Enterprise",
    (
        Warehouse("TRANSFORM_WH", "Large", Decimal(8), range(1, 7), (_DBT,), cloud_services=0.06),
        Warehouse(
            "BI_WH",
            "Medium",
            Decimal(4),
            range(6, 20),
            (_BI, _ADHOC),
            weekend=0.2,
            auto_suspend=600,
        ),
        Warehouse("LOAD_WH", "Small", Decimal(2), range(24), (_LOADS,), cloud_services=0.16),
    ),
    (Store("ANALYTICS", 31.0, 0.05), Store("RAW", 58.5, 0.04), Store("SANDBOX", 3.2, 0.0)),
    (("SNOWPIPE", "6.4"), ("SERVERLESS_TASK", "3.1"), ("AUTO_CLUSTERING", "9.8")),
    ("RAW.EVENTS.CLICKS", "RAW.EVENTS.ORDERS"),
)
LAB: Final = SnowAccount(
    "ACME",
    "LAB",
    "BB22222",
    "AWS_EU_CENTRAL_1",
    "Enterprise",
    (Warehouse("ML_WH", "X-Large", Decimal(16), range(9, 13), (_TRAINS,), weekend=0.1),),
    (Store("FEATURES", 8.4, 0.08),),
    (("SNOWPARK_CONTAINER_SERVICES", "5.5"),),
)
GLOBEX: Final = SnowAccount(
    "GLOBEX",
    "MAIN",
    "GX33333",
    "AZURE_WESTEUROPE",
    "Standard",
    # Much metadata work on little compute: cloud services beyond the free tenth.
    (Warehouse("REPORTING_WH", "Small", Decimal(2), range(7, 18), (_BI, _ADHOC), 0.3, 0.21, 0.8),),
    (Store("DWH", 6.1, 0.02),),
    (("SNOWPIPE", "0.9"),),
    ("DWH.STAGE.SALES",),
)
ORGANIZATION: Final = (PROD, LAB)
CONTRACT: Final = "C-2026-0117"
CURRENCY: Final = "USD"
# Per credit, and per TB and month; then beyond the capacity.
RATES: Final = {"compute": Decimal("3.00"), "storage": Decimal("23.00")}
OVERAGE_RATES: Final = {"compute": Decimal("3.90"), "storage": Decimal("40.00")}
_OVERAGE_DAYS: Final = 9  # before the anchor, the capacity is used up
_PRIORITY_SUPPORT: Final = Decimal("1250.00")


@dataclass(frozen=True)
class Hour:
    """One hour of a warehouse."""

    warehouse: Warehouse
    start: datetime
    compute: Decimal
    cloud_services: Decimal
    busy: float  # share that queries explain


@dataclass(frozen=True)
class Line:
    """One line of the bill before its money is rounded."""

    account: SnowAccount | None
    day: date
    service: str
    usage_type: str
    rating: str
    usage: Decimal
    cost: Decimal
    billing: str = "consumption"
    is_adjustment: bool = False
    is_overage: bool = False


@cache
def hours(account: SnowAccount, day: date) -> tuple[Hour, ...]:
    """Return the hours in which the account's warehouses ran on a day."""
    return tuple(_hours(account, day))


def _hours(account: SnowAccount, day: date) -> Iterator[Hour]:
    for warehouse in account.warehouses:
        chance = random.Random(f"{_SEED}:{account.locator}:{warehouse.name}:{day}")  # noqa: S311 - play
        level = warehouse.weekend if day.isoweekday() >= 6 else 1.0
        for hour in warehouse.hours:
            share = min(1.0, max(0.02, level * chance.gauss(0.72, 0.08)))
            compute = (warehouse.rate * Decimal(repr(round(share, 6)))).quantize(_CREDIT)
            services = compute * Decimal(repr(round(warehouse.cloud_services, 4)))
            start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
            busy = round(min(0.97, max(0.3, chance.gauss(0.82, 0.07))), 4)
            yield Hour(warehouse, start, compute, services.quantize(_CREDIT), busy)


def stored(account: SnowAccount, estate: Estate, day: date) -> dict[str, int]:
    """Return the mean bytes of each database on a day."""
    months = (day - estate.first_day).days / 30.4
    return {
        store.name: int(store.terabytes * _TB * (1 + store.growth) ** months)
        for store in account.stores
    }


def serverless(account: SnowAccount, estate: Estate, day: date) -> dict[str, Decimal]:
    """Return the credits of each serverless service; a revision finds more on some late days."""
    found = {}
    for service, daily in account.serverless:
        chance = random.Random(f"{_SEED}:{account.locator}:{service}:{day}")  # noqa: S311 - play
        credits = (Decimal(daily) * Decimal(repr(round(chance.gauss(1, 0.1), 6)))).quantize(_CREDIT)
        if estate.revision and account is PROD and (estate.anchor - day).days in RESTATED_DAYS:
            credits += (credits * _LATE_SHARE).quantize(_CREDIT)
        found[service] = credits
    return found


def cloud_services(account: SnowAccount, day: date) -> tuple[Decimal, Decimal]:
    """Return a day's credits of cloud services and what the 10 % rule takes off, below zero."""
    used = sum((hour.cloud_services for hour in hours(account, day)), Decimal(0))
    compute = sum((hour.compute for hour in hours(account, day)), Decimal(0))
    return used, -min(used, (compute * _CLOUD_SERVICES_FREE).quantize(_CREDIT))


@dataclass(frozen=True)
class SnowEstate:
    """The Snowflake accounts of the estate until a day, in the estate's revision."""

    estate: Estate
    today: date

    @property
    def days(self) -> DayRange:
        """The days that the views tell of: those that have ended."""
        return DayRange(self.estate.first_day, self.today - timedelta(days=1))

    def bill(self) -> Iterator[Line]:
        """Yield the lines of the organization's bill."""
        for day in self.days:
            is_overage = day > self.estate.anchor - timedelta(days=_OVERAGE_DAYS)
            for account in ORGANIZATION:
                for line in self._account_lines(account, day, is_overage):
                    yield replace(line, is_overage=is_overage and line.billing == "consumption")
            if day.day == 1:
                yield _flat(day, "priority support", _PRIORITY_SUPPORT)
            if self.estate.revision and day == self.estate.refund_day:
                yield _flat(day, "support_credit", Decimal("-214.50"))

    def _account_lines(self, account: SnowAccount, day: date, is_overage: bool) -> Iterator[Line]:
        rates = OVERAGE_RATES if is_overage else RATES
        compute = sum((hour.compute for hour in hours(account, day)), Decimal(0))
        services, adjustment = cloud_services(account, day)
        credits = [
            ("WAREHOUSE_METERING", "compute", compute, False),
            ("CLOUD_SERVICES", "cloud services", services, False),
            ("CLOUD_SERVICES", "adj for incl cloud services", adjustment, True),
            *(
                (service, service.lower().replace("_", " "), each, False)
                for service, each in serverless(account, self.estate, day).items()
            ),
        ]
        for service, usage_type, used, is_adjustment in credits:
            cost = used * rates["compute"]
            yield Line(
                account, day, service, usage_type, "compute", used, cost, "consumption",
                is_adjustment,
            )  # fmt: skip
        terabytes = Decimal(sum(stored(account, self.estate, day).values())) / _TB
        cost = terabytes * rates["storage"] / len(DayRange.of_month(day))
        yield Line(account, day, "STORAGE", "storage", "storage", terabytes, cost)


def _flat(day: date, billing: str, cost: Decimal) -> Line:
    is_adjustment = billing == "support_credit"
    return Line(None, day, "", billing, "other", Decimal(1), cost, billing, is_adjustment)

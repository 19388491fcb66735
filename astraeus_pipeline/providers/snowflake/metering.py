"""Costs where the bill is not visible: METERING_DAILY_HISTORY's credits and bytes, at a price.

Cloud services are billed only above 10 % of the day's warehouse credits. METERING_DAILY_HISTORY
holds that adjustment and what is billed after it (CREDITS_BILLED); WAREHOUSE_METERING_HISTORY does
not, so that its sums exceed the bill. Storage is rated by the mean of a month's daily bytes: a
day's share is its terabytes at the monthly price, divided by the days of that month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing
from astraeus_pipeline.contracts.typed_rows import exact, whole_number
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers.snowflake.answers import (
    Answers,
    Asked,
    complete_through,
    one_identity,
    row_counts,
)
from astraeus_pipeline.providers.snowflake.client import NotVisible, Row, SnowflakeSession
from astraeus_pipeline.providers.snowflake.config import SnowflakeConfig
from astraeus_pipeline.providers.snowflake.statements import (
    CREDIT_TOTALS,
    CREDITS,
    IDENTITY,
    RATES,
    STORAGE,
    STORAGE_TOTALS,
)

_LAG: Final = timedelta(hours=3)
_TERABYTE: Final = Decimal(1024**4)
_SCALE: Final = 12  # decimals of a day's storage; credits at a price are exact
_STORAGE: Final = "STORAGE"
PRICES: Final = "prices"


@dataclass(frozen=True)
class Price:
    """What a unit costs: a credit, or a TB for a month."""

    amount: Decimal
    currency: str
    source: str


class NoPrice(ValueError):
    """A price list that lacks what is asked for."""


@dataclass
class PriceList:
    """The prices of a delivery, by rating type and, from a rate sheet, by day and service."""

    lines: Mapping[tuple[str | None, str, str | None], Price] = field(default_factory=dict)

    @classmethod
    def read(cls, rows: Iterable[Row]) -> PriceList:
        """Take the stored lines {usage_date, rating_type, service_type, price, ...}."""
        return cls(
            {
                (row["usage_date"], row["rating_type"], row["service_type"]): Price(
                    exact(row["price"]), row["currency"], row["price_source"]
                )
                for row in rows
            }
        )

    def of(self, day: str, rating_type: str, service_type: str) -> Price:
        """Return the price of a service on a day.

        Raises: NoPrice.
        """
        for key in ((day, rating_type, service_type), (None, rating_type, None)):
            if key in self.lines:
                return self.lines[key]
        raise NoPrice(f"no price for {service_type} ({rating_type}) on {day}")


def fetch_metering(
    session: SnowflakeSession, days: DayRange, landing: Landing, reason: str
) -> Fetched:
    """Read credits and bytes of the session's account, and their totals by day.

    Raises: ConfigError if there is no price, configured or in the rate sheet.
    """
    asked = Asked(session, days, landing)
    identity = asked.rows(IDENTITY)[0]
    lines = list(_configured(session.config)) or _from_rate_sheet(asked, identity)
    has_storage = any(each["rating_type"] == "storage" for each in lines)
    totals = asked.rows(CREDIT_TOTALS)
    stored = asked.rows(STORAGE_TOTALS) if has_storage else []
    parts = [asked.put(IDENTITY.key, [identity]), asked.put(PRICES, lines), asked.store(CREDITS)]
    if has_storage:
        parts.append(asked.store(STORAGE))
    left_out = "" if has_storage else ", without storage (no storage_price)"
    return Fetched(
        account_id=session.account.slug,
        dataset="costs",
        shape="metering",
        days=days,
        source="api",
        source_name=f"Snowflake {CREDITS.view} at a price ({reason}){left_out}",
        parts=tuple(parts),
        complete_through=complete_through(_LAG),
        controls=tuple(_controls(PriceList.read(lines), totals, stored)),
        expected_rows=sum(whole_number(total["charges"]) for total in (*totals, *stored)),
        row_counts=row_counts([*totals, *stored]),
        requests=session.statements,
    )


def metering_rows(answers: Answers) -> Iterator[Row]:
    """One row per service and day, and one for the day's storage."""
    identity = one_identity(answers)
    prices = PriceList.read(answers[PRICES])
    for row in answers[CREDITS.key]:
        yield _priced(row, prices, "compute", row["service_type"], identity)
    for row in answers.get(STORAGE.key, ()):
        yield _priced(row, prices, "storage", _STORAGE, identity)


def _priced(row: Row, prices: PriceList, rating: str, service: str, identity: Row) -> Row:
    day = row["usage_date"]
    whole = {
        **dict.fromkeys((*_CREDIT_COLUMNS, *_BYTE_COLUMNS)),
        **row,
        "service_type": service,
        "rating_type": rating,
        **{name: identity[name] for name in ("account_name", "account_locator", "region")},
    }
    try:
        price = prices.of(day, rating, service)
        if rating == "compute":
            usage = exact(row["credits_billed"])
            cost = money.EXACT.multiply(usage, price.amount)
        else:
            stored = money.total(exact(row[name]) for name in _BYTE_COLUMNS)
            usage = _rounded(stored / _TERABYTE)
            cost = storage_cost(stored, price.amount, date.fromisoformat(day))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        return {**whole, "reject": str(error)}
    return {
        **whole,
        "usage": f"{usage:f}",
        "price": f"{price.amount:f}",
        "price_source": price.source,
        "currency": price.currency,
        "usage_in_currency": f"{cost:f}",
    }


_CREDIT_COLUMNS: Final = (
    "credits_used_compute",
    "credits_used_cloud_services",
    "credits_adjustment_cloud_services",
    "credits_used",
    "credits_billed",
)
_BYTE_COLUMNS: Final = ("storage_bytes", "stage_bytes", "failsafe_bytes")


def storage_cost(mean_bytes: Decimal, monthly_price: Decimal, day: date) -> Decimal:
    """Return a day's share of what these bytes cost for a month, rounded to 12 decimals."""
    return _rounded(mean_bytes * monthly_price / len(DayRange.of_month(day)) / _TERABYTE)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-_SCALE), ROUND_HALF_EVEN)


def _configured(config: SnowflakeConfig) -> Iterator[Row]:
    prices = {"compute": config.credit_price, "storage": config.storage_price}
    for rating_type, price in prices.items():
        if config.credit_price is not None and price is not None:
            yield {
                "usage_date": None,
                "rating_type": rating_type,
                "service_type": None,
                "price": f"{price:f}",
                "currency": config.currency,
                "price_source": "configuration",
            }


def _from_rate_sheet(asked: Asked, identity: Row) -> list[Row]:
    """Return the account's own rates; those of overage stand beside them and are left out."""
    session = asked.session
    try:
        rates = asked.rows(RATES)
    except NotVisible:
        raise ConfigError(
            f"Snowflake account {session.account.slug}: credits have no price: none is configured"
            " and ORGANIZATION_USAGE.RATE_SHEET_DAILY is not visible.",
            hint="Set credit_price (and storage_price, currency) of the account.",
        ) from None
    return [
        {
            "usage_date": rate["usage_date"].isoformat(),
            "rating_type": str(rate["rating_type"]).lower(),
            "service_type": rate["service_type"],
            "price": f"{exact(rate['effective_rate']):f}",
            "currency": rate["currency"],
            "price_source": RATES.view.split(".")[1],
        }
        for rate in rates
        if rate["account_locator"] == identity["account_locator"]
        and not rate["is_adjustment"]
        and not str(rate["usage_type"]).startswith("overage-")
    ]


def _controls(prices: PriceList, totals: list[Row], stored: list[Row]) -> Iterator[ControlTotal]:
    """Yield Snowflake's own sums of a day at the prices; a day that lacks one has no total."""
    services: dict[date, list[Row]] = {}
    for total in (*totals, *stored):
        services.setdefault(total["usage_date"], []).append(total)
    for day in sorted(services):
        try:
            parts = [_total(prices, day, each) for each in services[day]]
        except NoPrice:
            continue
        for currency in sorted({currency for currency, _ in parts}):
            yield ControlTotal(
                DayRange(day, day),
                currency,
                "usage_in_currency",
                money.total(amount for each, amount in parts if each == currency),
                f"{CREDIT_TOTALS.view} and {STORAGE_TOTALS.view} summed by Snowflake, at the price",
                scale=_SCALE,
                # Their share of storage is rounded, and so is ours.
                terms=2 * any("all_bytes" in each for each in services[day]),
            )


def _total(prices: PriceList, day: date, total: Row) -> tuple[str, Decimal]:
    if "all_bytes" in total:
        price = prices.of(day.isoformat(), "storage", _STORAGE)
        return price.currency, storage_cost(exact(total["all_bytes"]), price.amount, day)
    price = prices.of(day.isoformat(), "compute", total["service_type"])
    return price.currency, money.EXACT.multiply(exact(total["credits_billed"]), price.amount)

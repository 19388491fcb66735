"""Partitions: per provider one axis of accounts, crossed with UTC days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from itertools import groupby
from typing import Final

import dagster as dg

from astraeus_pipeline.contracts.days import DayRange

# Dagster advises at most 100,000 keys an asset: 70 accounts over these years.
FIRST_DAY: Final = date(2023, 1, 1)
ACCOUNT, DAY = "account", "day"
# Of a run, by which the queue limits how many of one account go on at once.
ACCOUNT_TAG: Final = "astraeus/account"
PROVIDER_TAG: Final = "astraeus/provider"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

# The day under way is a partition too: an inventory is a snapshot of today.
DAYS: Final = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY.isoformat(), timezone="UTC", end_offset=1
)


def accounts_axis(provider: str) -> str:
    """Return the name of a provider's dynamic partitions."""
    return f"{provider}_accounts"


@cache
def account_days(provider: str) -> dg.MultiPartitionsDefinition:
    """Return the partitions of a provider's assets: account x day."""
    return dg.MultiPartitionsDefinition(
        {ACCOUNT: dg.DynamicPartitionsDefinition(name=accounts_axis(provider)), DAY: DAYS}
    )


def key_of(account: str, day: date) -> dg.MultiPartitionKey:
    """Return the partition key of one account and day."""
    return dg.MultiPartitionKey({ACCOUNT: account, DAY: day.isoformat()})


def range_tags(account: str, days: DayRange) -> dict[str, str]:
    """Return the run tags that select an account's days as one range."""
    return {
        RANGE_START: str(key_of(account, days.first)),
        RANGE_END: str(key_of(account, days.last)),
    }


def ranges(keys: Iterable[str]) -> Iterator[tuple[str, DayRange]]:
    """Turn partition keys into unbroken ranges of days per account, in order."""
    pairs = sorted(_parse(key) for key in keys)
    for account, of_account in groupby(pairs, key=lambda pair: pair[0]):
        days = [day for _, day in of_account]
        first = previous = days[0]
        for day in days[1:]:
            if day != previous + timedelta(days=1):
                yield account, DayRange(first, previous)
                first = day
            previous = day
        yield account, DayRange(first, previous)


def account_in(key: str) -> str:
    """Return the account of a partition key as Dagster spells it: dimensions in order of names."""
    return key.rpartition("|")[0]


def _parse(key: str) -> tuple[str, date]:
    dimensions = key.keys_by_dimension if isinstance(key, dg.MultiPartitionKey) else None
    if dimensions is None:
        return account_in(key), date.fromisoformat(key.rpartition("|")[2])
    return dimensions[ACCOUNT], date.fromisoformat(dimensions[DAY])

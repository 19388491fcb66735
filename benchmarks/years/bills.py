"""Bills as they are on a day: yesterday's charges come late at times, some days are restated.

A pure function of account, day charged for and day read, so that a run can go on after a break.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from astraeus_pipeline.contracts.days import DayRange
from benchmarks.data import charges

_LATE, _RESTATED, _RESTATED_AT_CLOSE = 0.1, 0.25, 0.15
_CLOSE_DAY: Final = 4


class Bills:
    """Folders of one FOCUS file per billing month for each account."""

    def __init__(self, root: Path, accounts: int, rows_per_day: int) -> None:
        self.root, self.rows_per_day = root, rows_per_day
        self.slugs = [f"bench-{number:02d}" for number in range(accounts)]
        self._written: dict[Path, tuple[tuple[date, int], ...]] = {}

    def folders(self) -> dict[str, list[Path]]:
        """Return the file of each account, as `estates.add_accounts` takes them."""
        return {slug: [self.root / slug / "*"] for slug in self.slugs}

    def write(self, today: date) -> int:
        """Write the months that may have changed as they are read on `today`; return how many."""
        month = today.replace(day=1)
        former = (month - timedelta(days=1)).replace(day=1)
        return sum(
            self._write_month(number, slug, each, today)
            for number, slug in enumerate(self.slugs)
            for each in (former, month)
        )

    def write_history(self, first: date, today: date) -> None:
        """Write the months from `first` on, up to yesterday, as they are read on `today`."""
        month = first
        while month < today:
            for number, slug in enumerate(self.slugs):
                self._write_month(number, slug, month, today)
            month = DayRange.of_month(month).end

    def rows(self, today: date, first: date) -> int:
        """Return how many charges of the days from `first` on all bills hold on `today`."""
        days = DayRange(first, today - timedelta(days=1))
        versions = (
            _version(number, day, today) for number, _ in enumerate(self.slugs) for day in days
        )
        return sum(self.rows_per_day + each for each in versions if each is not None)

    def _write_month(self, number: int, slug: str, month: date, today: date) -> bool:
        last = min(DayRange.of_month(month).last, today - timedelta(days=1))
        days = DayRange(month, last) if last >= month else ()
        held = tuple(
            (day, version) for day in days if (version := _version(number, day, today)) is not None
        )
        path = self.root / slug / f"billing_period={month:%Y-%m}" / "costs.parquet"
        if not held or self._written.get(path) == held:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = [_charges(number, day, self.rows_per_day + version) for day, version in held]
        pq.write_table(pa.Table.from_batches(batches), path, compression="zstd")
        stamp = datetime(today.year, today.month, today.day, 5, tzinfo=UTC).timestamp()
        os.utime(path, (stamp, stamp))
        self._written[path] = held
        return True


def _version(number: int, day: date, today: date) -> int | None:
    """Return how often the day was restated by `today`; None if it has not come yet."""
    lags = _lags(number, day)
    age = (today - day).days
    return None if age < lags[0] else sum(age >= lag for lag in lags[1:])


@cache
def _lags(number: int, day: date) -> tuple[int, ...]:
    """Return after how many days a day comes, and is restated."""
    chance = random.Random(number * 1_000_000 + day.toordinal())
    first = 2 if chance.random() < _LATE else 1
    return (first, *_restated(chance, day))


def _restated(chance: random.Random, day: date) -> Iterator[int]:
    if chance.random() < _RESTATED:
        yield chance.randint(2, 6)
    if chance.random() < _RESTATED_AT_CLOSE:
        close = DayRange.of_month(day).end + timedelta(days=_CLOSE_DAY - 1)
        yield (close - day).days


# Two months of days, which are written again and again.
@lru_cache(5_000)
def _charges(number: int, day: date, rows: int) -> pa.RecordBatch:
    # Another number of rows is another seed: a restated day differs in every charge.
    [batch] = charges(number, DayRange(day, day), rows)
    return batch

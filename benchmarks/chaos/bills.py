"""What the providers bill, in two versions, and what that comes to: read from the files alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow.compute as pc
import pyarrow.parquet as pq

from astraeus_pipeline.contracts.days import DayRange
from benchmarks.data import Estate, files
from benchmarks.estates import Files

# The day of real daemons, too: they build marts as of it.
TODAY: Final = datetime.now(UTC).date()
# The month before, whole, so that an account has one file; rules still look at it.
DAYS: Final = DayRange.of_month(TODAY.replace(day=1) - timedelta(days=1))

Slice = tuple[str, date]  # account and UTC day


@dataclass(frozen=True)
class Charged:
    """Charges of one slice: how many, and their billed and effective cost in USD."""

    rows: int
    billed: Decimal
    effective: Decimal


@dataclass(frozen=True)
class Bills:
    """One version of all accounts' bills."""

    estate: Estate
    files: Files
    charged: Mapping[Slice, Charged]

    @property
    def folder(self) -> Path:
        """The folder that has one folder of files per account."""
        return next(iter(self.files.values()))[0].parent.parent


def versions(accounts: int, rows_per_day: int) -> list[Bills]:
    """Return two versions that differ on every day of every account."""
    return [_bills(Estate(accounts, DAYS, rows_per_day + more)) for more in (0, 1)]


def _bills(estate: Estate) -> Bills:
    made = files(estate, "parquet")
    charged: dict[Slice, Charged] = {}
    for account, paths in made.items():
        for path in paths:
            charged |= {(account, day): each for day, each in _charged(path).items()}
    return Bills(estate, made, charged)


def _charged(path: Path) -> dict[date, Charged]:
    """Sum a file by day, by hand: nothing of the product reads here."""
    table = pq.read_table(path, columns=["ChargePeriodStart", "BilledCost", "EffectiveCost"])
    days = pc.cast(table["ChargePeriodStart"], "date32[day]")
    found: dict[date, Charged] = {}
    none = Charged(0, Decimal(0), Decimal(0))
    costs = zip(days, table["BilledCost"], table["EffectiveCost"], strict=True)
    for day, billed, effective in costs:
        so_far = found.get(day.as_py(), none)
        found[day.as_py()] = Charged(
            so_far.rows + 1, so_far.billed + billed.as_py(), so_far.effective + effective.as_py()
        )
    return found

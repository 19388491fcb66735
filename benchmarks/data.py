"""FOCUS-like charges as Parquet or CSV files per (account, billing month), the same every time.

47 columns: the 43 of FOCUS 1.0 and four of 1.1. 60 services, 5,000 resources over 20 accounts
(250 each), 5 tag keys. Synthetic: it compresses better than a real bill.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from astraeus_pipeline.contracts.days import DayRange

Format = Literal["parquet", "csv"]

SERVICES: Final = 60
RESOURCES_PER_ACCOUNT: Final = 250
_SCALE: Final = 12
_MONEY: Final = pa.decimal128(38, _SCALE)
_HOUR: Final = 3_600_000_000
_STAMP: Final = pa.timestamp("us", tz="UTC")
_CATEGORIES: Final = ("Compute", "Storage", "Networking", "Databases", "Analytics", "Security")
_UNITS: Final = ("Hours", "GB-Months", "GB", "Requests")
_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2")
# Rows of one batch: what a day's rows are cut into, so that a 2 GB file needs no 2 GB of memory.
_BATCH_ROWS: Final = 100_000


@dataclass(frozen=True)
class Estate:
    """How much to generate: accounts, days from `first` on, and charges per account and day."""

    accounts: int
    days: DayRange
    rows_per_day: int

    @property
    def rows(self) -> int:
        """All charges of the estate."""
        return self.accounts * len(self.days) * self.rows_per_day

    def account_ids(self) -> list[str]:
        """Return the slugs, `bench-00` and on."""
        return [f"bench-{number:02d}" for number in range(self.accounts)]

    def months(self) -> list[DayRange]:
        """Return the part of each billing month that the estate covers."""
        return [
            DayRange(
                max(month, self.days.first), min(DayRange.of_month(month).last, self.days.last)
            )
            for month in self.days.months()
        ]


def cache_folder() -> Path:
    """Return the folder of generated files, outside the repository and open to lesser users."""
    folder = Path(
        os.environ.get("ASTRAEUS_BENCH_DIR", Path(tempfile.gettempdir()) / "astraeus-bench")
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def files(estate: Estate, file_format: Format) -> dict[str, list[Path]]:
    """Write the files that the cache lacks; return them per account, by month.

    Layout: `<cache>/<format>-<rows a day>/<first>_<last>/<account>/<first>_<last>.<format>`: an
    account reads its whole folder, where a part of a month beside the month would be a second bill.
    """
    days = f"{estate.days.first}_{estate.days.last}"
    root = cache_folder() / f"{file_format}-{estate.rows_per_day}" / days
    return {
        account_id: [
            _file(root / account_id, number, days, estate.rows_per_day, file_format)
            for days in estate.months()
        ]
        for number, account_id in enumerate(estate.account_ids())
    }


def _file(folder: Path, account: int, days: DayRange, rows_per_day: int, form: Format) -> Path:
    path = folder / f"{days.first}_{days.last}.{form}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    batches = charges(account, days, rows_per_day)
    if form == "parquet":
        _write_parquet(scratch, batches)
    else:
        _write_csv(scratch, batches)
    scratch.rename(path)
    return path


def charges(account: int, days: DayRange, rows_per_day: int) -> Iterator[pa.RecordBatch]:
    """Yield the charges of one account, FOCUS names and types, day by day in order.

    Equal arguments give equal rows: the generator is seeded by account and first day.
    """
    rng = np.random.default_rng([account, days.first.toordinal(), rows_per_day])
    per_batch = max(1, _BATCH_ROWS // rows_per_day)
    ordinals = np.arange(days.first.toordinal(), days.last.toordinal() + 1)
    for start in range(0, len(ordinals), per_batch):
        chosen = np.repeat(ordinals[start : start + per_batch], rows_per_day)
        for first in range(0, len(chosen), _BATCH_ROWS):
            yield _batch(rng, account, days.first, chosen[first : first + _BATCH_ROWS])


def _batch(
    rng: np.random.Generator, account: int, first: date, ordinals: npt.NDArray[Any]
) -> pa.RecordBatch:
    rows = len(ordinals)
    # A few resources make most of the bill, as in life.
    resource = np.minimum(rng.zipf(1.3, rows), RESOURCES_PER_ACCOUNT) - 1
    resource = (resource + rng.integers(0, 3, rows) * 83) % RESOURCES_PER_ACCOUNT
    service = (resource * 7 + account) % SERVICES
    kind = rng.random(rows)
    is_credit, is_commitment = kind < 0.01, kind > 0.85
    epoch = date(1970, 1, 1).toordinal()
    start = (ordinals - epoch) * 24 * _HOUR + rng.integers(0, 24, rows) * _HOUR
    price, quantity = rng.integers(100, 5_000_000, rows), rng.integers(1, 40_000_000, rows)
    cost = np.where(is_credit, -1, 1) * price * quantity  # millionths times millionths: 1e-12
    period = DayRange.of_month(first)
    columns: dict[str, pa.Array] = {
        "AvailabilityZone": _pick([f"{r}{z}" for r in _REGIONS for z in "abc"], resource % 15),
        "BilledCost": _money(np.where(is_commitment, 0, cost)),
        "BillingAccountId": _same(f"payer-{account // 5:03d}", rows),
        "BillingAccountName": _same(f"Payer {account // 5}", rows),
        "BillingCurrency": _same("USD", rows),
        "BillingPeriodEnd": _moment(period.end, rows),
        "BillingPeriodStart": _moment(period.first, rows),
        "ChargeCategory": _pick(["Usage", "Credit"], is_credit),
        "ChargeClass": pa.nulls(rows, pa.string()),
        "ChargeDescription": _pick(
            [f"Service {s} usage, per {_UNITS[s % 4]}" for s in range(SERVICES)], service
        ),
        "ChargeFrequency": _same("Usage-Based", rows),
        "ChargePeriodEnd": pa.array(start + _HOUR, pa.int64()).cast(_STAMP),
        "ChargePeriodStart": pa.array(start, pa.int64()).cast(_STAMP),
        "CommitmentDiscountCategory": _where(is_commitment, _same("Spend", rows)),
        "CommitmentDiscountId": _where(
            is_commitment, _pick([f"plan-{account:02d}-{n}" for n in range(6)], resource % 6)
        ),
        "CommitmentDiscountName": _where(
            is_commitment, _pick([f"Plan {n}" for n in range(6)], resource % 6)
        ),
        "CommitmentDiscountQuantity": _where(is_commitment, _money(quantity * 1_000_000)),
        "CommitmentDiscountStatus": _where(is_commitment, _same("Used", rows)),
        "CommitmentDiscountType": _where(is_commitment, _same("Savings Plan", rows)),
        "CommitmentDiscountUnit": _where(is_commitment, _same("USD", rows)),
        "ConsumedQuantity": _money(quantity * 1_000_000),
        "ConsumedUnit": _pick(_UNITS, service % 4),
        "ContractedCost": _money(cost),
        "ContractedUnitPrice": _money(price * 1_000_000),
        "EffectiveCost": _money(np.where(is_commitment, cost * 7 // 10, cost)),
        "InvoiceIssuerName": _same("Bench Cloud", rows),
        "ListCost": _money(cost + cost // 8),
        "ListUnitPrice": _money(price * 1_125_000),
        "PricingCategory": _pick(["Standard", "Committed"], is_commitment),
        "PricingQuantity": _money(quantity * 1_000_000),
        "PricingUnit": _pick(_UNITS, service % 4),
        "ProviderName": _same("Bench Cloud", rows),
        "PublisherName": _same("Bench Cloud", rows),
        "RegionId": _pick(_REGIONS, resource % 5),
        "RegionName": _pick([f"Region {r}" for r in _REGIONS], resource % 5),
        "ResourceId": _pick(_resource_ids(account), resource),
        "ResourceName": _pick(
            [f"app-{account:02d}-{n:03d}" for n in range(RESOURCES_PER_ACCOUNT)], resource
        ),
        "ResourceType": _pick([f"Type {s}" for s in range(SERVICES)], service),
        "ServiceCategory": _pick(_CATEGORIES, service % 6),
        "ServiceName": _pick([f"Service {s:02d}" for s in range(SERVICES)], service),
        "ServiceSubcategory": _pick([f"Kind {n}" for n in range(12)], service % 12),
        "SkuId": _pick([f"SKU{s:04d}X" for s in range(SERVICES)], service),
        "SkuMeter": _pick([f"Meter {n}" for n in range(12)], service % 12),
        "SkuPriceId": _pick([f"SKU{s:04d}X.JRTCKXETXF" for s in range(SERVICES)], service),
        "SubAccountId": _pick([f"{account:02d}{n:010d}" for n in range(8)], resource % 8),
        "SubAccountName": _pick([f"Team {account}-{n}" for n in range(8)], resource % 8),
        "Tags": _pick(_tags(account), resource),
    }
    return pa.record_batch(columns)


def _resource_ids(account: int) -> list[str]:
    return [
        f"arn:bench:compute:{_REGIONS[n % 5]}:{account:012d}:instance/i-{account:04x}{n:013x}"
        for n in range(RESOURCES_PER_ACCOUNT)
    ]


def _tags(account: int) -> list[str | None]:
    """Return one JSON object of five keys per resource; every eleventh has no tags."""
    return [
        None
        if n % 11 == 0
        else f'{{"team":"team-{n % 8}","env":"{("prod", "dev", "test")[n % 3]}",'
        f'"cost-center":"cc-{account:02d}{n % 5}","app":"app-{n:03d}",'
        f'"owner":"owner{n % 17}@example.com"}}'
        for n in range(RESOURCES_PER_ACCOUNT)
    ]


def _pick(words: Sequence[str | None], codes: npt.NDArray[Any]) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(codes.astype(np.int64)))


def _same(word: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(word), rows)


def _moment(day: date, rows: int) -> pa.Array:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pa.repeat(pa.scalar(moment, _STAMP), rows)


def _where(mask: npt.NDArray[np.bool_], column: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(mask), column, pa.scalar(None, column.type))


def _money(units: npt.NDArray[np.int64]) -> pa.Array:
    """Return int64 counts of 1e-12 as decimals, exactly."""
    limbs = np.empty((len(units), 2), dtype=np.int64)
    limbs[:, 0], limbs[:, 1] = units, units >> 63
    return pa.Array.from_buffers(_MONEY, len(units), [None, pa.py_buffer(limbs)])


def _write_parquet(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    first = next(batches)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def _write_csv(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    options = pa_csv.WriteOptions(quoting_style="needed")
    first = _as_text(next(batches))
    with pa_csv.CSVWriter(path, first.schema, write_options=options) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(_as_text(batch))


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Spell times and decimals as bills do: `2026-10-01T00:00:00Z`, never `1E-9`."""
    return pa.record_batch(
        {
            name: _spelled(column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
    )


def _spelled(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("s", tz="UTC")), "%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_decimal(column.type):
        return _plain(column)
    return column


def _plain(column: pa.Array) -> pa.Array:
    units = np.frombuffer(column.buffers()[1], np.int64).reshape(-1, 2)[:, 0]
    units = units[column.offset : column.offset + len(column)]
    whole, part = np.divmod(np.abs(units), 10**_SCALE)
    sign = pa.array(np.where(units < 0, "-", ""))
    digits = pc.utf8_lpad(pa.array(part).cast(pa.string()), width=_SCALE, padding="0")
    text = pc.binary_join_element_wise(sign, pa.array(whole).cast(pa.string()), "")
    text = pc.binary_join_element_wise(text, pc.utf8_rtrim(digits, characters="0"), ".")
    text = pc.utf8_rtrim(text, characters=".")
    return pc.if_else(column.is_valid(), text, pa.scalar(None, pa.string()))


def main() -> None:
    """Write files for a look by hand."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--first", type=date.fromisoformat, default=date(2026, 9, 1))
    parser.add_argument("--last", type=date.fromisoformat, default=date(2026, 9, 30))
    parser.add_argument("--rows-per-day", type=int, default=1667)
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    chosen = parser.parse_args()
    estate = Estate(chosen.accounts, DayRange(chosen.first, chosen.last), chosen.rows_per_day)
    written = [path for paths in files(estate, chosen.format).values() for path in paths]
    size = sum(path.stat().st_size for path in written)
    print(f"{estate.rows:,} charges in {len(written)} files, {size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()

"""Generated files as landed deliveries, read back by the focus provider."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, MediaType
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.landing import LandingStore, StoredPayload
from astraeus_pipeline.warehouse.loader import Read

_MEDIA: dict[str, MediaType] = {".parquet": "parquet", ".csv": "csv"}


def land(
    store: LandingStore, account_id: str, paths: Sequence[Path], month: DayRange
) -> tuple[Fetched, StoredPayload]:
    """Store the files as one delivery of a billing month."""
    parts = [store.put(path.name, _chunks(path), _MEDIA[path.suffix]) for path in paths]
    fetched = Fetched(
        account_id=account_id,
        dataset="costs",
        days=month,
        source="file",
        source_name="benchmark",
        parts=tuple(parts),
        billing_period=month.first.replace(day=1),
    )
    return fetched, store.put_manifest(fetched)


def read_rows(fetched: Fetched, store: LandingStore) -> Read:
    """Return the repeatable reading of the delivery that the loader asks for."""
    return lambda: FOCUS.rows(fetched, store)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            yield chunk


def contract_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return generated charges in the contract's columns, without a file between."""
    given = {snake(name): column for name, column in zip(batch.schema.names, batch, strict=True)}
    given["usage_date"] = given["charge_period_start"].cast(pa.date32())
    given["billing_period"] = given["billing_period_start"].cast(pa.date32())
    given["row_number"] = pa.array(range(1, batch.num_rows + 1), pa.int64())
    return pa.record_batch(
        {
            column.name: given[column.name]
            if column.name in given
            else pa.nulls(batch.num_rows, arrow_type(column.type, 12))
            for column in FOCUS_COSTS.row_columns
        }
    )


def snake(name: str) -> str:
    """Spell a FOCUS column as the contract does."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()

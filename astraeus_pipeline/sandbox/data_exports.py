"""Writes exports into an S3 bucket in the layouts of AWS: the files first, their manifest last."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from astraeus_pipeline.contracts.days import next_month

Row = Mapping[str, Any]
Format = Literal["csv.gz", "parquet"]
_MAP: Final = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class DataExport:
    """One export of Data Exports; `s3` is a boto3 client.

    `is_overwritten`: every refresh replaces the last one's files, else it gets a folder of its own.
    """

    s3: Any
    bucket: str
    prefix: str
    name: str
    format: Format = "csv.gz"
    is_overwritten: bool = False

    @property
    def url(self) -> str:
        """What an account's `export_url` says."""
        return f"s3://{self.bucket}/{self.prefix}/{self.name}"

    def refresh(self, month: date, run: str, chunks: Sequence[Sequence[Row]]) -> list[str]:
        """Write one refresh of a month and return the keys of its files.

        `run` is the folder of the refresh, <time>-<execution id>; chunks become numbered files.
        """
        files = [encode(rows, self.format) for rows in chunks]
        return self.put(month, run, files)

    def put(self, month: date, run: str, files: Sequence[bytes]) -> list[str]:
        """Write the bytes of a refresh as they are, and its manifest."""
        folder = f"BILLING_PERIOD={month:%Y-%m}"
        if not self.is_overwritten:
            folder = f"{folder}/{run}"
        suffix = "snappy.parquet" if self.format == "parquet" else self.format
        base = f"{self.prefix}/{self.name}"
        keys = [
            f"{base}/data/{folder}/{self.name}-{number:05}.{suffix}"
            for number in range(1, len(files) + 1)
        ]
        for key, content in zip(keys, files, strict=True):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        self.put_manifest(f"{base}/metadata/{folder}/{self.name}-Manifest.json", run, keys)
        return keys

    def put_manifest(self, key: str, run: str, data_keys: Sequence[str]) -> None:
        """Write a manifest that names the files with these keys."""
        document = {
            "executionId": run,
            "exportName": self.name,
            "dataFiles": [f"s3://{self.bucket}/{each}" for each in data_keys],
        }
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(document).encode())


@dataclass(frozen=True)
class LegacyReport:
    """One report of the generation before Data Exports."""

    s3: Any
    bucket: str
    prefix: str
    name: str

    @property
    def url(self) -> str:
        """What an account's `export_url` says."""
        return f"s3://{self.bucket}/{self.prefix}/{self.name}"

    def refresh(self, month: date, assembly: str, chunks: Sequence[Sequence[Row]]) -> list[str]:
        """Write one refresh of a month, its manifest, and the month's own that points to it."""
        period = f"{month:%Y%m%d}-{next_month(month):%Y%m%d}"
        base = f"{self.prefix}/{self.name}/{period}"
        keys = [
            f"{base}/{assembly}/{self.name}-{number:05}.csv.gz"
            for number in range(1, len(chunks) + 1)
        ]
        for key, rows in zip(keys, chunks, strict=True):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=encode(rows, "csv.gz"))
        document = {
            "assemblyId": assembly,
            "billingPeriod": {
                "start": f"{month:%Y%m%d}T000000.000Z",
                "end": f"{next_month(month):%Y%m%d}T000000.000Z",
            },
            "bucket": self.bucket,
            "reportName": self.name,
            "reportKeys": keys,
        }
        for folder in (f"{base}/{assembly}", base):
            self.s3.put_object(
                Bucket=self.bucket,
                Key=f"{folder}/{self.name}-Manifest.json",
                Body=json.dumps(document).encode(),
            )
        return keys


def encode(rows: Sequence[Row], format_: Format) -> bytes:
    """Spell rows as a file: decimals become doubles in Parquet, as AWS writes them."""
    return _parquet(rows) if format_ == "parquet" else _csv_gz(rows)


def _csv_gz(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value)
    return f"{value:f}" if isinstance(value, Decimal) else value


def _parquet(rows: Sequence[Row]) -> bytes:
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        kinds = {type(each) for each in values if each is not None}
        if dict in kinds:
            columns[name] = pa.array(
                [None if each is None else list(each.items()) for each in values], _MAP
            )
        elif Decimal in kinds:
            columns[name] = pa.array(
                [None if each is None else float(each) for each in values], pa.float64()
            )
        else:
            columns[name] = pa.array(values, None if kinds else pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()

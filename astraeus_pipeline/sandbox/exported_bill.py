"""Writes a payer's bill into moto's S3 as AWS Data Exports would, refresh after refresh."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any, Final

import boto3

from astraeus_pipeline.sandbox import cur_lines
from astraeus_pipeline.sandbox.data_exports import DataExport
from astraeus_pipeline.sandbox.estate import GROUP, Estate

BUCKET: Final = "acme-group-billing"
_NAME: Final = "acme-cur2"
ROLE_ARN: Final = f"arn:aws:iam::{GROUP.number}:role/astraeus-reader"
URL: Final = f"s3://{BUCKET}/exports/{_NAME}"


def write(endpoint: str, estate: Estate, today: date) -> None:
    """Write the current refresh of every month, beside an older one that holds less.

    What is written depends on the estate and the day alone.
    """
    s3 = _client(endpoint)
    if BUCKET not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)
    export = DataExport(s3, BUCKET, "exports", _NAME, format="parquet")
    for month in cur_lines.months(estate, today):
        lines = cur_lines.rows(estate, month, today)
        half = len(lines) // 2
        if estate.revision == 0:
            export.refresh(month, _run(month, today - timedelta(days=1), 0), [lines[: half or 1]])
        export.refresh(
            month,
            _run(month, today, estate.revision),
            [lines[:half], lines[half:]] if half else [lines],
        )


def _run(month: date, day: date, revision: int) -> str:
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{URL}/{month}/{day}/{revision}")
    return f"{day}T{6 + 8 * revision:02}:00:00.000Z-{name}"


def _client(endpoint: str) -> Any:
    sts = boto3.client(
        "sts",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106 - opens nothing but the emulator
    )
    answer = sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="export")["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
    )

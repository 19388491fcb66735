"""Manifests of AWS's and Azure's exports, altered: what they name is read whole, or it is told."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hypothesis import given

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.providers.azure import AZURE
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.sandbox.azure_exports import write_run
from astraeus_pipeline.sandbox.data_exports import encode
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.app.hostile import fuzzed
from tests.fixtures.aws_exports import usage
from tests.fixtures.azure import line
from tests.fixtures.fuzzed_answers import FIRST, SLUG, dumped, mutations
from tests.unit.test_fuzzed_providers import Read, delivered

MONTH: Final = FIRST.replace(day=1)
COSTS: Final = ("1.25", "2.5", "40")
_NAMES: Final = [f"data/BILLING_PERIOD={MONTH:%Y-%m}/one/cur-0000{n}.csv.gz" for n in range(3)]


def read(provider: Provider, **config: Any) -> Read | None:
    """Deliver the month from a folder of files."""

    def fetch(landing: LandingStore) -> Fetched:
        account = Account(SLUG, provider.key, "Acme", config, dict)
        [found] = provider.fetch(account, "costs", DayRange.of_month(MONTH), landing)
        return found

    return delivered(provider, fetch)


def written(change: Callable[[Any], Any], manifest: Path, document: Any) -> Any:
    """Write a changed manifest; return its document, None where it is no JSON any more."""
    text = dumped(change(document))
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(text, errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def named(listed: Any, files: list[str]) -> Decimal:
    """Return what the files cost that stand in a list of names."""
    names = {each for each in listed if isinstance(each, str)} if isinstance(listed, list) else ()
    return sum(
        (
            Decimal(cost)
            for file, cost in zip(files, COSTS, strict=True)
            if any(name.endswith(file) for name in names)
        ),
        Decimal(0),
    )


@fuzzed(40)
@given(change=mutations())
def test_what_a_manifest_of_aws_names_is_read_whole_or_told(change: Callable[[Any], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, cost in zip(_NAMES, COSTS, strict=True):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(encode([usage(FIRST, cost)], "csv.gz"))
        document = written(
            change,
            root / f"metadata/BILLING_PERIOD={MONTH:%Y-%m}/one/cur-Manifest.json",
            {
                "executionId": "one",
                "exportName": "cur",
                "dataFiles": [f"s3://bills/cur/{name}" for name in _NAMES],
            },
        )
        found = read(AWS, cost_source="export", export_url=folder)
    if found is not None and not found.rejects:
        listed = document.get("dataFiles") if isinstance(document, dict) else None
        whole = sum((row["line_item_unblended_cost"] for row in found.rows), Decimal(0))
        assert whole == named(listed, _NAMES), document


@fuzzed(40)
@given(change=mutations())
def test_what_a_manifest_of_azure_names_is_read_whole_or_told(change: Callable[[Any], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        submitted = datetime.combine(date(MONTH.year, MONTH.month, 28), datetime.min.time(), UTC)
        lines = [line(FIRST, cost) for cost in COSTS]
        run = write_run(root, "focus", "focus", MONTH, submitted, lines, rows_per_blob=1)
        manifest = run / "manifest.json"
        document = written(change, manifest, json.loads(manifest.read_text()))
        files = [f"part_0_000{n}.csv" for n in (1, 2, 3)]
        found = read(AZURE, cost_source="export_focus", export_url=folder)
    if found is not None and not found.rejects:
        blobs = document.get("blobs") if isinstance(document, dict) else None
        listed = [
            each.get("blobName") if isinstance(each, dict) else each
            for each in (blobs if isinstance(blobs, list) else [])
        ]
        whole = sum((row["billed_cost"] for row in found.rows), Decimal(0))
        assert whole == named(listed, files), document
        # A list that was cut is not the run that its own counts tell of.
        assert document.get("blobCount") in (len(listed), None), document

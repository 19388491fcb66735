"""Where AWS puts the refreshes of an export, and which of them counts.

Data Exports (FOCUS, CUR 2.0), below <prefix>/<export>/:
    metadata/BILLING_PERIOD=2026-10/[<run>/]<export>-Manifest.json    names dataFiles (s3://...)
    data/BILLING_PERIOD=2026-10/[<run>/]<export>-00001.csv.gz
Legacy reports, below <prefix>/<report>/:
    20261001-20261101/<report>-Manifest.json                          names reportKeys
    20261001-20261101/<assembly>/<report>-Manifest.json               the same of each refresh
    20261001-20261101/<assembly>/<report>-00001.csv.gz, or year=2026/month=10/*.parquet

Every refresh holds its month whole, so data folders are never listed for files to read: only what
the month's newest manifest names counts. It is written after the files that it names. When AWS
overwrites an export in place, files of the last refresh that are not needed any more stay behind,
emptied or not named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from astraeus_pipeline.errors import ConfigError, PayloadError, TransientError
from astraeus_pipeline.exports import manifests
from astraeus_pipeline.exports.manifests import is_manifest
from astraeus_pipeline.exports.store import Store, StoredFile
from astraeus_pipeline.exports.versions import folder_month, month_hint

# An export in place is overwritten within minutes, its refreshes are hours apart.
_REWRITING: Final = timedelta(hours=1)
_DATA: Final = re.compile(r"(?:^|/)data/billing_period=", re.IGNORECASE)


@dataclass(frozen=True)
class Refresh:
    """The current refresh of a month: its manifest, and the files that it names.

    `expected_rows` where the manifest announces rows for all of its files.
    """

    month: date
    manifest: StoredFile
    files: tuple[StoredFile, ...]
    run: str
    expected_rows: int | None


class Layout:
    """What lies below an export's url, by billing month."""

    def __init__(self, store: Store, listing: list[StoredFile]) -> None:
        self._store, self._listing = store, listing
        self._by_path = {each.path: each for each in listing}
        self._manifests: dict[date, list[StoredFile]] = {}
        for file in listing:
            if is_manifest(file) and (month := month_hint(file.path)):
                self._manifests.setdefault(month, []).append(file)
        self._refuse_several_exports()

    @property
    def is_copy(self) -> bool:
        """Whether these are files without manifests and without AWS's folders of refreshes."""
        return not self._manifests and not any(_DATA.search(each) for each in self._by_path)

    @property
    def months(self) -> list[date]:
        """The months that have a manifest."""
        return sorted(self._manifests)

    def refresh(self, month: date) -> Refresh | None:
        """Return the month's current refresh, None if the export knows nothing of the month.

        Raises: PayloadError for files without a manifest, a manifest that cannot be read, or one
        that names a file which is not there; TransientError while AWS rewrites the files.
        """
        known = self._manifests.get(month)
        if not known:
            self._refuse_data_without_manifest(month)
            return None
        newest = max(known, key=lambda each: (each.modified, -each.path.count("/"), each.path))
        text = b"".join(self._store.chunks(newest))
        document, entries = manifests.read(newest, text)
        named = {self._resolve(each.name, newest): each.rows for each in entries}
        self._refuse_rewriting(newest, list(named))
        files = self._filled(newest, list(named))
        counts = [count for each in files if (count := named[each]) is not None]
        run = str(document.get("executionId") or document.get("assemblyId") or "")
        expected = sum(counts) if files and len(counts) == len(files) else None
        return Refresh(month, newest, files, run, expected)

    def _resolve(self, name: str, manifest: StoredFile) -> StoredFile:
        """Find a named file by its path, of which export_url leaves out the first folders.

        Never by its bare name: the same names stand in every refresh.
        """
        steps = (name.partition("://")[2] or name).lstrip("/").split("/")
        for start in range(len(steps) - 1):
            if found := self._by_path.get("/".join(steps[start:])):
                return found
        raise PayloadError(
            f"{self._store.url}: {manifest.path} names {name}, which is not there.",
            hint="The refresh is gone or export_url is too narrow; wait for the next refresh, or"
            " give export_url the folder of the export.",
        )

    def _filled(self, manifest: StoredFile, files: list[StoredFile]) -> tuple[StoredFile, ...]:
        """Leave out files that AWS emptied when a refresh in place needed fewer."""
        filled = tuple(sorted((each for each in files if each.size), key=lambda each: each.path))
        if files and not filled:
            raise PayloadError(
                f"{self._store.url}: all {len(files)} files that {manifest.path} names are empty.",
                hint="Look at the export's state in AWS; it is read again by the next schedule.",
            )
        odd = [each.path for each in filled if each.media_type is None]
        if odd:
            raise PayloadError(
                f"{self._store.url}: {manifest.path} names {odd[0]}, which is neither Parquet, CSV"
                " nor CSV.gz.",
                hint="Create the export as Parquet or gzipped CSV.",
            )
        return filled

    def _refuse_rewriting(self, manifest: StoredFile, files: list[StoredFile]) -> None:
        newer = [each.path for each in files if each.modified > manifest.modified + _REWRITING]
        if newer and manifest.version:  # a local copy has the times of the copying
            raise TransientError(
                f"{self._store.url}: {newer[0]} is newer than {manifest.path}, which names it.",
                hint="AWS is rewriting the export; fetch again when it has written the manifest.",
            )

    def _refuse_data_without_manifest(self, month: date) -> None:
        data = [
            each.path
            for each in self._listing
            if each.media_type and month_hint(each.path) == month
        ]
        if data:
            raise PayloadError(
                f"{self._store.url} holds {len(data)} files of {month:%Y-%m}, as {data[0]}, and no"
                " manifest that says which of them count.",
                hint="Give export_url the folder that metadata/ and data/ lie in, and the right to"
                " read both; a first refresh writes its manifest last.",
            )

    def _refuse_several_exports(self) -> None:
        exports = sorted({_export(each.path) for all in self._manifests.values() for each in all})
        if len(exports) > 1:
            raise ConfigError(
                f"{self._store.url} holds several exports: {', '.join(exports[:5])}.",
                hint="They are the same money: give export_url the folder of one.",
            )


def _export(path: str) -> str:
    """Return the folder of the export that a manifest belongs to."""
    folders = path.split("/")[:-1]
    for at, folder in enumerate(folders):
        if folder.lower() == "metadata" or folder_month(folder.lower()):
            return "/".join(folders[:at])
    return "/".join(folders)

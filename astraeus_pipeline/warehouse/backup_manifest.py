"""What a backup says of itself: versions, row counts, checksums; and whether that is still so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from astraeus_pipeline.errors import ConfigError

FORMAT: Final = 1
FILE: Final = "backup.json"
DUMP: Final = "database"
PAYLOADS: Final = "landing"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class DatabaseFacts:
    """The database as one snapshot saw it; `rows` by table, `tool` the major version of pg_dump."""

    name: str
    server: int
    tool: int
    revision: str
    bytes: int
    rows: dict[str, int]


@dataclass(frozen=True)
class PayloadFacts:
    """The landing store as it was copied; `missing`: named by the ledger, but not in the store."""

    store: str
    is_copied: bool
    files: int
    bytes: int
    missing: int


@dataclass(frozen=True)
class Manifest:
    """The whole backup; `files` maps each file of the dump to its size and sha256.

    `keys` are the names of the master keys that seal credentials, `key_file` the file beside the
    backup that holds them, None where they are kept elsewhere.
    """

    made_at: str
    seconds: float
    astraeus: str
    database: DatabaseFacts
    payloads: PayloadFacts
    files: dict[str, tuple[int, str]]
    keys: list[str]
    key_file: str | None
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it into the backup."""
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a backup's manifest.

        Raises: ConfigError where there is no whole backup, or one of a later format.
        """
        try:
            content: dict[str, Any] = json.loads((folder / FILE).read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(
                f"{folder} is no backup: it has no {FILE}.",
                hint="Name the folder that `astraeus backup` made; one that was cut off ends in"
                " .partial and cannot be restored.",
            ) from None
        except ValueError:
            raise ConfigError(
                f"{folder / FILE} is damaged.", hint="Take another backup, or another copy of it."
            ) from None
        if content.get("format") != FORMAT:
            raise ConfigError(
                f"The backup {folder} has format {content.get('format')}; this version reads"
                f" {FORMAT}.",
                hint="Restore it with the version of Astraeus that made it"
                f" ({content.get('astraeus')}), then upgrade.",
            )
        content["database"] = DatabaseFacts(**content["database"])
        content["payloads"] = PayloadFacts(**content["payloads"])
        content["files"] = {
            name: (size, digest) for name, (size, digest) in content["files"].items()
        }
        return cls(**content)


def checksums(folder: Path) -> dict[str, tuple[int, str]]:
    """Return size and sha256 of each file of the dump, by its path in the backup."""
    paths = sorted(path for path in (folder / DUMP).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _checksum(path) for path in paths}


def damaged(folder: Path, manifest: Manifest) -> list[str]:
    """Return the files of the dump that are missing or have other bytes than when it was made."""
    return [
        name
        for name, told in manifest.files.items()
        if not (folder / name).is_file() or _checksum(folder / name) != told
    ]


def _checksum(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()

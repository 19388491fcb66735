"""Whether each payload of a landing store in a folder is the bytes that its name stands for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import zstandard


def broken(landing: Path) -> list[str]:
    """Return the objects that do not hash to their own names, read from the disk by hand."""
    return [
        f"payload {path.name} is not what its name says"
        for path in sorted((landing / "sha256").glob("*/*"))
        if _hash(path) != path.name.partition(".")[0]
    ]


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        try:
            if path.suffix == ".zst":
                for piece in zstandard.ZstdDecompressor().read_to_iter(handle):
                    digest.update(piece)
            else:
                digest.update(handle.read())
        except zstandard.ZstdError:
            return ""
    return digest.hexdigest()

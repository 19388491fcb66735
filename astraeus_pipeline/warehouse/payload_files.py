"""The landing store as files: listed, copied out and in side by side, held against their names."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import zstandard

from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.object_stores import told

# A payload's name is the sha256 of its content, so a payload is its own checksum.
_PAYLOADS: Final = "sha256/"
# What a source's export held in which version; a cache, so its content is not checked.
_NOTES: Final = "sources/"
_THREADS: Final = 8
_CHUNK: Final = 1 << 20


def listed(store: LandingStore) -> dict[str, int]:
    """Return bytes by URI of a store's payloads and notes; not of what is just being written.

    Raises: StoreError, ConfigError.
    """
    with told(store.root):
        found = store.objects.sizes()
    return {uri: size for uri, size in found.items() if uri.startswith((_PAYLOADS, _NOTES))}


def copy_out(store: LandingStore, uris: Iterable[str], folder: Path) -> None:
    """Copy files of the store below a folder. Raises: LoadError, StoreError, ConfigError."""

    def copy(uri: str) -> None:
        target = folder / uri
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with store.objects.open(uri) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, _CHUNK)

    _side_by_side(store, copy, uris)


def copy_in(store: LandingStore, folder: Path, uris: Iterable[str]) -> None:
    """Copy files from below a folder into the store, each whole or not at all.

    Raises: LoadError, StoreError, ConfigError.
    """

    def copy(uri: str) -> None:
        scratch = store.objects.scratch
        if scratch is None:
            store.objects.publish(folder / uri, uri)
            return
        # Publishing takes the file itself.
        arriving = scratch / secrets.token_hex(8)
        shutil.copyfile(folder / uri, arriving)
        try:
            store.objects.publish(arriving, uri)
        finally:
            arriving.unlink(missing_ok=True)

    _side_by_side(store, copy, uris)


def remove(store: LandingStore, uris: Iterable[str]) -> None:
    """Delete files of the store. Raises: LoadError, StoreError, ConfigError."""
    _side_by_side(store, store.objects.remove, uris)


def altered(folder: Path, uris: Iterable[str]) -> list[str]:
    """Return the payloads below a folder whose content is not what their name says, or missing."""
    payloads = [uri for uri in uris if uri.startswith(_PAYLOADS)]
    with ThreadPoolExecutor(_THREADS) as pool:
        kept = pool.map(lambda uri: _is_as_named(folder / uri), payloads)
        return [uri for uri, is_kept in zip(payloads, kept, strict=True) if not is_kept]


def _is_as_named(path: Path) -> bool:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            reader: Any = handle
            if path.suffix == ".zst":
                reader = zstandard.ZstdDecompressor().stream_reader(handle)
            while chunk := reader.read(_CHUNK):
                digest.update(chunk)
    except (OSError, zstandard.ZstdError):
        return False
    return digest.hexdigest() == path.name.split(".")[0]


def _side_by_side(store: LandingStore, work: Callable[[str], None], uris: Iterable[str]) -> None:
    def tried(uri: str) -> None:
        try:
            with told(store.root):
                work(uri)
        except OSError as error:
            raise LoadError(
                f"The payload {uri} could not be handled: {error.strerror or error}.",
                hint="Check free space and rights on both sides, then run it again.",
            ) from error

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(tried, uris):
            pass

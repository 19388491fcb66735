"""The landing store: immutable compressed payloads, addressed by the sha256 of what was fetched."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

import zstandard

from astraeus_pipeline.contracts.delivery import Fetched, MediaType, Part
from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import manifest
from astraeus_pipeline.warehouse.object_stores import Objects, objects_at, told

_COMPRESSED: frozenset[MediaType] = frozenset({"csv.gz", "parquet"})
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StoredPayload:
    """A payload's manifest: where it lies, its hash (which names all parts), bytes as fetched."""

    uri: str
    sha256: str
    bytes: int


class LandingStore:
    """Payloads below one root: a folder, `s3://bucket/prefix` or `abfs://container/prefix`.

    `options` go to the file system (endpoint_override, region, account_name, ...). Part URIs are
    relative to the root, so a store can be moved. A payload is there as a whole or not at all.
    Every method raises StoreError if the store does not answer, ConfigError if it refuses us.
    """

    def __init__(self, root: str, options: Mapping[str, str] | None = None) -> None:
        self.root = root.rstrip("/")
        self._objects = objects_at(self.root, options or {})

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Open the store that the settings name."""
        return cls(settings.landing_root, settings.landing_options)

    def put(self, name: str, chunks: Iterable[bytes], media_type: MediaType) -> Part:
        """Store the bytes once and return the part; memory use is one chunk.

        Raises: whatever the iterator of chunks raises; then nothing is stored.
        """
        suffix = media_type if media_type in _COMPRESSED else f"{media_type}.zst"
        with tempfile.NamedTemporaryFile(dir=self._objects.scratch, delete=False) as handle:
            path = Path(handle.name)
            try:
                sha256, size = _write(handle, chunks, compress=media_type not in _COMPRESSED)
                uri = f"sha256/{sha256[:2]}/{sha256}.{suffix}"
                with told(self.root):
                    self._objects.publish(path, uri)
            finally:
                path.unlink(missing_ok=True)
        return Part(name=name, media_type=media_type, sha256=sha256, bytes=size, uri=uri)

    def remember(self, source: str, part: Part) -> None:
        """Note that a part is what a source holds in exactly this version (url, size, ETag)."""
        self.note(source, json.dumps(asdict(part), sort_keys=True))

    def recall(self, source: str) -> Part | None:
        """Return the part that was noted for this version of a source, if it is still stored."""
        try:
            part = Part(**json.loads(self.noted(source) or "null"))
        except (ValueError, TypeError):
            return None
        with told(self.root):
            return part if self._objects.exists(part.uri) else None

    def note(self, source: str, text: str) -> None:
        """Note what was found out about a version of a source, instead of what was noted before.

        The note lies beside the payloads and may be lost: then the source is asked again.
        """
        with tempfile.NamedTemporaryFile(dir=self._objects.scratch, delete=False) as handle:
            path = Path(handle.name)
            handle.write(text.encode())
        try:
            with told(self.root):
                self._objects.publish(path, _note_of(source))
        finally:
            path.unlink(missing_ok=True)

    def noted(self, source: str) -> str | None:
        """Return what was noted about this version of a source; None if nothing is."""
        with told(self.root):
            try:
                with self._objects.open(_note_of(source)) as handle:
                    return handle.read().decode()
            except (FileNotFoundError, ValueError):
                return None

    @contextmanager
    def open(self, part: Part) -> Iterator[BinaryIO]:
        """Open a stored part and give back the bytes as they were fetched.

        Raises: LoadError if the store does not hold it.
        """
        with told(self.root):
            try:
                handle = self._objects.open(part.uri)
            except FileNotFoundError:
                raise LoadError(
                    f"The landing store {self.root} does not hold {part.uri} ({part.name}).",
                    hint="Point ASTRAEUS_LANDING_URL at the store that the delivery was written"
                    " to.",
                ) from None
            with handle:
                if part.media_type in _COMPRESSED:
                    yield handle
                else:
                    with zstandard.ZstdDecompressor().stream_reader(handle) as reader:
                        yield cast(BinaryIO, reader)

    def put_manifest(self, fetched: Fetched) -> StoredPayload:
        """Store the list of a delivery's parts; its hash stands for the whole payload."""
        part = self.put("manifest.json", [manifest.dump(fetched)], "jsonl")
        return StoredPayload(part.uri, part.sha256, sum(each.bytes for each in fetched.parts))

    def read_manifest(self, uri: str) -> Fetched:
        """Return the delivery that a stored manifest describes, ready for `Provider.rows`."""
        sha256 = Path(uri).name.split(".")[0]
        with self.open(Part("manifest.json", "jsonl", sha256, 0, uri)) as handle:
            return manifest.load(handle.read())

    def publish(self, file: Path, name: str) -> None:
        """Make a file's bytes the object of this name, unless there is one; the file may go."""
        with told(self.root):
            self._objects.publish(file, name)

    @property
    def objects(self) -> Objects:
        """Payloads and notes by URI, for what handles the store as a whole."""
        return self._objects

    def location(self, uri: str) -> str:
        """Spell out where a part lies, for people."""
        return f"{self.root}/{uri}"


def _note_of(source: str) -> str:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return f"sources/{digest[:2]}/{digest}.json"


def _write(handle: IO[bytes], chunks: Iterable[bytes], *, compress: bool) -> tuple[str, int]:
    """Write the chunks and return the sha256 and the number of the bytes as fetched."""
    digest, size = hashlib.sha256(), 0
    if compress:
        compressor = zstandard.ZstdCompressor(level=3)
        sink = cast(IO[bytes], compressor.stream_writer(handle, closefd=False))
    else:
        sink = handle
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        sink.write(chunk)
    if compress:
        sink.close()
    handle.flush()
    # The ledger will name this payload: it must survive a power cut as the ledger does.
    os.fsync(handle.fileno())
    return digest.hexdigest(), size

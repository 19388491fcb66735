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

import fsspec
import zstandard
from fsspec.implementations.arrow import ArrowFSWrapper

from astraeus_pipeline.contracts.delivery import Fetched, MediaType, Part
from astraeus_pipeline.errors import ConfigError, LoadError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import manifest

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
    relative to the root, so a store can be moved.
    """

    def __init__(self, root: str, options: Mapping[str, str] | None = None) -> None:
        self.root = root.rstrip("/")
        self._fs, self._base = _file_system(self.root, dict(options or {}))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Open the store that the settings name."""
        return cls(settings.landing_root, settings.landing_options)

    def put(self, name: str, chunks: Iterable[bytes], media_type: MediaType) -> Part:
        """Store the bytes once and return the part; memory use is one chunk.

        Raises: whatever the iterator of chunks raises; then nothing is stored.
        """
        suffix = media_type if media_type in _COMPRESSED else f"{media_type}.zst"
        with tempfile.NamedTemporaryFile(dir=self._scratch(), delete=False) as handle:
            path = Path(handle.name)
            try:
                sha256, size = _write(handle, chunks, compress=media_type not in _COMPRESSED)
                uri = f"sha256/{sha256[:2]}/{sha256}.{suffix}"
                self._publish(path, uri)
            finally:
                path.unlink(missing_ok=True)
        return Part(name=name, media_type=media_type, sha256=sha256, bytes=size, uri=uri)

    def remember(self, source: str, part: Part) -> None:
        """Note that a part is what a source holds in exactly this version (url, size, ETag).

        The note lies beside the payloads and may be lost: then the source is fetched again.
        """
        text = json.dumps(asdict(part), sort_keys=True).encode()
        with tempfile.NamedTemporaryFile(dir=self._scratch(), delete=False) as handle:
            path = Path(handle.name)
            handle.write(text)
        try:
            self._publish(path, _note_of(source))
        finally:
            path.unlink(missing_ok=True)

    def recall(self, source: str) -> Part | None:
        """Return the part that was noted for this version of a source, if it is still stored."""
        try:
            part = Part(**json.loads(self._fs.cat_file(f"{self._base}/{_note_of(source)}")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return part if self._fs.exists(f"{self._base}/{part.uri}") else None

    @contextmanager
    def open(self, part: Part) -> Iterator[BinaryIO]:
        """Open a stored part and give back the bytes as they were fetched.

        Raises: LoadError if the store does not hold it.
        """
        try:
            handle = self._fs.open(f"{self._base}/{part.uri}", "rb")
        except FileNotFoundError:
            raise LoadError(
                f"The landing store {self.root} does not hold {part.uri} ({part.name}).",
                hint="Point ASTRAEUS_LANDING_URL at the store that the delivery was written to.",
            ) from None
        with handle:
            if part.media_type in _COMPRESSED:
                yield cast(BinaryIO, handle)
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

    def location(self, uri: str) -> str:
        """Spell out where a part lies, for people."""
        return f"{self.root}/{uri}"

    def _scratch(self) -> str | None:
        if not self._is_local:
            return None
        scratch = Path(self._base) / "incoming"
        if not scratch.exists():
            # Bills are nobody else's business on a shared machine.
            Path(self._base).mkdir(parents=True, exist_ok=True, mode=0o700)
            scratch.mkdir(exist_ok=True, mode=0o700)
        return str(scratch)

    @property
    def _is_local(self) -> bool:
        return "://" not in self.root

    def _publish(self, path: Path, uri: str) -> None:
        target = f"{self._base}/{uri}"
        if self._fs.exists(target):
            return
        if self._is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o440)
            path.rename(target)  # atomic: a reader sees the whole payload or none
        else:
            self._fs.put_file(str(path), target)


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


def _file_system(root: str, options: dict[str, str]) -> tuple[fsspec.AbstractFileSystem, str]:
    scheme, separator, path = root.partition("://")
    if not separator:
        return fsspec.filesystem("file"), str(Path(root).absolute())
    if scheme == "s3":
        from pyarrow.fs import S3FileSystem  # heavy, and only needed here

        return ArrowFSWrapper(S3FileSystem(**options)), path
    if scheme in {"abfs", "abfss", "az"}:
        return fsspec.filesystem("abfs", **options), path
    raise ConfigError(
        f"ASTRAEUS_LANDING_URL starts with {scheme}://, which is not supported.",
        hint="Use a folder, s3://bucket/prefix or abfs://container/prefix.",
    )

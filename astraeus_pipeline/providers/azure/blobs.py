"""Export files in Blob Storage by the account's own sign-in, as a store of the exports layer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import unquote, urlsplit

from astraeus_pipeline.errors import ConfigError, TransientError
from astraeus_pipeline.exports.store import StoredFile
from astraeus_pipeline.providers.azure.client import AzureClients, translated

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient  # slow to import

_BUFFER: Final = 1 << 20


class BlobStore:
    """The blobs below one folder of a container; `version` of a file is its ETag."""

    def __init__(self, clients: AzureClients, url: str) -> None:
        self._account = clients.account
        self.url = url
        container, self._prefix = _split(url)
        with translated(self._account, f"preparing {url}"):
            self._container = _open(clients, container)

    def list(self) -> list[StoredFile]:
        """List all blobs below the folder, by path.

        Raises: ConfigError if there are none; AuthError, TransientError.
        """
        with translated(self._account, f"listing {self.url}"):
            blobs = list(self._container.list_blobs(name_starts_with=self._prefix or None))
        files = [self._stored(blob) for blob in blobs if blob.size]
        if not files:
            raise ConfigError(
                f"Azure account {self._account.slug}: {self.url} holds nothing.",
                hint="Correct the url, or wait for the export's first run.",
            )
        return sorted(files, key=lambda each: each.path)

    def stat(self, file: StoredFile) -> StoredFile:
        """Look at one blob again: its ETag tells whether it changed."""
        with translated(self._account, f"looking at {file.path}"):
            return self._stored(self._blob(file).get_blob_properties())

    @contextmanager
    def open(self, file: StoredFile) -> Iterator[BinaryIO]:
        """Open a blob for random access by ranges."""
        raw = _Ranges(self._blob(file), file.size, self._account, f"reading {file.path}")
        with io.BufferedReader(raw, _BUFFER) as handle:
            yield cast(BinaryIO, handle)

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """Stream the bytes of a blob.

        Raises: TransientError if fewer bytes came than the listing promised.
        """
        size = 0
        with translated(self._account, f"reading {file.path}"):
            for chunk in self._blob(file).download_blob().chunks():
                size += len(chunk)
                yield chunk
        if size != file.size:
            raise TransientError(
                f"{self.url} ({file.path}) gave {size} bytes where {file.size} were announced.",
                hint="It is tried again by itself.",
            )

    def _blob(self, file: StoredFile) -> Any:
        return self._container.get_blob_client(f"{self._prefix}{file.path}")

    def _stored(self, blob: BlobProperties) -> StoredFile:
        return StoredFile(
            str(blob.name).removeprefix(self._prefix),
            int(blob.size),
            blob.last_modified.astimezone(UTC),
            str(blob.etag).strip('"'),
        )


class _Ranges(io.RawIOBase):
    """A blob as a file that can be sought in, one ranged request for each read."""

    def __init__(self, blob: Any, size: int, account: Any, attempt: str) -> None:
        self._blob, self._size, self._account, self._attempt = blob, size, account, attempt
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        with translated(self._account, self._attempt):
            data = self._blob.download_blob(offset=self._at, length=length).readall()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _split(url: str) -> tuple[str, str]:
    """Split an address into the container's own and the folder below it, with a slash or empty."""
    parts = urlsplit(url)
    steps = [unquote(each) for each in parts.path.split("/") if each]
    # An emulator's address names the storage account in its path.
    depth = 1 if ".blob." in (parts.hostname or "") else 2
    if len(steps) < depth:
        raise ConfigError(
            f"{url} names no container.",
            hint="Write https://<account>.blob.core.windows.net/<container>/<folder>.",
        )
    folder = "/".join(steps[depth:])
    address = f"{parts.scheme}://{parts.netloc}/{'/'.join(steps[:depth])}"
    return address, f"{folder}/" if folder else ""


def _open(clients: AzureClients, container: str) -> ContainerClient:
    from azure.storage.blob import ContainerClient

    # Storage retries by a policy of its own, which knows its second region.
    return ContainerClient.from_container_url(
        container,
        credential=clients.credential,
        retry_total=clients.sdk.tries - 1,
        **clients.transport_options,
    )

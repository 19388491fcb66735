"""Finding and reading files: a local folder, S3 or Azure Blob, behind one small face.

The only place that knows the stores' SDKs and their errors; outwards only our own error tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

import pyarrow as pa
from pyarrow import fs
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Secrets
from astraeus_pipeline.contracts.delivery import MediaType
from astraeus_pipeline.errors import (
    AstraeusError,
    AuthError,
    ConfigError,
    PermanentError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.exports.place import Place

_CHUNK: Final = 1 << 20
_SUFFIXES: Final[dict[str, MediaType]] = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".parquet": "parquet",
}
_DENIED: Final = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|EXPIRED|InvalidToken|UNRECOGNIZED_CLIENT"
    r"|HTTP status 40[13]|code: 40[13]|AuthenticationFailed|AuthorizationFailure|Permission denied"
    r"|InvalidAccessKeyId|No response body\.?.*403"
    # to HEAD, S3 says no more than this about a token past its end
    r"|HTTP status 400\) during HeadObject",
    re.IGNORECASE,
)
_CLOCK: Final = re.compile(r"TIME_?TOO_?SKEWED|not valid in the specified time", re.IGNORECASE)
_ABSENT: Final = re.compile(
    r"NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|HTTP status 404|ContainerNotFound"
    r"|does not exist|No such file|not found",
    re.IGNORECASE,
)
_PASSING: Final = re.compile(
    r"SLOW_DOWN|THROTTL|TOO_MANY|REQUEST_LIMIT|SERVICE_UNAVAILABLE|INTERNAL_FAILURE"
    r"|NETWORK_CONNECTION|curlCode|timed? ?out|HTTP status (5\d\d|429)|ServerBusy|connection"
    r"|reset by peer|Couldn't connect",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Patience:
    """How often the SDK tries, and how many seconds it waits for a connection and an answer."""

    attempts: int
    connect: float
    request: float


S3_PATIENCE: Final = Patience(attempts=4, connect=10, request=60)


@dataclass(frozen=True)
class StoredFile:
    """One file below the account's url; `path` is relative to it, `modified` in UTC.

    `version` is the store's own mark of this content (an ETag), "" where it has none.
    """

    path: str
    size: int
    modified: datetime
    version: str = ""

    @property
    def media_type(self) -> MediaType | None:
        """Type by suffix, None if it is none of ours."""
        name = self.path.lower()
        return next((kind for end, kind in _SUFFIXES.items() if name.endswith(end)), None)


class Store(Protocol):
    """The face that choosing and reading files need; `FileStore` has it, others may.

    url: what messages call the place. Errors come out as ours.
    """

    @property
    def url(self) -> str:
        """The place, for messages."""
        ...

    def list(self) -> list[StoredFile]:
        """List all files, by path. Raises: ConfigError, AuthError, TransientError."""
        ...

    def stat(self, file: StoredFile) -> StoredFile:
        """Look at one file again; another value than before tells that it changed."""
        ...

    def open(self, file: StoredFile) -> AbstractContextManager[BinaryIO]:
        """Open a file for random access."""
        ...

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """Stream the bytes of a file. Raises: TransientError if they are cut off."""
        ...


class FileStore:
    """Files below one root, as their listing and their bytes."""

    def __init__(self, file_system: fs.FileSystem, root: str, place: Place) -> None:
        self._fs = file_system
        self.root = root
        self.url = place.url
        self._place = place
        self._is_single_file = False

    def list(self) -> list[StoredFile]:
        """List all files that the account's globs let through, by path.

        Raises: ConfigError if the place does not exist; AuthError, TransientError.
        """
        with translated(self.url):
            [info] = self._fs.get_file_info([self.root])
            if info.type == fs.FileType.File:
                self._is_single_file = True
                return [_stored(Path(self.root).name, info)]
            if info.type == fs.FileType.NotFound:
                raise ConfigError(
                    f"{self.url} does not exist, or holds nothing.",
                    hint="Correct the url of the account.",
                )
            found = self._fs.get_file_info(fs.FileSelector(self.root, recursive=True))
        files = [
            _stored(each.path.removeprefix(self.root).lstrip("/"), each)
            for each in found
            if each.type == fs.FileType.File
        ]
        return sorted((each for each in files if self._is_wanted(each)), key=lambda each: each.path)

    def stat(self, file: StoredFile) -> StoredFile:
        """Look at one file again: size and time tell whether it changed."""
        with translated(f"{self.url} ({file.path})"):
            [info] = self._fs.get_file_info([self._locate(file.path)])
        return _stored(file.path, info)

    @contextmanager
    def open(self, file: StoredFile) -> Iterator[BinaryIO]:
        """Open a file for random access; errors while reading come out as ours."""
        label = f"{self.url} ({file.path})"
        with translated(label):
            handle = self._fs.open_input_file(self._locate(file.path))
        with handle:
            yield cast(BinaryIO, _Guarded(handle, label))

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """Stream the bytes of a file.

        Raises: TransientError if fewer bytes came than the listing promised.
        """
        label, size = f"{self.url} ({file.path})", 0
        with translated(label), self._open_raw(file) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                yield chunk
        if size != file.size:
            raise TransientError(f"{label} gave {size} bytes where {file.size} were announced.")

    def _open_raw(self, file: StoredFile) -> pa.NativeFile:
        # Without being told, Arrow would decompress what ends with .gz.
        return self._fs.open_input_stream(self._locate(file.path), compression=None)

    def _locate(self, path: str) -> str:
        return self.root if self._is_single_file else f"{self.root.rstrip('/')}/{path}"

    def _is_wanted(self, file: StoredFile) -> bool:
        # Names with a leading dot or underscore are what writers keep for themselves.
        if any(part.startswith((".", "_")) for part in file.path.split("/")):
            return False
        return file.path.lower().endswith(".json") or self._place.lets_through(file.path)


class _Guarded:
    """A file handle whose errors are ours, so that Arrow cannot mistake them for a bad file."""

    def __init__(self, handle: pa.NativeFile, label: str) -> None:
        self._handle = handle
        self._label = label
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        with translated(self._label):
            return bytes(self._handle.read(None if size < 0 else size))

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._handle.seek(offset, whence))

    def tell(self) -> int:
        return int(self._handle.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def open_store(place: Place, secrets: Secrets, credential: object = None) -> FileStore:
    """Open the place that an account's url names, with its credentials or the ambient ones.

    `secrets` may hold aws_access_key_id, aws_secret_access_key and aws_session_token for S3;
    azure_connection_string, azure_account_key or azure_sas_token for Blob, where `credential` may
    be an asynchronous token credential of azure.identity.aio instead.
    Raises: ConfigError, AuthError, TransientError.
    """
    with translated(place.url):
        if place.scheme == "file":
            return FileStore(fs.LocalFileSystem(), place.root, place)
        if place.scheme == "s3":
            return FileStore(_open_s3(place, secrets), place.root, place)
        return FileStore(_open_blob(place, secrets, credential), place.root, place)


def _open_s3(place: Place, secrets: Secrets) -> fs.FileSystem:
    region = place.region
    if region is None:
        bucket = place.root.split("/")[0]
        region = "us-east-1" if place.endpoint_url else fs.resolve_s3_region(bucket)
    options: dict[str, Any] = {
        "region": region,
        "connect_timeout": S3_PATIENCE.connect,
        "request_timeout": S3_PATIENCE.request,
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=S3_PATIENCE.attempts),
    }
    if place.endpoint_url:
        scheme, _, host = place.endpoint_url.partition("://")
        options |= {"endpoint_override": host, "scheme": scheme}
    if place.anonymous:
        options["anonymous"] = True
    elif "aws_access_key_id" in secrets:
        options |= {
            "access_key": _open(secrets, "aws_access_key_id"),
            "secret_key": _open(secrets, "aws_secret_access_key"),
            "session_token": _open(secrets, "aws_session_token"),
        }
    return fs.S3FileSystem(**options)


def _open_blob(place: Place, secrets: Secrets, credential: object) -> fs.FileSystem:
    import adlfs  # slow to import, and only needed here

    connection = _open(secrets, "azure_connection_string")
    if connection:
        blob = adlfs.AzureBlobFileSystem(connection_string=connection)
    elif place.storage_account:
        key, sas = _open(secrets, "azure_account_key"), _open(secrets, "azure_sas_token")
        blob = adlfs.AzureBlobFileSystem(
            account_name=place.storage_account,
            account_key=key,
            sas_token=sas,
            credential=credential,
            anon=place.anonymous,
            account_host=_host(place.endpoint_url),
        )
    else:
        raise ConfigError(
            f"{place.url} does not say which storage account it is in.",
            hint="Write abfs://container@account.dfs.core.windows.net/prefix, set storage_account, "
            "or give a connection string.",
        )
    return fs.PyFileSystem(_BlobHandler(blob))


class _BlobHandler(fs.FSSpecHandler):  # type: ignore[misc]  # pyarrow has no types
    """Arrow's bridge to fsspec, which does not know how Azure calls the time of change."""

    @staticmethod
    def _create_file_info(path: str, info: dict[str, Any]) -> fs.FileInfo:
        return fs.FSSpecHandler._create_file_info(path, info | {"mtime": info.get("last_modified")})


def _host(endpoint: str | None) -> str | None:
    return endpoint.partition("://")[2] if endpoint else None


def _open(secrets: Secrets, name: str) -> str | None:
    secret: SecretStr | None = secrets.get(name)
    return secret.get_secret_value() if secret else None


def _stored(path: str, info: fs.FileInfo) -> StoredFile:
    modified = info.mtime or datetime.fromtimestamp(0, UTC)
    return StoredFile(path, info.size or 0, modified.astimezone(UTC))


@contextmanager
def translated(label: str) -> Iterator[None]:
    """Turn the stores' errors into ours; the one place where permanent or transient is decided."""
    try:
        yield
    except AstraeusError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _translate(label, error) from error
    except Exception as error:
        # azure-core's errors have no common built-in base; ours must not let a foreign one out.
        if type(error).__module__.startswith(("azure.", "adlfs", "aiohttp")):
            raise _translate(label, error) from error
        raise


def _translate(label: str, error: Exception) -> ProviderError | ConfigError:
    text = " ".join(str(error).split())[:300]
    status = getattr(error, "status_code", None)
    if _CLOCK.search(text):
        return AuthError(
            f"{label} may not be read: {text}",
            hint="Set this machine's clock by NTP, and check that the key is still valid.",
        )
    if status in (401, 403) or isinstance(error, PermissionError) or _DENIED.search(text):
        return AuthError(
            f"{label} may not be read: {text}",
            hint="Check the credentials, and that they may list and read there.",
        )
    if isinstance(error, FileNotFoundError) or status == 404 or _ABSENT.search(text):
        return ConfigError(
            f"{label} does not exist: {text}", hint="Correct the url of the account."
        )
    is_passing = isinstance(error, (TimeoutError, ConnectionError)) or (status or 0) >= 429
    if is_passing or _PASSING.search(text) or type(error).__name__.startswith("ServiceRe"):
        return TransientError(f"{label} did not answer: {text}")
    return PermanentError(f"{label} cannot be read: {text}")

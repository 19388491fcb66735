"""Where payloads lie: a folder, S3 or what speaks like it, or Azure Blob. Whole objects, or none.

The only place that knows these stores' ways and errors; outwards only our own error tree, and
FileNotFoundError where an object is not there.
"""

from __future__ import annotations

import io
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from astraeus_pipeline.errors import ConfigError, StoreError

_CHUNK: Final = 1 << 20
# Levels of folders that many things lie below, as in sha256/ab and line-items/focus_costs.
_SHARED: Final = 2
_READ_AHEAD: Final = 8 << 20
_S3_SECONDS: Final = {"connect_timeout": 10, "request_timeout": 60}
_OF_STORES: Final = re.compile(
    r"AWS Error|curlCode|timed? ?out|HTTP status|connect|reset|closed|name resolution|Azure",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|EXPIRED|InvalidToken"
    r"|HTTP status 40[13]|AuthenticationFailed|AuthorizationFailure|credential",
    re.IGNORECASE,
)
_NO_BUCKET: Final = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|ContainerNotFound|No such container")


class Objects(Protocol):
    """Objects by name below one root."""

    @property
    def scratch(self) -> Path | None:
        """Folder where files are made that become objects; None for the system's."""
        ...

    def publish(self, file: Path, name: str) -> None:
        """Make the file's bytes the object of this name, all of them at once; the file may go."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the object is there."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open an object for random access. Raises: FileNotFoundError."""
        ...

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return bytes by name of all that lie below a folder, also while they are being written.

        Other folders are not looked at: what this costs grows with what it returns.
        """
        ...

    def remove(self, name: str) -> None:
        """Delete an object. Raises: FileNotFoundError."""
        ...


def objects_at(root: str, options: Mapping[str, str]) -> Objects:
    """Return the objects below a folder, `s3://bucket/prefix` or `abfs://container/prefix`.

    Raises: ConfigError for another scheme, or options that the store does not know.
    """
    scheme, separator, path = root.partition("://")
    try:
        if not separator:
            return _Folder(Path(root).absolute())
        if scheme == "s3":
            return _S3(path, options)
        if scheme in {"abfs", "abfss", "az"}:
            return _Blob(path, options)
    except TypeError as error:
        raise ConfigError(
            f"ASTRAEUS_LANDING_OPTIONS: {error}.",
            hint="S3 takes region, endpoint_override, scheme, access_key, ...; Azure account_name,"
            " account_key, connection_string, ...",
        ) from None
    raise ConfigError(
        f"ASTRAEUS_LANDING_URL starts with {scheme}://, which is not supported.",
        hint="Use a folder, s3://bucket/prefix or abfs://container/prefix.",
    )


@contextmanager
def told(root: str) -> Iterator[None]:
    """Turn a store's errors into ours; others, of what is done with its bytes, pass.

    Raises: StoreError if it may answer later, ConfigError if it refuses us or does not exist.
    """
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET.search(str(error)):
            raise _refused(root, "does not exist") from error
        raise
    except Exception as error:
        # adlfs lets the errors of its SDK through, a package that is not for here.
        is_sdks = type(error).__module__.partition(".")[0] in {"azure", "aiohttp"}
        text = f"{type(error).__name__} {error}"
        if not is_sdks and not (isinstance(error, OSError) and _OF_STORES.search(text)):
            raise
        if _NO_BUCKET.search(text):
            raise _refused(root, "does not exist") from error
        if _DENIED.search(text):
            raise _refused(root, "refuses our credentials") from error
        raise StoreError(
            f"The landing store {root} does not answer ({_short(error)}).",
            hint="Check that this machine reaches it; the same load may succeed once it answers.",
        ) from error


def _refused(root: str, how: str) -> ConfigError:
    return ConfigError(
        f"The landing store {root} {how}.",
        hint="Check ASTRAEUS_LANDING_URL, ASTRAEUS_LANDING_OPTIONS and the rights of this machine"
        " (read, write, list, delete below incoming/ and line-items/).",
    )


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


class _Folder:
    """Objects as files that nobody writes to any more."""

    def __init__(self, base: Path) -> None:
        self._base = base

    @property
    def scratch(self) -> Path | None:
        """A folder on the same disk, so that publishing is a rename."""
        scratch = self._base / "incoming"
        if not scratch.exists():
            # Bills are nobody else's business on a shared machine.
            self._base.mkdir(parents=True, exist_ok=True, mode=0o700)
            scratch.mkdir(exist_ok=True, mode=0o700)
        return scratch

    def publish(self, file: Path, name: str) -> None:
        target = self._base / name
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o440)
        file.rename(target)  # atomic: a reader sees the whole payload or none

    def exists(self, name: str) -> bool:
        return (self._base / name).exists()

    def open(self, name: str) -> BinaryIO:
        return (self._base / name).open("rb")

    def sizes(self, below: str = "") -> dict[str, int]:
        files = (path for path in (self._base / below).rglob("*") if path.is_file())
        return {str(path.relative_to(self._base)): path.stat().st_size for path in files}

    def remove(self, name: str) -> None:
        path = self._base / name
        path.unlink()
        # Folders of one thing alone go with its last file; those above are being written to.
        for parent in list(path.relative_to(self._base).parents)[: -_SHARED - 1]:
            try:
                (self._base / parent).rmdir()
            except OSError:
                break


class _S3:
    """Objects of a bucket, written elsewhere first.

    What pyarrow has written becomes an object when its stream is closed, also by an error half way.
    A copy within S3 is whole or not there, up to 5 GB.
    """

    scratch: Path | None = None

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        from pyarrow.fs import S3FileSystem  # heavy, and only needed here

        self._fs, self._base = S3FileSystem(**{**_S3_SECONDS, **options}), base.rstrip("/")

    def publish(self, file: Path, name: str) -> None:
        if self.exists(name):
            return
        arriving = f"{self._base}/incoming/{secrets.token_hex(16)}"
        try:
            with file.open("rb") as source, self._fs.open_output_stream(arriving) as sink:
                shutil.copyfileobj(source, sink, _CHUNK)
            [info] = self._fs.get_file_info([arriving])
            if info.size != file.stat().st_size:
                raise StoreError(f"S3 took {info.size} bytes of {file.stat().st_size}.")
            self._fs.move(arriving, f"{self._base}/{name}")
        except BaseException:  # also of a run that is ended: nothing half stays under `incoming/`
            with suppress(OSError):
                self._fs.delete_file(arriving)
            raise

    def exists(self, name: str) -> bool:
        from pyarrow.fs import FileType

        [info] = self._fs.get_file_info([f"{self._base}/{name}"])
        return bool(info.type == FileType.File)

    def open(self, name: str) -> BinaryIO:
        # A Parquet file is read column by column, and each read would be a request of its own.
        handle = self._fs.open_input_file(f"{self._base}/{name}")
        return io.BufferedReader(handle, _READ_AHEAD)

    def sizes(self, below: str = "") -> dict[str, int]:
        from pyarrow.fs import FileSelector, FileType

        folder = f"{self._base}/{below}".rstrip("/")
        found = self._fs.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
        cut = len(self._base) + 1
        return {each.path[cut:]: each.size for each in found if each.type == FileType.File}

    def remove(self, name: str) -> None:
        self._fs.delete_file(f"{self._base}/{name}")


class _Blob:
    """Blobs of a container; their blocks become a blob in one last call."""

    scratch: Path | None = None

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        import fsspec

        # What another process stored meanwhile must be seen.
        self._fs: Any = fsspec.filesystem("abfs", use_listings_cache=False, **options)
        self._base = base.rstrip("/")

    def publish(self, file: Path, name: str) -> None:
        if not self.exists(name):
            self._fs.put_file(str(file), f"{self._base}/{name}")

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(f"{self._base}/{name}"))

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._fs.open(f"{self._base}/{name}", "rb"))

    def sizes(self, below: str = "") -> dict[str, int]:
        cut = len(self._base) + 1
        folder = f"{self._base}/{below}".rstrip("/")
        found: dict[str, Any] = self._fs.find(folder, detail=True)
        return {path[cut:]: int(each["size"]) for path, each in found.items()}

    def remove(self, name: str) -> None:
        self._fs.rm_file(f"{self._base}/{name}")

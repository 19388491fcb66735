"""An S3 prefix through the account's own boto3 session, with the face of `exports.store.Store`.

Roles with external ids renew themselves there, which Arrow's S3 client cannot do; and S3's ETag is
held to throughout: what was listed is what is read, or the read fails.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, Final

from astraeus_pipeline.errors import TransientError
from astraeus_pipeline.exports.place import Place
from astraeus_pipeline.exports.store import StoredFile
from astraeus_pipeline.providers.aws.client import AwsClients, translated

_CHUNK: Final = 1 << 20


class BucketStore:
    """Files below s3://bucket/prefix; `calls` counts the requests that were made."""

    def __init__(self, clients: AwsClients, place: Place) -> None:
        self.url = place.url
        self._account = clients.account
        self._bucket, _, prefix = place.root.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = clients.client("s3", place.region, place.endpoint_url)
        self.calls = 0

    def list(self) -> list[StoredFile]:
        """List all files below the prefix, by path. Raises: as `translated`."""
        files: list[StoredFile] = []
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        with self._translating("listing"):
            for page in pages:
                self.calls += 1
                files += (self._stored(each) for each in page.get("Contents", ()))
        return sorted(
            (each for each in files if not each.path.endswith("/")), key=lambda each: each.path
        )

    def stat(self, file: StoredFile) -> StoredFile:
        """Look at one file again."""
        self.calls += 1
        with self._translating(f"looking at {file.path}"):
            head = self._client.head_object(Bucket=self._bucket, Key=self._key(file))
        return StoredFile(
            file.path, int(head["ContentLength"]), head["LastModified"], str(head["ETag"])
        )

    @contextmanager
    def open(self, file: StoredFile) -> Iterator[BinaryIO]:
        """Open a small file whole, for random access."""
        yield io.BytesIO(b"".join(self.chunks(file)))

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """Stream the bytes of the very object that was listed.

        Raises: TransientError if it changed since, or fewer bytes came than announced.
        """
        self.calls += 1
        size = 0
        with self._translating(f"reading {file.path}"):
            body = self._client.get_object(
                Bucket=self._bucket, Key=self._key(file), IfMatch=file.version
            )["Body"]
            for chunk in body.iter_chunks(_CHUNK):
                size += len(chunk)
                yield chunk
        if size != file.size:
            raise TransientError(
                f"AWS account {self._account.slug}: {self.url} ({file.path}) gave {size} bytes"
                f" where {file.size} were announced.",
                hint="It is tried again by itself.",
            )

    def _translating(self, attempt: str) -> AbstractContextManager[None]:
        return translated(self._account, f"{attempt} at {self.url}")

    def _key(self, file: StoredFile) -> str:
        return f"{self._prefix}{file.path}"

    def _stored(self, item: dict[str, Any]) -> StoredFile:
        path = str(item["Key"]).removeprefix(self._prefix)
        return StoredFile(path, int(item["Size"]), item["LastModified"], str(item["ETag"]))

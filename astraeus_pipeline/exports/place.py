"""Where files lie: what an account says of a folder, a bucket or a container, as one value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_SCHEMES: Final = {"file": "file", "s3": "s3", "abfs": "abfs", "abfss": "abfs", "az": "abfs"}
_MAGIC: Final = re.compile(r"[*?\[]")


class Place(BaseModel):
    """A place and which of its files to read; credentials are apart, and optional.

    A provider's configuration may extend it (focus does), or hand one in:
    `Place(url=config.export_url, region=config.export_region)`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        description="Folder, file or glob: /path, s3://bucket/prefix or abfs://container/prefix"
    )
    files: str | None = Field(
        default=None, description="Glob of the files to read below the folder, as in **/*.parquet"
    )
    endpoint_url: str | None = Field(default=None, description="Own S3 or Blob endpoint")
    region: str | None = Field(default=None, description="Region of the S3 bucket")
    storage_account: str | None = Field(default=None, description="Azure storage account")
    anonymous: bool = Field(default=False, description="Read a public bucket without credentials")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "://" in self.url and self.url.split("://")[0] not in _SCHEMES:
            raise ValueError("url must be a path, s3://bucket/prefix or abfs://container/prefix")
        if not self.root:
            raise ValueError("url names no bucket or container")
        return self

    @property
    def scheme(self) -> Literal["file", "s3", "abfs"]:
        """Kind of store."""
        scheme = self.url.partition("://")[0] if "://" in self.url else "file"
        return _SCHEMES[scheme]  # type: ignore[return-value]  # the keys are checked, mypy widens

    @property
    def root(self) -> str:
        """Path inside the store, up to the first wildcard's folder, without a trailing slash."""
        return self._split()[0]

    def lets_through(self, path: str) -> bool:
        """Whether a path relative to the root passes the globs of `url` and `files`."""
        pattern = self._split()[1]
        if pattern and not _glob(pattern).fullmatch(path):
            return False
        if self.files is None:
            return True
        subject = path if "/" in self.files else path.rpartition("/")[2]
        return bool(_glob(self.files).fullmatch(subject))

    def _split(self) -> tuple[str, str]:
        path = self.url.partition("://")[2] if "://" in self.url else self.url
        if self.scheme == "file":
            path = str(Path(path).expanduser().absolute())
        elif self.scheme == "abfs" and "@" in path.split("/")[0]:
            container, _, rest = path.partition("@")
            path = f"{container}/{rest.partition('/')[2]}"
        if not (magic := _MAGIC.search(path)):
            return path.rstrip("/") or ("/" if self.scheme == "file" else ""), ""
        root, _, _ = path[: magic.start()].rpartition("/")
        return root, path[len(root) + 1 :]

    @model_validator(mode="before")
    @classmethod
    def _account_from_url(cls, values: object) -> object:
        """Take the storage account from abfs://container@account.dfs.core.windows.net/prefix."""
        if isinstance(values, dict) and isinstance(values.get("url"), str):
            found = re.match(r"abfss?://[^/@]+@([^./]+)", values["url"])
            if found and not values.get("storage_account"):
                return {**values, "storage_account": found[1]}
        return values


def _glob(pattern: str) -> re.Pattern[str]:
    """Translate a glob: ** crosses folders, * and ? do not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    spelt = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile(
        "".join(
            spelt.get(part)
            or (part.replace("[!", "[^") if part.startswith("[") else re.escape(part))
            for part in parts
        )
    )

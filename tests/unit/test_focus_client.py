"""Finding and reading files on S3 (moto over HTTP), on Azure Blob and locally, and their errors."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from astraeus_pipeline.errors import AuthError, ConfigError, PermanentError, TransientError
from astraeus_pipeline.exports.store import FileStore, open_store, translated
from astraeus_pipeline.providers.focus import FOCUS, FocusConfig
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.focus_blobs import CHANGED, serve_blobs
from tests.fixtures.focus_files import OCTOBER, account, csv_text, deliver, line, only, write
from tests.fixtures.s3 import moto

KEYS = {
    "aws_access_key_id": SecretStr("test"),
    "aws_secret_access_key": SecretStr("test-secret"),
}


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> LandingStore:
    return LandingStore(str(tmp_path_factory.mktemp("landing")))


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, tmp_path: Path) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test-secret",
    )
    client.create_bucket(Bucket="bills")
    for left in client.list_objects_v2(Bucket="bills").get("Contents", []):  # by other files' tests
        client.delete_object(Bucket="bills", Key=left["Key"])
    parquet = write(tmp_path / "a.parquet", [line(cost="3")]).read_bytes()
    for key, body in {
        "focus/2026-10/a.parquet": parquet,
        "focus/2026-10/b.csv": csv_text([line(cost="4")]),
        "elsewhere/2026-10/c.csv": csv_text([line(cost="8")]),
    }.items():
        client.put_object(Bucket="bills", Key=key, Body=body)
    return client


def test_s3_prefix(bucket: Any, s3_url: str, landing: LandingStore) -> None:
    source = account("s3://bills/focus", KEYS, endpoint_url=s3_url)
    one = only(deliver(source, landing))
    assert one.billed == 7
    assert one.names == ["2026-10/a.parquet", "2026-10/b.csv"]


def test_s3_single_file_and_check(bucket: Any, s3_url: str, landing: LandingStore) -> None:
    source = account("s3://bills/focus/2026-10/b.csv", KEYS, endpoint_url=s3_url)
    assert only(deliver(source, landing)).billed == 4
    identity = FOCUS.check(source)
    assert "FOCUS 1.0" in identity.summary


@pytest.mark.parametrize("url", ["s3://no-such-bucket/x", "s3://bills/no-such-prefix"])
def test_s3_place_that_is_not_there(url: str, bucket: Any, s3_url: str) -> None:
    with pytest.raises(ConfigError, match=url):
        FOCUS.check(account(url, KEYS, endpoint_url=s3_url))


def test_s3_that_does_not_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientError):
        FOCUS.check(account("s3://bills/x", KEYS, endpoint_url=f"http://127.0.0.1:{port}"))


BLOBS = {
    "focus/20261001-20261031/run/a.csv.gz": gzip.compress(csv_text([line(cost="3")])),
    "focus/20261001-20261031/run/b.csv": csv_text([line(cost="4")]),
    "other/c.csv": csv_text([line(cost="8")]),
}


def test_blob_prefix(tmp_path: Path, landing: LandingStore) -> None:
    parquet = write(tmp_path / "p.parquet", [line(cost="5")]).read_bytes()
    blobs = BLOBS | {"focus/20261001-20261031/run/p.parquet": parquet}
    with serve_blobs("bills", blobs) as connection:
        secrets = {"azure_connection_string": SecretStr(connection)}
        one = only(deliver(account("abfs://bills/focus", secrets), landing))
    assert one.billed == 12


def test_blob_tells_its_time_of_change() -> None:
    config = FocusConfig(url="abfs://bills/other")
    with serve_blobs("bills", BLOBS) as connection:
        store = open_store(config, {"azure_connection_string": SecretStr(connection)})
        [file] = store.list()
        assert file == store.stat(file)
    assert (file.path, file.modified) == ("c.csv", CHANGED)


def test_blob_container_that_is_not_there() -> None:
    with serve_blobs("bills", BLOBS) as connection:
        secrets = {"azure_connection_string": SecretStr(connection)}
        with pytest.raises(ConfigError, match="does not exist"):
            FOCUS.check(account("abfs://gone/focus", secrets))


def test_blob_that_is_denied() -> None:
    with serve_blobs("bills", BLOBS, status=403) as connection:
        secrets = {"azure_connection_string": SecretStr(connection)}
        with pytest.raises(AuthError):
            FOCUS.check(account("abfs://bills/focus", secrets))


def test_blob_account_in_the_url() -> None:
    config = FocusConfig(url="abfs://bills@mine.dfs.core.windows.net/focus/x")
    assert (config.storage_account, config.root) == ("mine", "bills/focus/x")


class AzureError(Exception):
    """Shaped as azure-core's errors are."""

    __module__ = "azure.core.exceptions"

    def __init__(self, status_code: int) -> None:
        super().__init__("The server said no.")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("AWS Error ACCESS_DENIED during ListObjectsV2 operation"), AuthError),
        (OSError("... (HTTP status 403): No response body."), AuthError),
        (OSError("AWS Error SLOW_DOWN during GetObject"), TransientError),
        (OSError("AWS Error NETWORK_CONNECTION during GetObject: curlCode: 28"), TransientError),
        (OSError("AWS Error NO_SUCH_BUCKET during ListObjectsV2"), ConfigError),
        (OSError("(HTTP status 503)"), TransientError),
        (OSError("Input/output failure"), PermanentError),
        (PermissionError("a.csv"), AuthError),
        (FileNotFoundError("a.csv"), ConfigError),
        (ConnectionResetError("peer"), TransientError),
        (TimeoutError(), TransientError),
        (AzureError(403), AuthError),
        (AzureError(404), ConfigError),
        (AzureError(429), TransientError),
        (AzureError(503), TransientError),
    ],
)
def test_errors_are_translated_once(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected, match="the place") as caught, translated("the place"):
        raise error
    assert type(caught.value) is expected


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), translated("the place"):
        raise KeyError("a mistake of ours")


@pytest.mark.parametrize(
    "config",
    [
        {"url": "gs://bucket/x"},
        {"url": "s3://"},
        {"url": "abfs://container/x"},
        {"url": "/x", "date_order": "american"},
        {"url": "/x", "colour": "blue"},
    ],
)
def test_wrong_configuration_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        FOCUS.check(account(config.pop("url"), **config))


def test_folder_that_is_not_there(tmp_path: Path, landing: LandingStore) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        deliver(account(tmp_path / "gone"), landing)


def test_check_tells_version_and_months(tmp_path: Path) -> None:
    write(tmp_path / "2026-09" / "a.csv", [line()])
    write(tmp_path / "2026-10" / "a.csv", [line(InvoiceId="1")])
    identity = FOCUS.check(account(tmp_path))
    assert "2 files with FOCUS 1.2 columns" in identity.summary
    assert identity.details["months in folder names"] == "2026-09, 2026-10"


def test_check_of_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no CSV"):
        FOCUS.check(account(tmp_path))


def test_file_that_changes_while_it_is_read(
    tmp_path: Path, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", [line()])
    read = FileStore.chunks

    def grow(store: FileStore, file: Any) -> Iterator[bytes]:
        yield from read(store, file)
        path.write_bytes(path.read_bytes() + b"\n")

    monkeypatch.setattr(FileStore, "chunks", grow)  # stands for the writer beside us
    with pytest.raises(TransientError, match="changed"):
        list(FOCUS.fetch(account(tmp_path), "costs", OCTOBER, landing))


def test_secrets_stay_out_of_errors(bucket: Any, s3_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FOCUS.check(account("s3://no-such-bucket/x", KEYS, endpoint_url=s3_url))
    assert "test-secret" not in str(caught.value)


def test_a_file_that_was_looked_into_is_not_read_again_for_other_months(
    tmp_path: Path, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bills = tmp_path / "bills"
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for month in (8, 9, 10):
        path = write(bills / f"bill-{month}.csv", [line(date(2026, month, 5))])
        os.utime(path, (long_ago, long_ago))
    looked_into: list[str] = []
    opened = FileStore.open

    def noted(self: FileStore, file: Any) -> Any:
        looked_into.append(file.path)
        return opened(self, file)

    monkeypatch.setattr(FileStore, "open", noted)

    def fetch() -> set[str]:
        looked_into.clear()
        [fetched] = FOCUS.fetch(account(str(bills)), "costs", OCTOBER, landing)
        assert [part.name for part in fetched.parts] == ["bill-10.csv"]
        return set(looked_into)

    every = {f"bill-{month}.csv" for month in (8, 9, 10)}
    assert fetch() == every
    assert fetch() == set()
    # Another time of change is another file; what is that new is looked into until it is a day old.
    os.utime(bills / "bill-9.csv")
    assert fetch() == fetch() == {"bill-9.csv"}
    write(bills / "bill-9.csv", [line(date(2026, 10, 5), cost="7")])
    [fetched] = FOCUS.fetch(account(str(bills)), "costs", OCTOBER, landing)
    assert {part.name for part in fetched.parts} == {"bill-9.csv", "bill-10.csv"}

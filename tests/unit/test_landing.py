"""The landing store: addressed by content, stored once, given back byte by byte."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, RowCount
from astraeus_pipeline.errors import ConfigError, LoadError
from astraeus_pipeline.warehouse.landing import LandingStore

TEXT = b"a,b\n1,2\n" * 10_000


@pytest.fixture(scope="module")
def s3_options() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "endpoint_override": f"{host}:{port}",
        "scheme": "http",
        "region": "us-east-1",
        "access_key": "test",
        "secret_key": "test",
    }
    server.stop()


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LandingStore:
    if request.param == "local":
        return LandingStore(str(tmp_path / "landing"))
    options = request.getfixturevalue("s3_options")
    from pyarrow.fs import S3FileSystem

    S3FileSystem(**options, allow_bucket_creation=True).create_dir("landing")
    return LandingStore("s3://landing/payloads", options)


def test_bytes_come_back_as_they_were_fetched(store: LandingStore) -> None:
    part = store.put("a.csv", [TEXT[:100], TEXT[100:]], "csv")
    assert (part.bytes, part.sha256) == (len(TEXT), hashlib.sha256(TEXT).hexdigest())
    with store.open(part) as handle:
        assert handle.read() == TEXT


def test_equal_bytes_are_stored_once(tmp_path: Path) -> None:
    store = LandingStore(str(tmp_path))
    first, second = store.put("a.csv", [TEXT], "csv"), store.put("b.csv", iter([TEXT]), "csv")
    assert first.uri == second.uri
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert files[0].stat().st_size < len(TEXT) / 10
    assert files[0].stat().st_mode & 0o222 == 0


def test_compressed_formats_are_kept_as_they_are_and_can_be_searched(store: LandingStore) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3]}), buffer)
    part = store.put("a.parquet", [buffer.getvalue()], "parquet")
    with store.open(part) as handle:
        assert pq.ParquetFile(handle).read().to_pydict() == {"a": [1, 2, 3]}
    zipped = store.put("a.csv.gz", [gzip.compress(TEXT)], "csv.gz")
    with store.open(zipped) as handle:
        assert gzip.decompress(handle.read()) == TEXT


def test_a_fetch_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield TEXT
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        LandingStore(str(tmp_path)).put("a.csv", chunks(), "csv")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_manifest_leads_back_to_the_delivery(store: LandingStore) -> None:
    days = DayRange(date(2026, 10, 1), date(2026, 10, 31))
    control = ControlTotal(days, "USD", "billed_cost", Decimal("1.10"), "total", scale=2, terms=3)
    fetched = Fetched(
        account_id="acme",
        dataset="costs",
        days=days,
        source="export",
        source_name="test",
        parts=(store.put("a.csv", [TEXT], "csv"),),
        billing_period=days.first,
        complete_through=date(2026, 10, 20),
        controls=(control,),
        row_counts=(RowCount(days.first, 3),),
        requests=7,
    )
    stored = store.put_manifest(fetched)
    again = store.read_manifest(stored.uri)
    assert (again.parts, again.controls, again.days) == (fetched.parts, (control,), days)
    assert again.row_counts == fetched.row_counts
    assert again.requests == 0  # of the fetch, not of the bill
    assert store.put_manifest(again).sha256 == stored.sha256


def test_a_missing_payload_says_where_it_was_looked_for(tmp_path: Path) -> None:
    part = LandingStore(str(tmp_path / "a")).put("a.csv", [TEXT], "csv")
    elsewhere = LandingStore(str(tmp_path / "b"))
    with pytest.raises(LoadError, match="does not hold"), elsewhere.open(part):
        pass


def test_an_unknown_scheme_is_a_plain_sentence() -> None:
    with pytest.raises(ConfigError, match="not supported"):
        LandingStore("ftp://host/folder")

"""The landing store: addressed by content, stored once, given back byte by byte."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, RowCount
from astraeus_pipeline.errors import ConfigError, LoadError, StoreError
from astraeus_pipeline.warehouse import object_stores, payload_files
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.object_stores import S3, azurite, s3

TEXT = b"a,b\n1,2\n" * 10_000


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3]:
    with s3() as server:
        yield server


@pytest.fixture(scope="module")
def container() -> Iterator[dict[str, str]]:
    with azurite() as options:
        yield options


@pytest.fixture(params=["local", "s3", "azure"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LandingStore:
    if request.param == "s3":
        options = request.getfixturevalue("bucket").options
        return LandingStore("s3://landing/payloads", options)
    if request.param == "azure":
        return LandingStore("abfs://landing/payloads", request.getfixturevalue("container"))
    return LandingStore(str(tmp_path / "landing"))


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


def test_a_listing_of_a_folder_looks_at_nothing_else(store: LandingStore, tmp_path: Path) -> None:
    for name in ("orders/a/one", "orders/a/b/two", "orders/ab/three"):
        (tmp_path / "new").write_bytes(b"12")
        store.publish(tmp_path / "new", name)
    assert store.objects.sizes(below="orders/a") == {"orders/a/one": 2, "orders/a/b/two": 2}
    assert store.objects.sizes(below="orders/b") == {}
    store.objects.remove("orders/a/b/two")
    assert store.objects.sizes(below="orders/a") == {"orders/a/one": 2}
    assert set(store.objects.sizes()) >= {"orders/a/one", "orders/ab/three"}


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


def test_a_note_of_a_source_leads_to_its_part_and_to_none_that_is_gone(
    store: LandingStore,
) -> None:
    part = store.put("a.csv", [b"noted"], "csv")
    assert store.recall("https://a/1 etag") is None
    store.remember("https://a/1 etag", part)
    assert store.recall("https://a/1 etag") == part
    store.remember("https://a/2 etag", replace(part, uri="sha256/00/none.csv.zst"))
    assert store.recall("https://a/2 etag") is None


def test_what_was_cut_short_on_the_way_is_no_object(
    store: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the upload: pyarrow makes an object of what it has when its stream closes."""
    content = os.urandom(1 << 16)

    def stop_half_way(source: IO[bytes], sink: IO[bytes], _: int) -> None:
        sink.write(source.read(1 << 10))
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(object_stores.shutil, "copyfileobj", stop_half_way)
        if type(store._objects).__name__ == "_S3":
            with pytest.raises(SystemExit):
                store.put("a.csv", [content], "csv")
            sha256 = hashlib.sha256(content).hexdigest()
            assert not store._objects.exists(f"sha256/{sha256[:2]}/{sha256}.csv.zst")
    part = store.put("a.csv", [content], "csv")
    with store.open(part) as handle:
        assert handle.read() == content


def test_a_store_that_is_away_may_answer_later(bucket: S3) -> None:
    options = {**bucket.options, "endpoint_override": "127.0.0.1:1"}
    store = LandingStore("s3://landing/payloads", options)
    with pytest.raises(StoreError, match="s3://landing/payloads does not answer"):
        store.put("a.csv", [TEXT], "csv")


def test_a_store_that_does_not_exist_or_knows_no_such_option_is_a_setting_to_mend(
    bucket: S3, container: dict[str, str]
) -> None:
    for store in (
        LandingStore("s3://absent/payloads", bucket.options),
        LandingStore("abfs://absent/payloads", container),
    ):
        with pytest.raises(ConfigError, match="does not exist"):
            store.put("a.csv", [TEXT], "csv")
    with pytest.raises(ConfigError, match="ASTRAEUS_LANDING_OPTIONS"):
        LandingStore("s3://landing", {"regoin": "us-east-1"})


def test_an_unknown_scheme_is_a_plain_sentence() -> None:
    with pytest.raises(ConfigError, match="not supported"):
        LandingStore("ftp://host/folder")


def test_a_store_is_copied_out_checked_brought_in_and_emptied_file_by_file(
    store: LandingStore, tmp_path: Path
) -> None:
    part = store.put("whole.csv", [TEXT, b"end"], "csv")
    zipped = store.put("whole.csv.gz", [gzip.compress(TEXT)], "csv.gz")
    store.remember("s3://bills/whole.csv?etag=1", part)
    found = payload_files.listed(store)
    assert {part.uri, zipped.uri} < found.keys()
    assert any(uri.startswith("sources/") for uri in found) and all(found.values())
    out = tmp_path / "out"
    payload_files.copy_out(store, found, out)
    assert payload_files.altered(out, found) == []
    for uri in (part.uri, zipped.uri):
        (out / uri).write_bytes((out / uri).read_bytes()[:-9])
    assert sorted(payload_files.altered(out, found)) == sorted([part.uri, zipped.uri])
    payload_files.copy_out(store, found, out)
    payload_files.remove(store, found)
    assert payload_files.listed(store) == {}
    with pytest.raises(LoadError):
        payload_files.copy_out(store, [part.uri], out)
    for _ in range(2):  # what is there is left alone
        payload_files.copy_in(store, out, found)
    assert payload_files.listed(store) == found
    with store.open(part) as handle:
        assert handle.read() == TEXT + b"end"

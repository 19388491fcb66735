"""Payloads in an object store, all the way: loaded, shown, loaded again, and the store away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.queries import payloads
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import StoreError
from astraeus_pipeline.exports.tables import open_table
from astraeus_pipeline.orchestration.delivering import Delivered, Ingestion, deliver, reload
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.object_stores import objects_at
from tests.fixtures.estate import write_month
from tests.fixtures.faulty_proxy import Bend, faulty
from tests.fixtures.object_stores import S3, s3

pytestmark = pytest.mark.integration

DAYS = DayRange(date(2026, 10, 1), date(2026, 10, 4))
TODAY = date(2026, 10, 20)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3() as server:
        monkeypatch.setenv("ASTRAEUS_LANDING_URL", "s3://landing/payloads")
        monkeypatch.setenv("ASTRAEUS_LANDING_OPTIONS", json.dumps(server.options))
        yield server


def load(database: Database, folder: Path) -> Delivered:
    settings = Settings.from_env()
    ring = KeyRing.from_settings(settings.model_copy(update={"home": folder}))
    ingestion = Ingestion(database, LandingStore.from_settings(settings), ring, TODAY)
    account = Account("acme", "focus", "Acme", {"url": str(folder / "bills")})
    return deliver(ingestion, FOCUS, account, "costs", DAYS)


def test_every_reader_of_payloads_reads_them_there(
    database: Database, bucket: S3, tmp_path: Path
) -> None:
    bill = {day: ["1.25"] for day in DAYS}
    write_month(tmp_path / "bills" / "month.csv", bill)
    [result] = load(database, tmp_path).results
    assert (result.state, result.rows) == ("loaded", 4)
    with database.connect("admin") as conn:
        [(uri,)] = conn.execute("select payload_uri from raw.deliveries").fetchall()
    fetched = payloads.manifest(uri)  # a figure followed to its bytes, in the app
    [part] = fetched.parts
    assert payloads.head(part, 1)[0]["BilledCost"] == "1.25"
    assert payloads.location(part).startswith("s3://landing/payloads/sha256/")
    ring = KeyRing.from_settings(Settings(home=tmp_path))
    ingestion = Ingestion(database, LandingStore.from_settings(Settings.from_env()), ring, TODAY)
    again = reload(
        ingestion,
        FOCUS,
        uri,
        Acceptance("me", "right", result.delivery_id, frozenset({DAYS.first})),
    )
    assert again.rows == 4


def test_a_file_of_many_columns_is_not_a_request_for_each(bucket: S3, tmp_path: Path) -> None:
    names = [f"column_{number}" for number in range(80)]
    rows = pa.table({name: [f"{name} {row}" for row in range(1_000)] for name in names})
    pq.write_table(rows, tmp_path / "bill.parquet", row_group_size=500)
    objects_at("s3://landing/bills", bucket.options).publish(
        tmp_path / "bill.parquet", "bill.parquet"
    )
    with faulty(f"http://127.0.0.1:{bucket.port}") as between:
        between.bend = Bend(when=lambda method, path: method == "GET")
        at = between.url.removeprefix("http://")
        store = objects_at("s3://landing/bills", {**bucket.options, "endpoint_override": at})
        with store.open("bill.parquet") as handle:
            table = open_table(handle, "parquet", "bill.parquet")
            read = pa.Table.from_batches(table.batches)
    assert read.num_rows == 1_000 and read.column_names == names
    assert 1 <= between.bent <= 5


def test_a_store_that_is_away_fails_the_load_in_words_and_the_next_one_stands(
    database: Database, bucket: S3, tmp_path: Path
) -> None:
    write_month(tmp_path / "bills" / "month.csv", {day: ["2"] for day in DAYS})
    bucket.stop()
    [error] = load(database, tmp_path).errors
    assert isinstance(error, StoreError)  # transient: Dagster asks again
    assert "account acme, 2026-10-01" in str(error) and "does not answer" in str(error)
    with database.connect("admin") as conn:
        ledger = conn.execute("select state, reason from raw.deliveries").fetchall()
        rows = conn.execute("select count(*) from raw.focus_costs").fetchone()
    assert [state for state, _ in ledger] == ["failed"] and "asks again" in ledger[0][1]
    assert rows == (0,)
    bucket.start()
    [result] = load(database, tmp_path).results
    assert (result.state, result.rows) == ("loaded", 4)

"""From a figure to the stored payload: every layer says the same, and it is what was sent."""

from __future__ import annotations

import csv
import gc
import gzip
import hashlib
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.auth import store
from app.components import cache, downloads, formats
from app.queries import execute, export, payloads, periods, trace
from app.queries.catalog import METRICS
from app.queries.compiler import CostQuery
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import LimitError, LoadError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.app.conftest import DAYS, THROUGH, ask, forget, sign_in, user_of
from tests.app.test_pages import ENTRY, metric
from tests.app.test_pages import run as open_page

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("basis", METRICS)
@pytest.mark.parametrize(
    "filters",
    [
        (),
        (("service", ("Service B", "Service C")),),
        (("region", ("No region",)), ("account", ("acme",))),
        (("provider", ("Acme",)), ("category", ("Compute",)), ("charge", ("Usage",))),
    ],
)
def test_figure_deliveries_and_charges_agree(
    marts: Database, basis: str, filters: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    month = DayRange(THROUGH.replace(day=1), THROUGH)
    query = CostQuery(month, "USD", basis, filters=filters)  # type: ignore[arg-type] # a key of the catalogue
    [figure] = ask(trace.compile_figure(query))
    [charges] = ask(trace.compile_charges_sum(query))
    lines = ask(trace.compile_deliveries(query))
    listed = ask(trace.compile_charges(query, trace.CHARGES_EXPORTED))
    assert charges["charges"] > 0
    assert figure["cost"] == charges["cost"] == sum(line["cost"] for line in lines)
    assert charges["charges"] == sum(line["charges"] for line in lines)
    # Every day stands in one delivery here, and all of them are in all of it.
    assert {line["all_days"] for line in lines} == {len(month)}
    assert sum(row["cost"] for row in listed) == figure["cost"]
    for line in lines:
        number = line["delivery_id"]
        assert ask(trace.compile_charges_sum(query, number))[0]["cost"] == line["cost"]


def test_the_sql_shown_answers_with_the_figure(marts: Database) -> None:
    awkward = (("service", ("Service B", "it's :first and :last")), ("region", ("eu-1",)))
    query = CostQuery(DAYS, "USD", "effective", filters=awkward)
    [figure] = ask(trace.compile_figure(query))
    with marts.connect("operator") as conn:
        row = conn.execute(trace.spelled(trace.compile_figure(query))).fetchone()
    assert row is not None
    assert row[0] == figure["cost"] > 0


def test_the_page_goes_down_to_what_was_sent(marts: Database) -> None:
    at = open_page("trace", ccy="USD", of_service="Service B")
    assert not at.exception and not at.error
    month = periods.period("Month to date", THROUGH)
    with marts.connect("operator") as conn:
        found = conn.execute(
            "select sum(billed_cost) from marts.fct_daily_costs where billing_currency = 'USD'"
            " and service_name = 'Service B' and usage_date between %s and %s",
            [month.first, month.last],
        ).fetchone()
    assert found is not None
    assert metric(at, "Billed cost") == formats.exact(found[0], "USD")
    texts = " ".join(each.value for each in at.caption)
    assert f"Exactly {formats.escaped(formats.spelled(found[0]))} USD" in texts
    assert texts.count("exactly") == 2 and "please report" not in texts
    assert sum(at.dataframe[0].value["Cost (USD)"], Decimal(0)) == found[0]


def test_the_payload_is_what_was_sent_and_its_hash_is_of_these_bytes(marts: Database) -> None:
    at = open_page("trace", ccy="USD", of_service="Service B")
    [line] = ask(trace.compile_deliveries(CostQuery(DAYS, "USD")))
    [part] = payloads.manifest(line["payload_uri"]).parts
    shown = next(each.value for each in at.dataframe if "billed_cost" in each.value)
    assert list(shown["service_name"][:2]) == ["Service A", "Service B"]
    assert any(part.sha256 in each.value for each in at.code)
    with LandingStore.from_settings(Settings.from_env()).open(part) as handle:
        assert hashlib.sha256(handle.read()).hexdigest() == part.sha256
    at.number_input[0].set_value(22).run()
    moved = next(each.value for each in at.dataframe if "billed_cost" in each.value)
    assert moved["service_name"][0] == "Service A" and len(moved) == payloads.HEAD_ROWS


def test_a_payload_that_is_gone_is_said_and_the_rest_stands(
    marts: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_LANDING_URL", str(tmp_path))
    at = open_page("trace", ccy="USD")
    assert "does not hold" in at.error[0].value and len(at.error) == 1
    assert any("Charges behind it" in each.value for each in at.subheader)


def test_nothing_to_trace_and_bad_addresses_are_said(marts: Database) -> None:
    at = AppTest.from_file(ENTRY, default_timeout=60)
    at.user = user_of("admin")
    at.query_params["of_dates"] = ["2020-01-01", "2020-01-02"]
    at.run()
    at.switch_page("views/trace.py").run()
    assert "Nothing matches" in at.info[0].value
    at = open_page("trace", of_dates="1888-08-08")
    assert "of\\_dates: 1888-08-08" in at.warning[0].value
    for delivery in ("0", "-1", "x'; drop table raw.deliveries; --", "9" * 40):
        at = open_page("trace", delivery=delivery)
        assert not at.exception and not at.error


@pytest.mark.parametrize("mart", ["fct_costs_by_dimension", "fct_deliveries"])
def test_a_figure_that_cannot_be_shown_has_nothing_behind_it(marts: Database, mart: str) -> None:
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(f"alter table marts.{mart} rename to away")
        forget()
        try:
            at = open_page("trace", ccy="USD")
        finally:
            conn.execute(f"alter table marts.away rename to {mart}")
            forget()
    assert not at.exception
    [error] = at.error
    assert error.value.startswith("The figure cannot be shown: The marts have not been built yet.")


@pytest.mark.parametrize(
    ("media_type", "content", "told"),
    [
        ("csv", b'a,b\n"' + b"x" * 200_000 + b'",1\n', "field larger than"),
        ("csv", b"a,b\n" + b"x" * 2_000_000, "longer than 1,048,576 characters"),
        ("csv.gz", b"not gzip", "Not a gzipped file"),
        ("csv.gz", gzip.compress(b"a,b\n1,2\n" * 9_000)[:-20], "ended before"),
        ("parquet", b"PAR1 and no more", "Parquet"),
    ],
)
def test_a_part_of_which_no_rows_can_be_made_is_said_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    media_type: Any,
    content: bytes,
    told: str,
) -> None:
    monkeypatch.setenv("ASTRAEUS_LANDING_URL", str(tmp_path))
    limit = csv.field_size_limit(131_072)  # of the process: who reads attachments sets it, too
    part = LandingStore(str(tmp_path)).put("bill", [content], media_type)
    with pytest.raises(LoadError, match=f"bill cannot be shown .*{told}"):
        payloads.head(part, start=20_000)
    csv.field_size_limit(limit)


def test_the_page_says_that_a_part_cannot_be_shown_and_goes_on(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise csv.Error("line contains NUL")

    monkeypatch.setattr(payloads, "_csv", broken)
    at = open_page("trace", ccy="USD", of_service="Service B")
    [error] = at.error
    assert "cannot be shown as rows of csv" in error.value
    assert "line contains NUL" in error.value
    assert "Its bytes are kept" in error.value
    assert any("Charges behind it" in each.value for each in at.subheader)


def test_of_a_repeated_name_and_odd_rows_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_LANDING_URL", str(tmp_path))
    part = LandingStore(str(tmp_path)).put("bill", [b"a,a\n1,2\n3\n\n4,5,6\n"], "csv")
    assert payloads.head(part) == [
        {"a": "1", "a (2)": "2"},
        {"a": "3", "a (2)": ""},
        {"a": "4", "a (2)": "5", "beyond the header": "['6']"},
    ]
    lines = LandingStore(str(tmp_path)).put("page", [b"x" * 3_000_000, b"\n{}\nlast"], "jsonl")
    assert payloads.head(lines) == [{"line": "x" * 2_000}, {"line": "{}"}, {"line": "last"}]


def test_charges_for_a_file_come_in_pieces_and_are_kept_nowhere(marts: Database) -> None:
    statement = trace.compile_charges(CostQuery(DAYS, "USD"), trace.CHARGES_EXPORTED)
    who = store.live(user_of("admin")["session"])
    assert who is not None
    kept = cache._of_build.cache.currsize  # type: ignore[attr-defined] # cachetools'
    rows = list(downloads.streamed(who, statement))
    assert rows == ask(statement) and len(rows) > execute._AT_ONCE / 2
    assert cache._of_build.cache.currsize == kept  # type: ignore[attr-defined]
    lines = list(csv.DictReader(io.StringIO(export.charges_csv(iter(rows)).decode())))
    assert [line["charge_key"] for line in lines] == [str(row["charge_key"]) for row in rows]
    assert [Decimal(line["cost"]) for line in lines] == [row["cost"] for row in rows]
    # Of somebody else's rows none come, and an end before the last leaves the way free again.
    sign_in(marts, "of-beta-alone", "analyst", Grant("account", "beta"))
    other = store.live(user_of("of-beta-alone")["session"])
    assert other is not None and list(downloads.streamed(other, statement)) == []
    for _ in range(4):
        next(downloads.streamed(who, statement))
    gc.collect()
    assert list(downloads.streamed(who, statement)) == rows


def test_a_file_that_would_grow_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 20_000)
    row = {"charge_description": "x" * 1_000}
    taken = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for taken in range(1_000_000):  # noqa: B007 - counted
            yield row

    with pytest.raises(LimitError, match="would be longer"):
        export.charges_csv(rows())
    assert taken < 100
    assert export.charges_csv(iter(())) == b""

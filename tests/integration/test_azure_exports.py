"""Azure's exports through the real Blob SDK: runs, manifests, headers of all ages, faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.azure import AZURE, client
from astraeus_pipeline.sandbox.azure import SECRET, AzureServer, Failure, Faults, throttled
from astraeus_pipeline.sandbox.azure_exports import Generation, Kind, write_run
from astraeus_pipeline.sandbox.azure_lines import Line
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.line_items import Standing, write_line_items
from astraeus_pipeline.warehouse.survey import Survey
from tests.fixtures import azure
from tests.fixtures.azure import MACHINE, ORDER, SUBSCRIPTION, TODAY, account, line, rows, serving
from tests.fixtures.faults import Fault, case, covers, not_applicable

MONTH = (TODAY.replace(day=1) - timedelta(days=3)).replace(day=1)
DAYS = DayRange.of_month(MONTH)
SUBMITTED = datetime(DAYS.end.year, DAYS.end.month, 3, 5, 12, tzinfo=UTC)
STORE = "devstore"

NOT_APPLICABLE = not_applicable(
    "azure/exports",
    {Fault.ENDLESS_PAGES: "the SDK follows a listing's markers, files have no pages"},
)


def bill() -> list[Line]:
    """Return a month with everything that an export tells apart."""
    machine = {"service": "Virtual Machines", "subcategory": "D", "meter": "D4s v5"}
    committed = {
        **machine,
        "pricing_model": "Reservation",
        "unit": "1 Hour",
        "benefit_id": ORDER,
        "benefit_name": "RI",
    }
    covered = {**committed, "resource_id": MACHINE}
    return [
        *(line(day, f"{n}.25") for n, day in enumerate(DAYS, 1)),
        line(DAYS.first, "0.0000000000191107", unit="10K"),
        line(
            DAYS.first,
            "300",
            **committed,
            charge_type="Purchase",
            resource_id=ORDER,
            amortized=None,
        ),
        *(
            line(day, "0", **covered, amortized=Decimal("9.25"), quantity=Decimal(3))
            for day in DAYS
        ),
        line(
            DAYS.last,
            None,
            **committed,
            charge_type="UnusedReservation",
            resource_id=ORDER,
            amortized=Decimal("0.75"),
        ),
        line(
            DAYS.last, "-20", **committed, charge_type="Refund", resource_id=ORDER, amortized=None
        ),
        line(DAYS.last, "5", charge_type="Purchase", resource_id="", location=""),
    ]


LINES = bill()
BILLED = sum((each.actual or Decimal(0) for each in LINES), Decimal(0))
EFFECTIVE = sum((each.amortized or Decimal(0) for each in LINES), Decimal(0))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AzureServer]:
    with serving(tmp_path / "azure", LINES, page_size=1000) as served:
        yield served


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path / "landing"))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DEFAULT_OPTIONS", azure.QUICK)


def export(server: AzureServer, kind: Kind, lines: list[Line] = LINES, **more: Any) -> Path:
    """Write a run of an export and return its folder."""
    submitted = more.pop("submitted", SUBMITTED)
    return write_run(server.files / "exports", kind, kind, MONTH, submitted, lines, **more)


def focus(server: AzureServer, secret: str = SECRET, **config: Any) -> Account:
    url = f"{server.blob_url}/exports/focus"
    return account(server, secret, cost_source="export_focus", export_url=url, **config)


def both(server: AzureServer, **config: Any) -> Account:
    base = f"{server.blob_url}/exports"
    urls = {"export_url": f"{base}/actual", "amortized_export_url": f"{base}/amortized"}
    return account(server, cost_source="export_actual_amortized", **urls, **config)


def total(found: list[dict[str, Any]], cost_type: str) -> Decimal:
    return sum((row[cost_type] or Decimal(0) for row in found), Decimal(0))


# --- what is read ---


@pytest.mark.parametrize("generation", ["legacy", "enterprise", "customer"])
def test_actual_and_amortized_are_one_bill_in_every_generation(
    server: AzureServer, landing: LandingStore, generation: Generation
) -> None:
    for kind in ("actual", "amortized"):
        export(server, kind, generation=generation, rows_per_blob=20)
    [fetched] = AZURE.fetch(both(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    assert (fetched.shape, fetched.billing_period, fetched.days) == ("export", MONTH, DAYS)
    assert (total(found, "actual_cost"), total(found, "amortized_cost")) == (BILLED, EFFECTIVE)
    told = [(row["export_type"], row["charge_type"]) for row in found]
    assert sorted({each for each in told if each[0] == "actual"}) == [
        ("actual", "Purchase"),
        ("actual", "Refund"),
    ]
    assert told.count(("actual", "Purchase")) == told.count(("amortized", "Purchase")) == 1
    covered = [row for row in found if row["reservation_id"] and row["charge_type"] == "Usage"]
    assert {row["actual_cost"] for row in covered} == {Decimal(0)}
    assert {row["amortized_cost"] for row in covered} == {Decimal("9.25")}
    assert {row["meter_category"] for row in found} == {"Storage", "Virtual Machines"}


def test_the_pair_is_written_as_line_items_from_what_was_stored(
    server: AzureServer, landing: LandingStore
) -> None:
    for kind in ("actual", "amortized"):
        export(server, kind)
    [fetched] = AZURE.fetch(both(server), "costs", DAYS, landing)
    survey = Survey(AZURE_COSTS_EXPORT)
    for batch in AZURE.rows(fetched, landing):
        survey.add(batch)
    standing = Standing(
        delivery_id=7,
        account_id=fetched.account_id,
        provider="azure",
        raw_table=AZURE_COSTS_EXPORT.name,
        payload_uri=landing.put_manifest(fetched).uri,
        finished_at=SUBMITTED,
        slices={each: facts.digest for each, facts in survey.slices.items()},
    )
    write_line_items(
        landing,
        standing,
        lambda each: AZURE.rows(landing.read_manifest(each.payload_uri), landing),
    )
    with landing.objects.open(standing.file) as handle:
        written = pq.read_table(handle).to_pylist()
    assert (total(written, "actual_cost"), total(written, "amortized_cost")) == (BILLED, EFFECTIVE)
    assert len(written) == sum(facts.rows for facts in survey.slices.values())


def test_focus_keeps_azures_own_columns(server: AzureServer, landing: LandingStore) -> None:
    export(server, "focus", is_compressed=True, rows_per_blob=20, invoice="G012345678")
    [fetched] = AZURE.fetch(focus(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    assert (fetched.shape, fetched.expected_rows) == ("focus", len(LINES)) == ("focus", len(found))
    assert (total(found, "billed_cost"), total(found, "effective_cost")) == (BILLED, EFFECTIVE)
    assert {row["invoice_id"] for row in found} == {"G012345678"}
    assert json.loads(found[0]["payload"])["x_SkuMeterCategory"] == "Storage"


def test_runs_are_cumulative_and_only_the_newest_counts(
    server: AzureServer, landing: LandingStore
) -> None:
    early = SUBMITTED - timedelta(days=20)
    # The older run is written last: what counts is when it was submitted, not when it was copied.
    export(server, "focus")
    export(server, "focus", LINES[:10], submitted=early)
    [fetched] = AZURE.fetch(focus(server), "costs", DAYS, landing)
    assert total(rows(fetched, landing), "billed_cost") == BILLED
    export(server, "focus", LINES[:3], submitted=SUBMITTED + timedelta(days=1))
    [fetched] = AZURE.fetch(focus(server), "costs", DAYS, landing)
    assert len(rows(fetched, landing)) == 3


def test_an_unchanged_run_is_not_read_again(server: AzureServer, landing: LandingStore) -> None:
    export(server, "focus")
    hashes = set()
    for _ in range(2):
        server.requests.clear()
        [fetched] = AZURE.fetch(focus(server), "costs", DAYS, landing)
        hashes.add(landing.put_manifest(fetched).sha256)
    assert len(hashes) == 1
    assert not [each for each in server.requests if each.startswith("GET") and "part_" in each]


def test_a_query_supplies_the_control_total(server: AzureServer, landing: LandingStore) -> None:
    for kind in ("actual", "amortized", "focus"):
        export(server, kind)
    scope = f"/subscriptions/{SUBSCRIPTION}"
    settled = [day for day in DAYS if day <= TODAY - timedelta(days=3)]
    for source, names in (
        (both(server, control_scope=scope), ("actual_cost", "amortized_cost", "unmatched_cost")),
        (focus(server, control_scope=scope), ("billed_cost", "effective_cost")),
    ):
        [fetched] = AZURE.fetch(source, "costs", DAYS, landing)
        found = rows(fetched, landing)
        assert fetched.requests == 2
        assert {c.cost_type for c in fetched.controls} == set(names)
        assert {c.days.first for c in fetched.controls} == set(settled)
        for control in fetched.controls:
            loaded = [row for row in found if row["usage_date"] == control.days.first]
            assert total(loaded, control.cost_type) == control.amount


def test_what_only_one_of_the_two_has_is_told_and_keeps_the_sums_those_of_the_files(
    server: AzureServer, landing: LandingStore
) -> None:
    """Both lost a line, on days of their own; ids are spelt differently, which means nothing."""
    usage = [n for n, each in enumerate(LINES) if each.charge_type == "Usage" and each.actual]
    lost_by_actual, lost_by_amortized = LINES[usage[0]], LINES[usage[1]]
    shouted = [replace(each, subscription=each.subscription.upper()) for each in LINES]
    actual = [each for n, each in enumerate(shouted) if n != usage[0]]
    amortized = [each for n, each in enumerate(LINES) if n != usage[1]]
    export(server, "actual", actual)
    export(server, "amortized", amortized)
    [fetched] = AZURE.fetch(both(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    assert total(found, "actual_cost") == sum(each.actual or 0 for each in actual)
    assert total(found, "amortized_cost") == sum(each.amortized or 0 for each in amortized)
    told = {
        row["usage_date"]: (row["actual_cost"], row["unmatched_cost"], row["meter_category"])
        for row in found
        if row["export_type"] == "difference"
    }
    assert told == {
        lost_by_actual.day: (-lost_by_actual.actual, lost_by_actual.actual, "Storage"),
        lost_by_amortized.day: (lost_by_amortized.actual, lost_by_amortized.actual, "Storage"),
    }
    numbers = [row["row_number"] for row in found]
    assert len(numbers) == len(set(numbers))
    stated = {control.days.first: control.amount for control in fetched.controls}
    assert stated == {day: 0 for day in DAYS if day <= TODAY - timedelta(days=3)}


@covers("azure/exports", Fault.UNKNOWN_COLUMN)
def test_a_new_column_is_kept_in_the_payload(server: AzureServer, landing: LandingStore) -> None:
    run = export(server, "focus")
    part = run / "part_0_0001.csv"
    header, *body = part.read_text(encoding="utf-8-sig").splitlines()
    part.write_text("\n".join([f"{header},x_New", *(f"{each},7" for each in body)]) + "\n")
    announce(run)
    [fetched] = AZURE.fetch(focus(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    assert {json.loads(row["payload"])["x_New"] for row in found} == {"7"}
    assert total(found, "billed_cost") == BILLED


@covers("azure/exports", Fault.EMPTY)
def test_a_run_without_rows_is_a_delivery_without_rows(
    server: AzureServer, landing: LandingStore
) -> None:
    export(server, "focus", [])
    [fetched] = AZURE.fetch(focus(server), "costs", DAYS, landing)
    assert (rows(fetched, landing), fetched.expected_rows) == ([], 0)


def announce(run: Path, **changes: Any) -> None:
    """Write the manifest anew, with the files' real sizes or what is asked for."""
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    for blob in manifest["blobs"]:
        name = blob["blobName"].rpartition("/")[2]
        if (run / name).exists():
            blob["byteCount"] = (run / name).stat().st_size
        blob.update(changes)
    path.write_text(json.dumps(manifest))


# --- faults of files ---


def _lose(run: Path) -> None:
    (run / "part_0_0001.csv").unlink()


def _cut(run: Path) -> None:
    part = run / "part_0_0001.csv"
    part.write_bytes(part.read_bytes()[:-40])


def _cut_and_announced(run: Path) -> None:
    _cut(run)
    announce(run)


def _row_lost(run: Path) -> None:
    part = run / "part_0_0001.csv"
    part.write_bytes(part.read_bytes().rsplit(b"\r\n", 2)[0] + b"\r\n")
    announce(run)


def _no_manifest(run: Path) -> None:
    (run / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        pytest.param(_lose, "lists .* not there", id="file-missing"),
        case("azure/exports", Fault.TRUNCATED_PAYLOAD, _cut, "bytes where .* announces"),
        case(
            "azure/exports",
            Fault.TRUNCATED_PAYLOAD,
            _cut_and_announced,
            "cut off|rows where",
            name="announced",
        ),
        pytest.param(_row_lost, r"rows where .* announces", id="row-count"),
        pytest.param(_no_manifest, "not a manifest", id="manifest"),
    ],
)
def test_files_that_contradict_their_manifest_are_refused(
    server: AzureServer, landing: LandingStore, break_it: Any, says: str
) -> None:
    break_it(export(server, "focus"))
    with pytest.raises(PayloadError, match=says):
        for fetched in AZURE.fetch(focus(server), "costs", DAYS, landing):
            rows(fetched, landing)


def test_one_half_alone_is_refused(server: AzureServer, landing: LandingStore) -> None:
    export(server, "amortized")
    other = MONTH - timedelta(days=1)
    write_run(
        server.files / "exports",
        "actual",
        "actual",
        other.replace(day=1),
        SUBMITTED,
        [line(other, "1")],
    )
    with pytest.raises(PermanentError, match="holds no"):
        list(AZURE.fetch(both(server), "costs", DAYS, landing))
    with pytest.raises(PermanentError, match="holds no"):
        list(AZURE.fetch(both(server), "costs", DayRange(other.replace(day=1), DAYS.last), landing))


def test_a_wrong_kind_of_export_is_named(server: AzureServer, landing: LandingStore) -> None:
    export(server, "actual")
    wrong = account(
        server, cost_source="export_focus", export_url=f"{server.blob_url}/exports/actual"
    )
    with pytest.raises(PayloadError, match="lacks mandatory FOCUS columns"):
        list(AZURE.fetch(wrong, "costs", DAYS, landing))
    with pytest.raises(ConfigError, match="holds nothing"):
        list(AZURE.fetch(focus(server), "costs", DAYS, landing))


# --- faults of the store ---


@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        case(
            "azure/exports",
            Fault.EXPIRED_TOKEN,
            Faults(failures=[Failure(403, "AuthenticationFailed")]),
            AuthError,
            "403.*account test",
        ),
        case(
            "azure/exports",
            Fault.THROTTLED_WITH_RETRY_AFTER,
            Faults(failures=[throttled(retry_after="33")]),
            TransientError,
            "429",
        ),
        case(
            "azure/exports",
            Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Faults(failures=[throttled()]),
            TransientError,
            "429",
        ),
        case(
            "azure/exports",
            Fault.SERVER_ERROR,
            Faults(failures=[Failure(503, "ServerBusy")]),
            TransientError,
            "503",
        ),
        case("azure/exports", Fault.TIME_OUT, Faults(hang=[2.5]), TransientError, "did not answer"),
        case(
            "azure/exports",
            Fault.CUT_IN_MID_PAGE,
            Faults(cut_body=9),  # the SDK itself asks for the rest three times
            TransientError,
            "in full|cut off|announced",
        ),
        case(
            "azure/exports",
            Fault.CLOCK_SKEW,
            Faults(
                failures=[Failure(401, "InvalidAuthenticationInfo")],
                clock_skew=timedelta(minutes=42),
            ),
            AuthError,
            "clock is 4[12] minutes off",
        ),
    ],
)
@pytest.mark.parametrize("where", ["/exports", "part_0_0001"])
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    server: AzureServer,
    landing: LandingStore,
    faults: Faults,
    error: type[ProviderError],
    says: str,
    where: str,
) -> None:
    export(server, "focus")
    server.faults = replace(
        faults, where=where, failures=list(faults.failures), hang=list(faults.hang)
    )
    with pytest.raises(error, match=says) as caught:
        list(AZURE.fetch(focus(server), "costs", DAYS, landing))
    assert "acme" in str(caught.value)


@covers("azure/exports", Fault.BAD_CREDENTIALS)
def test_a_wrong_secret_is_refused_and_never_shown(
    server: AzureServer, landing: LandingStore
) -> None:
    export(server, "focus")
    with pytest.raises(AuthError, match="AADSTS7000215") as caught:
        list(AZURE.fetch(focus(server, "canary-secret"), "costs", DAYS, landing))
    assert "canary" not in str(caught.value)


def test_check_looks_at_the_exports(server: AzureServer) -> None:
    for kind in ("actual", "amortized"):
        export(server, kind)
    details = AZURE.check(both(server)).details
    assert "part_0_0001.csv" in details["actual export"]
    assert details["subscription"] == SUBSCRIPTION


def test_days_of_a_month_under_way_end_with_what_was_asked(
    server: AzureServer, landing: LandingStore
) -> None:
    month = TODAY.replace(day=1)
    write_run(server.files / "exports", "focus", "focus", month, SUBMITTED, [line(month, "1")])
    asked = DayRange(month, max(month, TODAY - timedelta(days=1)))
    [fetched] = AZURE.fetch(focus(server), "costs", asked, landing)
    assert (fetched.days, fetched.billing_period) == (asked, date(month.year, month.month, 1))

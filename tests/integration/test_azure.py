"""Azure through its real SDK over HTTPS: the emulator's sign-in, queries, inventory and faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    NotObtainable,
    PayloadError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.azure import AZURE, client
from astraeus_pipeline.providers.azure.client import SdkOptions
from astraeus_pipeline.sandbox import azure_fleet
from astraeus_pipeline.sandbox.azure import AzureServer, Failure, Faults, Subscription, throttled
from astraeus_pipeline.sandbox.estate import FABRIKAM_DATA, FABRIKAM_SHOP
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures import azure
from tests.fixtures.azure import DAYS, SUBSCRIPTION, TODAY, account, rows, serving
from tests.fixtures.faults import Fault, case, covers

NOW = DayRange(TODAY, TODAY)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AzureServer]:
    with serving(tmp_path / "azure", azure.bill()) as served:
        yield served


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path / "landing"))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DEFAULT_OPTIONS", azure.QUICK)


def patient(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Let the SDK try again, without waiting longer than the answer asks for.

    Of no wait at all it makes one of its own.
    """
    settings = {"tries": 3, "throttle_floor": 0.01, "read_timeout": 5, **options}
    monkeypatch.setattr(client, "DEFAULT_OPTIONS", SdkOptions(**settings))


# --- costs ---


def test_costs_come_by_every_dimension_and_tie_to_the_total(
    server: AzureServer, landing: LandingStore
) -> None:
    [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    for cost_type, wanted in (("actual_cost", "actual"), ("amortized_cost", "amortized")):
        for day in DAYS:
            stated = [c for c in fetched.controls if c.cost_type == cost_type and day in c.days]
            assert [c.currency for c in stated] == ["EUR"]
            loaded = sum(row[cost_type] or 0 for row in found if row["usage_date"] == day)
            lines = [getattr(each, wanted) or 0 for each in azure.mine() if each.day == day]
            assert loaded == stated[0].amount == sum(lines)
    assert fetched.requests == server.queries > 20
    assert {row["subscription_id"] for row in found} == {SUBSCRIPTION}


def test_a_reservation_is_billed_when_bought_and_effective_when_used(
    server: AzureServer, landing: LandingStore
) -> None:
    [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    found = [row for row in rows(fetched, landing) if row["pricing_model"] == "Reservation"]
    told = {
        (row["charge_type"], row["usage_date"]): (row["actual_cost"], row["amortized_cost"])
        for row in found
    }
    assert told["Purchase", DAYS.first] == (Decimal(300), None)
    assert told["Usage", DAYS.first] == (Decimal(0), Decimal("9.25"))
    assert told["UnusedReservation", DAYS.last] == (None, Decimal("0.75"))
    assert len(found) == len(list(DAYS)) + 2


def test_what_a_meter_and_a_resource_are_called_stands_on_the_row(
    server: AzureServer, landing: LandingStore
) -> None:
    [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    used = next(row for row in found if row["resource_id"] == azure.MACHINE.lower())
    names = ("service_name", "meter_subcategory", "meter", "unit_of_measure", "resource_location")
    assert [used[name] for name in names] == [
        "Virtual Machines",
        "D",
        "D4s v5",
        "1 Hour",
        "West Europe",
    ]
    refund = next(row for row in found if row["charge_type"] == "Refund")
    assert (refund["resource_id"], refund["resource_location"]) == (None, None)


def test_an_enterprise_agreement_tells_no_units(tmp_path: Path, landing: LandingStore) -> None:
    with serving(tmp_path / "ea", azure.bill(), is_enterprise=True) as server:
        [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    assert {row["unit_of_measure"] for row in rows(fetched, landing)} == {None}


def test_the_same_bill_is_the_same_payload(server: AzureServer, landing: LandingStore) -> None:
    hashes = {
        landing.put_manifest(fetched).sha256
        for _ in range(2)
        for fetched in AZURE.fetch(account(server), "costs", DAYS, landing)
    }
    assert len(hashes) == 1


@covers("azure", Fault.EMPTY)
def test_days_without_costs_are_a_delivery_without_rows(
    tmp_path: Path, landing: LandingStore
) -> None:
    with serving(tmp_path / "empty", []) as server:
        [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    assert (rows(fetched, landing), fetched.controls, fetched.complete_through) == ([], (), None)


@covers("azure", Fault.UNKNOWN_COLUMN)
def test_a_new_column_is_kept_in_the_payload(server: AzureServer, landing: LandingStore) -> None:
    server.faults = Faults(further_column=True)
    [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    found = rows(fetched, landing)
    assert {row["payload"] for row in found} == {'{"CostStatus": "Forecast"}'}
    assert sum(row["actual_cost"] or 0 for row in found) == sum(
        each.actual or 0 for each in azure.mine()
    )


def test_two_currencies_stay_apart(tmp_path: Path, landing: LandingStore) -> None:
    lines = [azure.line(DAYS.first, "1"), azure.line(DAYS.first, "2", currency="USD")]
    with serving(tmp_path / "two", lines) as server:
        [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    assert {(row["currency"], row["actual_cost"]) for row in rows(fetched, landing)} == {
        ("EUR", Decimal(1)),
        ("USD", Decimal(2)),
    }
    assert {(c.currency, c.amount) for c in fetched.controls} == {
        ("EUR", Decimal(1)),
        ("USD", Decimal(2)),
    }


# --- faults ---

LOOP = Faults(same_page=True)


@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        case(
            "azure",
            Fault.EXPIRED_TOKEN,
            Faults(failures=[Failure(401, "ExpiredAuthenticationToken")]),
            AuthError,
            "ExpiredAuthenticationToken.*account test",
        ),
        case(
            "azure",
            Fault.THROTTLED_WITH_RETRY_AFTER,
            Faults(failures=[throttled({"qpu": "17", "entity": "soon"}, "77")]),
            TransientError,
            "429 TooManyRequests",
        ),
        case(
            "azure",
            Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Faults(failures=[throttled()]),
            TransientError,
            "429",
        ),
        case(
            "azure",
            Fault.SERVER_ERROR,
            Faults(failures=[Failure(503, "ServiceUnavailable")]),
            TransientError,
            "503",
        ),
        case("azure", Fault.TIME_OUT, Faults(hang=[2.5]), TransientError, "did not answer"),
        case("azure", Fault.CUT_IN_MID_PAGE, Faults(cut_body=1), TransientError, "in full|cut off"),
        case("azure", Fault.TRUNCATED_PAYLOAD, Faults(broken_json=1), TransientError, "cut off"),
        case("azure", Fault.ENDLESS_PAGES, LOOP, PayloadError, "same next page twice"),
        case(
            "azure",
            Fault.CLOCK_SKEW,
            Faults(
                failures=[Failure(401, "InvalidAuthenticationToken")],
                clock_skew=timedelta(minutes=-42),
            ),
            AuthError,
            "clock is 4[12] minutes off",
        ),
        pytest.param(
            Faults(failures=[Failure(403, "RBACAccessDenied")]), AuthError, "Reader", id="denied"
        ),
        pytest.param(
            Faults(foreign_link=True), PayloadError, "example.org.*not sent", id="foreign-link"
        ),
    ],
)
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    server: AzureServer,
    landing: LandingStore,
    faults: Faults,
    error: type[ProviderError],
    says: str,
) -> None:
    server.faults = faults
    with pytest.raises(error, match=says) as caught:
        list(AZURE.fetch(account(server), "costs", DAYS, landing))
    assert "acme" in str(caught.value) and str(DAYS) in str(caught.value)
    hints = [each.headers for each in faults.failures]
    assert hints == []  # it was used up, so the error is the injected one
    if "TooMany" in says:
        assert isinstance(caught.value, TransientError) and caught.value.retry_after == 77


@covers("azure", Fault.BAD_CREDENTIALS)
def test_a_wrong_secret_is_refused_once_and_never_shown(
    server: AzureServer, landing: LandingStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(AuthError, match=r"AADSTS7000215.*rotate-secret acme") as caught:
        list(AZURE.fetch(account(server, "canary-secret"), "costs", DAYS, landing))
    assert "canary" not in str(caught.value) and "canary" not in caplog.text
    assert sum("token" in each for each in server.requests) == 1
    assert server.queries == 0


def test_no_token_reaches_the_log(
    server: AzureServer, landing: LandingStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    list(AZURE.fetch(account(server), "costs", DAYS, landing))
    assert server.given_tokens
    assert not [token for token in server.given_tokens if token in caplog.text]


@pytest.mark.parametrize(
    "hints", [{}, {"qpu": "0"}, {"tenant": "0", "client": "in a while"}], ids=str
)
@pytest.mark.parametrize("retry_after", [None, "0"])
def test_a_throttled_query_is_asked_again(
    server: AzureServer,
    landing: LandingStore,
    monkeypatch: pytest.MonkeyPatch,
    hints: dict[str, str],
    retry_after: str | None,
) -> None:
    patient(monkeypatch)
    server.faults = Faults(failures=[throttled(hints, retry_after)] * 2)
    [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    assert server.queries == fetched.requests + 2  # answers are counted, tries are seen
    total = sum(row["actual_cost"] or 0 for row in rows(fetched, landing))
    assert total == sum(each.actual or 0 for each in azure.mine())


def test_throttled_for_ever_and_for_long_is_left_to_the_orchestrator(
    server: AzureServer, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch)
    server.faults = Faults(failures=[throttled()] * 50)
    with pytest.raises(TransientError, match="429"):
        list(AZURE.fetch(account(server), "costs", DAYS, landing))
    assert server.queries == 3
    server.faults = Faults(failures=[throttled({"tenant": "3600"})] * 50)
    with pytest.raises(TransientError, match="429") as caught:
        list(AZURE.fetch(account(server), "costs", DAYS, landing))
    assert server.queries == 4 and caught.value.retry_after == 3600


@covers("azure", Fault.EXPIRED_TOKEN)
def test_a_token_is_renewed_by_itself(tmp_path: Path, landing: LandingStore) -> None:
    with serving(tmp_path / "short", azure.bill(), token_seconds=1) as server:
        [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
        assert fetched.requests == server.queries
        assert len(server.given_tokens) > 1


def test_a_lost_page_shows_against_the_total(server: AzureServer, landing: LandingStore) -> None:
    server.faults = Faults(lose_last_page=True)
    [fetched] = AZURE.fetch(account(server), "costs", DAYS, landing)
    loaded = sum(row["amortized_cost"] or 0 for row in rows(fetched, landing))
    assert loaded != sum(c.amount for c in fetched.controls if c.cost_type == "amortized_cost")


# --- what can be asked ---


def test_days_that_azure_forgot_are_refused_before_asking(
    server: AzureServer, landing: LandingStore
) -> None:
    old = DayRange(TODAY - timedelta(days=500), TODAY)
    with pytest.raises(NotObtainable, match="13 months"):
        list(AZURE.fetch(account(server), "costs", old, landing))
    assert server.requests == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"subscription_id": "12"}, "subscription_id"),
        ({"cost_source": "export_focus"}, "needs export_url"),
        ({"authority": "http://127.0.0.1"}, "https"),
        ({"client_id": None}, "client_id"),
        ({"tenant": "typo"}, "tenant"),
    ],
)
def test_a_wrong_configuration_is_named(
    server: AzureServer, landing: LandingStore, config: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        list(AZURE.fetch(account(server, **config), "costs", DAYS, landing))


def test_without_a_secret_only_a_person_can_sign_in(
    server: AzureServer, landing: LandingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    attended = account(server, None, sign_in="device_code")
    assert AZURE.check(attended).details["subscription"] == SUBSCRIPTION
    assert "DEMO-CODE" in capsys.readouterr().err
    with pytest.raises(AuthError, match="`account test` only"):
        list(AZURE.fetch(attended, "costs", DAYS, landing))


def test_check_says_whose_credentials_they_are(server: AzureServer) -> None:
    found = AZURE.check(account(server))
    assert (found.summary, found.details["state"]) == (
        "Azure subscription One (Enabled)",
        "Enabled",
    )
    with pytest.raises(AuthError, match="do not see subscription"):
        AZURE.check(account(server, subscription_id=azure.OTHER))


# --- resources ---


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[AzureServer]:
    subscriptions = [
        Subscription(owner.number, owner.name, azure_fleet.items(owner))
        for owner in (FABRIKAM_SHOP, FABRIKAM_DATA)
    ]
    with serving(tmp_path / "fleet", [], subscriptions=subscriptions, page_size=4) as served:
        yield served


def shop(server: AzureServer) -> Account:
    return account(server, subscription_id=FABRIKAM_SHOP.number)


def test_the_inventory_has_sizes_speeds_and_what_is_idle(
    fleet: AzureServer, landing: LandingStore
) -> None:
    [fetched] = AZURE.fetch(shop(fleet), "resources", NOW, landing)
    found = {row["resource_name"]: row for row in rows(fetched, landing)}
    assert len(found) == fetched.expected_rows == len(azure_fleet.items(FABRIKAM_SHOP))
    machine, disk, orphan = found["web-01"], found["web-01-data"], found["old-import-data"]
    assert (machine["instance_type"], machine["state"], machine["availability_zone"]) == (
        "Standard_D4s_v5",
        "running",
        "westeurope-2",
    )
    assert (disk["size_gb"], disk["iops"], disk["throughput_mbps"]) == (
        Decimal(512),
        2300,
        Decimal(150),
    )
    assert disk["attached_to"] == machine["resource_id"] == machine["resource_id"].lower()
    assert (orphan["attached_to"], orphan["state"]) == (None, "Unattached")
    assert found["pip-old"]["state"] == "idle" and found["pip-front"]["attached_to"]
    assert (found["orders"]["instance_type"], found["orders"]["size_gb"]) == (
        "GP_Gen5_4",
        Decimal(250),
    )
    assert {row["owner_account_id"] for row in found.values()} == {FABRIKAM_SHOP.number}


def test_billed_resources_are_in_the_inventory(fleet: AzureServer, landing: LandingStore) -> None:
    [fetched] = AZURE.fetch(shop(fleet), "resources", NOW, landing)
    known = {row["resource_id"] for row in rows(fetched, landing)}
    for workload in FABRIKAM_SHOP.workloads:
        billed = azure_fleet.billed(FABRIKAM_SHOP, workload.usage_type)
        assert {each.lower() for each in billed} <= known


@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        (Faults("ResourceGraph", truncated=True), PayloadError, "left out"),
        (Faults("ResourceGraph", same_page=True), PayloadError, "same next page"),
        (Faults("ResourceGraph", lose_last_page=True), TransientError, "announces 21"),
        (Faults("ResourceGraph", cut_body=1), TransientError, "in full|cut off"),
        (Faults("ResourceGraph", broken_json=1), TransientError, "cut off"),
        (
            Faults(
                "ResourceGraph",
                failures=[
                    Failure(429, "RateLimiting", {"x-ms-user-quota-resets-after": "00:01:05"})
                ],
            ),
            TransientError,
            "RateLimiting",
        ),
    ],
    ids=lambda value: "",
)
def test_an_inventory_with_a_fault_is_none_at_all(
    fleet: AzureServer,
    landing: LandingStore,
    faults: Faults,
    error: type[ProviderError],
    says: str,
) -> None:
    fleet.faults = faults
    with pytest.raises(error, match=says) as caught:
        list(AZURE.fetch(shop(fleet), "resources", NOW, landing))
    if "RateLimiting" in says:
        assert isinstance(caught.value, TransientError) and caught.value.retry_after == 65


def test_a_past_inventory_cannot_be_had(fleet: AzureServer, landing: LandingStore) -> None:
    with pytest.raises(NotObtainable, match="only tells what stands now"):
        list(AZURE.fetch(shop(fleet), "resources", DAYS, landing))


# --- discovery ---


def test_the_subscriptions_of_a_management_group_become_accounts(tmp_path: Path) -> None:
    subscriptions = [
        Subscription(f"{n}1111111-2222-4333-8444-555555555555", f"Sub {n}", management_group="corp")
        for n in range(4)
    ]
    stray = Subscription("71111111-2222-4333-8444-555555555555", "Stray")
    closed = Subscription(
        "81111111-2222-4333-8444-555555555555", "Old", state="Disabled", management_group="corp"
    )
    everything = [*subscriptions, stray, closed]
    with serving(tmp_path / "group", [], subscriptions=everything) as server:
        parent = account(server, subscription_id=None, management_group="corp")
        found = list(AZURE.discover(parent))
        assert AZURE.datasets(parent) == ()
    assert [each.external_id for each in found] == sorted(
        each.id for each in (*subscriptions, closed)
    )
    assert [each.state for each in found] == ["active"] * 4 + ["Disabled"]
    child = Account(found[0].slug, "azure", "Sub", found[0].config)
    assert set(AZURE.datasets(child)) == {"costs", "resources"}
    assert "management_group" not in found[0].config


def test_an_ordinary_account_finds_no_others(server: AzureServer) -> None:
    assert list(AZURE.discover(account(server))) == []
    assert server.requests == []


def test_what_an_export_of_the_parent_holds_is_not_asked_again(tmp_path: Path) -> None:
    below = Subscription(azure.OTHER, "Two")
    with serving(tmp_path / "export", [], subscriptions=[below]) as server:
        url = f"{server.blob_url}/exports/focus"
        export = {"cost_source": "export_focus", "export_url": url, "discover": True}
        parent = account(server, subscription_id=None, **export)
        assert AZURE.datasets(parent) == ("costs",)
        [found] = AZURE.discover(parent)
    child = Account(found.slug, "azure", "Two", found.config)
    assert AZURE.datasets(child) == ("resources",)
    assert not {"export_url", "cost_source", "discover"} & set(found.config)


def test_a_group_that_is_seen_in_part_is_an_error(tmp_path: Path) -> None:
    one = Subscription(SUBSCRIPTION, "One", management_group="corp")
    two = Subscription(azure.OTHER, "Two", management_group="corp")
    with serving(tmp_path / "part", [], subscriptions=[one, two]) as server:
        server.hidden = {azure.OTHER}
        with pytest.raises(AuthError, match="may not read"):
            list(AZURE.discover(account(server, subscription_id=None, management_group="corp")))

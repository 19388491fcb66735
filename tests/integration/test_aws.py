"""AWS bills through real boto3: Cost Explorer's fixture, its pages and its faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from pydantic import SecretStr

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
from astraeus_pipeline.providers.aws import AWS, client
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer, Faults, Line
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, case, covers

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY - timedelta(days=5), TODAY - timedelta(days=1))
LINKED = "111111111111"


def line(day: date, cost: str, **more: Any) -> Line:
    amount = Decimal(cost)
    values = {
        "linked_account": LINKED,
        "record_type": "Usage",
        "region": "us-east-1",
        "service": "Amazon Simple Storage Service",
        "usage_type": "TimedStorage-ByteHrs",
        "unit": "GB-Mo",
        "quantity": amount,
        **more,
    }
    return Line(
        day,
        unblended=amount,
        amortized=amount,
        net_unblended=amount,
        net_amortized=amount,
        **values,
    )


LINES = [
    *(line(day, f"{number}.0000000{number}1") for number, day in enumerate(DAYS, 1)),
    *(line(DAYS.first, "0.125", usage_type=f"Requests-Tier{n}") for n in range(30)),
    line(
        DAYS.first,
        "9.99",
        record_type="Tax",
        region="NoRegion",
        service="Tax",
        usage_type="NoUsageType",
    ),
    line(DAYS.last, "-4.5", record_type="Credit", region="NoRegion"),
    line(DAYS.last, "7", linked_account="999999999999"),
]


@pytest.fixture
def explorer() -> Iterator[CostExplorerServer]:
    def lines(first: date, end: date) -> list[Line]:
        return [each for each in LINES if first <= each.day < end]

    with CostExplorerServer(
        lines, lambda day: day > DAYS.last - timedelta(days=2), page_size=7
    ) as server:
        yield server


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own tries would only make the faults slow."""
    quick = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=1
    )
    monkeypatch.setattr(client.AwsClients.__init__, "__defaults__", (quick,))


def account(explorer: CostExplorerServer, **config: Any) -> Account:
    secrets = {"access_key_id": SecretStr("id"), "secret_access_key": SecretStr("canary-secret")}
    settings = {"linked_account_id": LINKED, "cost_explorer_endpoint_url": explorer.url, **config}
    return Account("acme", "aws", "Acme", settings, lambda: secrets)


def rows(fetched: Any, landing: LandingStore) -> list[dict[str, Any]]:
    return [row for batch in AWS.rows(fetched, landing) for row in batch.rows.to_pylist()]


def test_costs_come_by_every_dimension_and_tie_to_the_total(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    [fetched] = AWS.fetch(account(explorer), "costs", DAYS, landing)
    found = rows(fetched, landing)
    mine = [each for each in LINES if each.linked_account == LINKED]
    assert len(found) == len(mine)
    for day in DAYS:
        stated = {c.cost_type: c.amount for c in fetched.controls if day in c.days}
        total = sum(row["net_unblended_cost"] for row in found if row["usage_date"] == day)
        assert (
            total == stated["net_unblended_cost"] == sum(e.unblended for e in mine if e.day == day)
        )
    tax = next(row for row in found if row["record_type"] == "Tax")
    assert (tax["region"], tax["usage_type"], tax["usage_quantity"]) == (
        None,
        None,
        Decimal("9.99"),
    )
    assert [row["is_estimated"] for row in found if row["usage_date"] == DAYS.last] == [True, True]
    assert fetched.complete_through == DAYS.last - timedelta(days=2)
    assert fetched.requests == explorer.requests > 5
    assert fetched.request_cost_usd == Decimal("0.01") * explorer.requests


def test_a_payer_finds_its_linked_accounts(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    [fetched] = AWS.fetch(account(explorer, linked_account_id=None), "costs", DAYS, landing)
    assert {row["linked_account_id"] for row in rows(fetched, landing)} == {LINKED, "999999999999"}


def test_the_same_bill_is_the_same_payload(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    hashes = {
        landing.put_manifest(fetched).sha256
        for _ in range(2)
        for fetched in AWS.fetch(account(explorer), "costs", DAYS, landing)
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        case(
            "aws",
            Fault.BAD_CREDENTIALS,
            Faults(errors=[(400, "UnrecognizedClientException")]),
            AuthError,
            "rotate|account test",
        ),
        case(
            "aws",
            Fault.BAD_CREDENTIALS,
            Faults(errors=[(400, "AccessDeniedException")]),
            AuthError,
            "AccessDenied",
            name="denied",
        ),
        case(
            "aws",
            Fault.EXPIRED_TOKEN,
            Faults(errors=[(400, "ExpiredTokenException")]),
            AuthError,
            "ExpiredTokenException",
        ),
        case(
            "aws",
            Fault.CLOCK_SKEW,
            Faults(
                errors=[(400, "InvalidSignatureException")],
                message="Signature expired: 20261125T100000Z is now earlier than 20261125T101500Z",
            ),
            AuthError,
            "clock",
        ),
        case(
            "aws",
            Fault.THROTTLED_WITH_RETRY_AFTER,
            Faults(errors=[(429, "TooManyRequestsException")], headers={"Retry-After": "77"}),
            TransientError,
            "TooMany",
        ),
        case(
            "aws",
            Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Faults(errors=[(400, "LimitExceededException")]),
            TransientError,
            "LimitExceeded",
        ),
        case(
            "aws",
            Fault.SERVER_ERROR,
            Faults(errors=[(503, "ServiceUnavailable")]),
            TransientError,
            "ServiceUnavailable",
        ),
        case("aws", Fault.TIME_OUT, Faults(hang=[2.5]), TransientError, "ReadTimeout"),
        case(
            "aws",
            Fault.CUT_IN_MID_PAGE,
            Faults(cut_body=1),
            TransientError,
            "did not answer in full|cut off",
        ),
        case("aws", Fault.TRUNCATED_PAYLOAD, Faults(broken_json=1), TransientError, "cut off"),
        case("aws", Fault.ENDLESS_PAGES, Faults(same_token=True), PayloadError, "same page token"),
        pytest.param(
            Faults(errors=[(400, "DataUnavailableException")]),
            ProviderError,
            "DataUnavailable",
            id="data_unavailable",
        ),
    ],
)
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    explorer: CostExplorerServer,
    landing: LandingStore,
    faults: Faults,
    error: type[ProviderError],
    says: str,
) -> None:
    explorer.faults = faults
    with pytest.raises(error, match=says) as caught:
        list(AWS.fetch(account(explorer), "costs", DAYS, landing))
    assert "acme" in str(caught.value)
    assert "canary" not in str(caught.value)
    if faults.headers:
        assert isinstance(caught.value, TransientError) and caught.value.retry_after == 77


@covers("aws", Fault.EMPTY)
def test_days_without_charges_are_a_delivery_without_rows(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    [fetched] = AWS.fetch(
        account(explorer, linked_account_id="333333333333"), "costs", DAYS, landing
    )
    assert rows(fetched, landing) == []
    assert fetched.days == DAYS


@covers("aws", Fault.UNKNOWN_COLUMN)
def test_a_field_that_nobody_knows_changes_nothing(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    [before] = AWS.fetch(account(explorer), "costs", DAYS, landing)
    explorer.faults = Faults(further={"Carbon": "12"})
    [after] = AWS.fetch(account(explorer), "costs", DAYS, landing)
    assert rows(after, landing) == rows(before, landing)


def test_a_lost_page_shows_against_the_total(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    explorer.faults = Faults(lose_last_page=True)
    [fetched] = AWS.fetch(account(explorer), "costs", DAYS, landing)
    loaded = sum(row["net_unblended_cost"] for row in rows(fetched, landing))
    assert loaded != sum(c.amount for c in fetched.controls if c.cost_type == "net_unblended_cost")


def test_days_that_cost_explorer_forgot_are_refused_before_asking(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    old = DayRange(TODAY - timedelta(days=500), TODAY)
    with pytest.raises(NotObtainable, match="13 months"):
        list(AWS.fetch(account(explorer), "costs", old, landing))
    assert explorer.requests == 0


def test_a_wrong_configuration_is_named(
    explorer: CostExplorerServer, landing: LandingStore
) -> None:
    with pytest.raises(ConfigError, match="linked_account_id"):
        list(AWS.fetch(account(explorer, linked_account_id="12"), "costs", DAYS, landing))

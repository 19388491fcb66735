"""Snowflake through its real connector over HTTP: fakesnow with a log-in that checks keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.snowflake import SNOWFLAKE, client
from astraeus_pipeline.sandbox.snowflake import SnowflakeServer
from astraeus_pipeline.sandbox.snowflake_faults import QUERY, Fault, Faults
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures import faults as table
from tests.fixtures.faults import case, covers, not_applicable
from tests.fixtures.snowflake import (
    LOCKED_KEY,
    ORGANIZATION,
    PASSPHRASE,
    PRIVATE_KEY,
    RESELLER,
    STRANGE_KEY,
    account,
    bill,
    bill_line,
    emulated,
)

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY - timedelta(days=12), TODAY - timedelta(days=5))
FIRST = DAYS.first
LINES = [
    bill_line(FIRST, "812.25", "270.750"),
    bill_line(FIRST, "31.08", "10.361", service_type="CLOUD_SERVICES", usage_type="cloud services"),
    bill_line(
        FIRST,
        "-31.08",
        "-10.361",
        service_type="CLOUD_SERVICES",
        usage_type="adj for incl cloud services",
        is_adjustment="true",
    ),
    bill_line(FIRST, "12.26", "16.501", service_type="STORAGE", rating_type="storage"),
    bill_line(FIRST, "7.00", account_name="LAB", account_locator="BB22222", currency="EUR"),
    bill_line(DAYS.last, "900.00", usage_type="overage-compute", balance_source="overage"),
    bill_line(DAYS.last, "-15.00", billing_type="rebate", balance_source="rebate"),
    bill_line(DAYS.end, "1000000"),  # a day that nobody asked for
]

NOT_APPLICABLE = not_applicable(
    "snowflake", {table.Fault.ENDLESS_PAGES: "one statement is one answer, there are no pages"}
)


@pytest.fixture(scope="module")
def running() -> Iterator[SnowflakeServer]:
    with emulated() as server:
        yield server


@pytest.fixture
def server(running: SnowflakeServer) -> SnowflakeServer:
    running.faults = Faults()
    running.requests.clear()
    bill(running, LINES)
    return running


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector's own tries would only make the faults slow."""
    quick = client.Limits(
        login_seconds=20, attempt_seconds=1, request_seconds=20, query_seconds=20, attempts=1
    )
    monkeypatch.setattr(client, "LIMITS", quick)


def fetched(account: Account, landing: LandingStore, dataset: Any = "costs") -> Any:
    [only] = SNOWFLAKE.fetch(account, dataset, DAYS, landing)
    return only


def rows(fetched: Any, landing: LandingStore) -> list[dict[str, Any]]:
    batches = list(SNOWFLAKE.rows(fetched, landing))
    assert not [reject for batch in batches for reject in batch.rejects]
    return [row for batch in batches for row in batch.rows.to_pylist()]


def test_the_bill_comes_line_by_line_and_ties_to_snowflakes_own_sums(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    delivery = fetched(account(server), landing)
    found = rows(delivery, landing)
    assert len(found) == delivery.expected_rows == 7
    assert delivery.source_name == "Snowflake ORGANIZATION_USAGE.USAGE_IN_CURRENCY_DAILY"
    assert delivery.requests == server.requests.count(QUERY) == 2
    stated = {(c.days.first, c.currency): c.amount for c in delivery.controls}
    assert stated == {
        (FIRST, "USD"): Decimal("824.51"),
        (FIRST, "EUR"): Decimal("7.00"),
        (DAYS.last, "USD"): Decimal("885.00"),
    }
    for (day, currency), amount in stated.items():
        mine = [r for r in found if (r["usage_date"], r["currency"]) == (day, currency)]
        assert sum(row["usage_in_currency"] for row in mine) == amount
    adjustment = next(row for row in found if row["is_adjustment"])
    assert (adjustment["usage"], adjustment["usage_in_currency"]) == (
        Decimal("-10.361"),
        Decimal("-31.08"),
    )
    overage = next(row for row in found if row["balance_source"] == "overage")
    assert overage["usage_type"] == "overage-compute"
    assert delivery.complete_through == (datetime.now(UTC) - timedelta(hours=72)).date() - (
        timedelta(days=1)
    )


def test_the_same_bill_is_the_same_payload(server: SnowflakeServer, landing: LandingStore) -> None:
    first = landing.put_manifest(fetched(account(server), landing)).sha256
    bill(server, reversed(LINES))
    assert landing.put_manifest(fetched(account(server), landing)).sha256 == first


def with_secrets(account: Account, **secrets: str) -> Account:
    sealed = {name: SecretStr(value) for name, value in secrets.items()}
    return replace(account, open_secrets=lambda: sealed)


def test_check_says_who_we_are(server: SnowflakeServer) -> None:
    identity = SNOWFLAKE.check(account(server))
    assert identity.summary == "ASTRAEUS as ASTRAEUS in AA11111"
    assert identity.details["region"] == "AWS_US_EAST_1"


def test_an_encrypted_key_opens_with_its_passphrase(server: SnowflakeServer) -> None:
    mine = account(server, user="locked_key")
    locked = with_secrets(mine, private_key=LOCKED_KEY, private_key_passphrase=PASSPHRASE)
    assert "AA11111" in SNOWFLAKE.check(locked).summary


@pytest.mark.parametrize("gap", ["", " ", "\\n", "\r\n"], ids=["none", "blank", "escaped", "crlf"])
def test_a_key_pasted_in_one_line_is_a_key(server: SnowflakeServer, gap: str) -> None:
    pasted = with_secrets(account(server), private_key=gap.join(PRIVATE_KEY.split("\n")))
    assert "AA11111" in SNOWFLAKE.check(pasted).summary


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        ({}, "no private key"),
        ({"private_key": "canary, no key at all"}, "cannot be read .without a passphrase"),
        ({"private_key": LOCKED_KEY}, "cannot be read .without a passphrase"),
        ({"private_key": LOCKED_KEY, "private_key_passphrase": "wrong"}, "with a passphrase"),
    ],
    ids=["none", "no-key", "passphrase-missing", "passphrase-wrong"],
)
def test_a_key_that_does_not_open_is_named_and_not_shown(
    server: SnowflakeServer, secrets: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        SNOWFLAKE.check(with_secrets(account(server), **secrets))
    assert caught.value.__cause__ is None
    assert "canary" not in str(caught.value) and "BEGIN ENCRYPTED" not in str(caught.value)


@covers("snowflake", table.Fault.BAD_CREDENTIALS)
@pytest.mark.parametrize(
    ("key", "user", "says"),
    [(STRANGE_KEY, "astraeus", "JWT token is invalid"), (None, "disabled", "access disabled")],
    ids=["unknown-key", "disabled-user"],
)
def test_wrong_credentials_are_told_without_them(
    server: SnowflakeServer, landing: LandingStore, key: str | None, user: str, says: str
) -> None:
    mine = account(server, user=user)
    mine = with_secrets(mine, private_key=key) if key else mine
    with pytest.raises(AuthError, match=says) as caught:
        fetched(mine, landing)
    assert "acme-snow" in str(caught.value) and "PRIVATE KEY" not in str(caught.value)
    assert server.requests.count(QUERY) == 0


def _lose_a_row(answer: dict[str, Any]) -> None:
    answer["data"]["total"] += 1


def _say_nothing(answer: dict[str, Any]) -> None:
    answer["data"] |= {"rowsetBase64": "", "total": 0}


@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        case(
            "snowflake",
            table.Fault.CLOCK_SKEW,
            Faults(login=[Fault(clock=-3600)]),
            AuthError,
            "this machine's clock",
        ),
        case(
            "snowflake",
            table.Fault.EXPIRED_TOKEN,
            Faults(query=[Fault(code="390114", message="Authentication token has expired.")]),
            TransientError,
            "session ended .390114.*new log-in",
            name="master",
        ),
        case(
            "snowflake",
            table.Fault.EXPIRED_TOKEN,
            Faults(query=[Fault(code="390195", message="The login token has been revoked.")]),
            TransientError,
            "session ended .390195",
            name="revoked",
        ),
        case(
            "snowflake",
            table.Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Faults(query=[Fault(status=429)]),
            TransientError,
            "429",
        ),
        case(
            "snowflake",
            table.Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Faults(login=[Fault(status=429)]),
            TransientError,
            "429",
            name="login",
        ),
        case(
            "snowflake",
            table.Fault.SERVER_ERROR,
            Faults(query=[Fault(status=503)]),
            TransientError,
            "503",
        ),
        case(
            "snowflake",
            table.Fault.SERVER_ERROR,
            Faults(login=[Fault(status=500)]),
            TransientError,
            "500",
            name="login",
        ),
        case(
            "snowflake",
            table.Fault.TIME_OUT,
            Faults(query=[Fault(hang=2.5)]),
            TransientError,
            "timed out",
        ),
        case(
            "snowflake",
            table.Fault.CUT_IN_MID_PAGE,
            Faults(query=[Fault(), Fault(cut=True)]),
            TransientError,
            "end of file",
        ),
        case(
            "snowflake",
            table.Fault.CUT_IN_MID_PAGE,
            Faults(login=[Fault(cut=True)]),
            TransientError,
            "end of file",
            name="login",
        ),
        case(
            "snowflake",
            table.Fault.TRUNCATED_PAYLOAD,
            Faults(query=[Fault(), Fault(half=True)]),
            TransientError,
            "EOF while parsing",
        ),
        case(
            "snowflake",
            table.Fault.TRUNCATED_PAYLOAD,
            Faults(query=[Fault(), Fault(bend=_lose_a_row)]),
            TransientError,
            "8 rows were announced and 7 came",
            name="rows",
        ),
    ],
)
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    server: SnowflakeServer,
    landing: LandingStore,
    faults: Faults,
    error: type[ProviderError],
    says: str,
) -> None:
    server.faults = faults
    with pytest.raises(error, match=says) as caught:
        fetched(account(server), landing)
    assert "acme-snow" in str(caught.value)


@covers("snowflake", table.Fault.EXPIRED_TOKEN)
def test_an_expired_session_is_renewed_by_itself(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    server.faults = Faults(query=[Fault(code="390112", message="Your session has expired.")])
    assert len(rows(fetched(account(server), landing), landing)) == 7
    assert "/session/token-request" in server.requests


@covers("snowflake", table.Fault.THROTTLED_WITH_RETRY_AFTER)
def test_a_throttled_statement_waits_as_long_as_it_is_told(
    server: SnowflakeServer, landing: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The connector's own pause, without the hint, would be longer than the statement may take.
    patient = replace(client.LIMITS, attempts=2, backoff_ms=15_000, query_seconds=10)
    monkeypatch.setattr(client, "LIMITS", patient)
    server.faults = Faults(query=[Fault(status=429, headers={"Retry-After": "1"})])
    assert len(rows(fetched(account(server), landing), landing)) == 7
    assert server.requests.count(QUERY) == 3


@covers("snowflake", table.Fault.EMPTY)
def test_an_empty_bill_is_a_delivery_without_rows(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    bill(server, [])
    delivery = fetched(account(server), landing)
    assert rows(delivery, landing) == []
    assert delivery.controls == () and delivery.expected_rows == 0


def test_an_answer_that_lost_all_its_rows_shows_against_the_count(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    server.faults = Faults(query=[Fault(), Fault(bend=_say_nothing)])
    delivery = fetched(account(server), landing)
    assert rows(delivery, landing) == [] and delivery.expected_rows == 7


@covers("snowflake", table.Fault.UNKNOWN_COLUMN)
def test_a_column_that_nobody_knows_changes_nothing(landing: LandingStore) -> None:
    view = "snowflake.organization_usage.usage_in_currency_daily"
    with emulated() as fresh:
        bill(fresh, LINES)
        before = rows(fetched(account(fresh), landing), landing)
        fresh.execute(ORGANIZATION, f"alter table {view} add column carbon_kg number(38, 3)")
        assert rows(fetched(account(fresh), landing), landing) == before
        # A column that is gone is another matter: an old version of the view lacks this one.
        fresh.execute(ORGANIZATION, f"alter table {view} drop column billing_type")
        with pytest.raises(PayloadError, match="invalid identifier 'BILLING_TYPE'"):
            fetched(account(fresh), landing)


def test_a_view_that_may_not_be_seen_names_the_grant(
    server: SnowflakeServer, landing: LandingStore
) -> None:
    with pytest.raises(
        PermanentError, match=r"grant database role snowflake\.organization_billing"
    ):
        fetched(account(server, RESELLER), landing)


def test_statements_about_a_range_with_no_end_are_never_sent(server: SnowflakeServer) -> None:
    window = SNOWFLAKE.restatement_window(date(2026, 11, 4))
    assert (window.first, window.last) == (date(2026, 10, 1), date(2026, 11, 4))
    assert SNOWFLAKE.restatement_window(date(2026, 11, 12)).first == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"account": "https://acme"}, "account"),
        ({"costs_from": "guess"}, "costs_from"),
        ({"credit_price": "-3"}, "credit_price"),
        ({"password": "x"}, "password"),
    ],
    ids=["account", "source", "price", "password"],
)
def test_a_wrong_configuration_is_named(
    server: SnowflakeServer, config: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        SNOWFLAKE.check(account(server, **config))

"""From an AWS organization to accounts, partitions and bills that never count money twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from astraeus_pipeline.accounts import discovered, store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.accounts.store import Actor, NewAccount
from astraeus_pipeline.cli import app
from astraeus_pipeline.contracts.account import Account, Discovered
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import sensors
from astraeus_pipeline.orchestration.code_location import build_definitions
from astraeus_pipeline.orchestration.discovering import discover
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer, Line
from astraeus_pipeline.sandbox.estate import DATA, PROD, STAGING
from astraeus_pipeline.sandbox.moto_clients import ROLE_NAME, role_arn
from astraeus_pipeline.sandbox.organization import PAYER, SANDBOX, seed
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws import TODAY, bare_moto, rows
from tests.fixtures.estate import add_account, installed

pytestmark = pytest.mark.integration
DANA = Actor("dana")
MEMBERS = (PROD, STAGING, DATA, SANDBOX)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with bare_moto() as endpoint:
        seed(endpoint)
        yield endpoint


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Iterator[Settings]:
    with installed(database, tmp_path) as found:
        yield found


@pytest.fixture
def conn(database: Database, settings: Settings) -> Iterator[psycopg.Connection]:
    del settings
    with database.connect("app", autocommit=True) as connection:
        yield connection


def payer(moto: str, slug: str = PAYER.slug, **config: Any) -> NewAccount:
    values = {
        "discover": True,
        "member_role_name": ROLE_NAME,
        "endpoint_url": moto,
        "role_arn": role_arn(PAYER),
        **config,
    }
    keys = {"access_key_id": SecretStr("id"), "secret_access_key": SecretStr("canary")}
    return NewAccount(slug, "aws", PAYER.name, values, keys)


def own(moto: str) -> NewAccount:
    """An account that a person added before anybody looked."""
    config = {"linked_account_id": PROD.number, "endpoint_url": moto}
    return NewAccount(PROD.slug, "aws", PROD.name, config, {})


def test_members_are_added_once_and_what_people_did_stands(
    moto: str, database: Database, settings: Settings, conn: psycopg.Connection
) -> None:
    add_account(database, settings, payer(moto))
    add_account(database, settings, own(moto))
    ring = KeyRing.from_settings(settings)

    def look(**more: Any) -> dict[str, str]:
        done = discover(conn, ring, DANA, **more)
        assert not done.errors
        return {each.external_id: each.outcome for each in done.findings}

    expected = {each.number: "added" for each in MEMBERS} | {PROD.number: "taken"}
    assert look(dry_run=True) == expected
    assert len(store.list_accounts(conn)) == 2
    assert look() == expected
    by_id = {row.name: row for row in store.list_accounts(conn)}
    assert by_id[SANDBOX.name].parent == PAYER.slug
    member = store.get_account(conn, by_id[SANDBOX.name].slug, ring)
    assert AWS.check(member).details["account"] == SANDBOX.number

    store.update_config(conn, by_id[SANDBOX.name].slug, {"datasets": ["costs"]}, DANA)
    store.set_state(conn, by_id[STAGING.name].slug, "removed", DANA)
    store.set_state(conn, by_id[DATA.name].slug, "paused", DANA)
    before = store.list_accounts(conn, with_removed=True)
    assert look() == {
        PROD.number: "taken",
        STAGING.number: "removed",
        DATA.number: "known",
        SANDBOX.number: "known",
    }
    assert store.list_accounts(conn, with_removed=True) == before


def test_a_closed_member_is_paused_and_comes_back_with_its_reason_audited(
    database: Database, settings: Settings, conn: psycopg.Connection
) -> None:
    add_account(database, settings, NewAccount("payer", "aws", "Payer", {}, {}))
    parent = Account("payer", "aws", "Payer")
    for state in ("active", "SUSPENDED", "SUSPENDED", "active"):
        found = [Discovered("shop-1", "Shop", "111111111111", {}, state)]
        discovered.reconcile(conn, parent, found, DANA)
    lines = conn.execute(
        "select action, detail ->> 'reason' from app.audit_log where subject = 'shop-1' order by id"
    ).fetchall()
    assert lines == [
        ("account.discover", None),
        ("account.paused", "SUSPENDED"),
        ("account.resumed", None),
    ]
    assert discovered.reconcile(conn, parent, [], DANA) == []  # an empty answer closes nothing
    assert [row.state for row in store.list_accounts(conn)] == ["active", "active"]


def test_one_parent_that_fails_stops_no_other_and_fails_the_job(
    moto: str, database: Database, settings: Settings, conn: psycopg.Connection
) -> None:
    add_account(database, settings, payer("http://127.0.0.1:9", "a-broken-payer"))
    add_account(database, settings, payer(moto))
    job = build_definitions().resolve_job_def("discover_accounts")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        [failure] = [e for e in result.all_node_events if e.is_step_failure]
        assert "a-broken-payer" in str(failure.event_specific_data)
        # The accounts sensor's own step then adds the partitions.
        sensors.sync_accounts(instance, PROVIDERS, sensors.active_accounts(conn))
        assert f"acme-sandbox-{SANDBOX.number}" in instance.get_dynamic_partitions("aws_accounts")
    assert len(store.list_accounts(conn)) == 2 + len(MEMBERS)


def test_the_command_says_what_it_found(moto: str, database: Database, settings: Settings) -> None:
    add_account(database, settings, payer(moto))
    dry = CliRunner().invoke(app, ["account", "discover", PAYER.slug, "--dry-run", "--json"])
    assert dry.exit_code == 0, dry.output
    assert {each["result"] for each in json.loads(dry.output)} == {"added"}
    done = CliRunner().invoke(app, ["account", "discover"])
    assert done.exit_code == 0 and SANDBOX.number in done.output
    listed = CliRunner().invoke(app, ["account", "list", "--json"])
    borrowed = [each["credentials"] for each in json.loads(listed.output)]
    assert borrowed.count(f"account:{PAYER.slug}") == len(MEMBERS)
    assert "canary" not in dry.output + done.output + listed.output


def _line(day: date, linked: str, cost: str) -> Line:
    amount = Decimal(cost)
    return Line(
        day, linked, "Usage", "us-east-1", "Amazon S3", "Requests", amount, amount, amount, amount
    )


def test_payer_and_members_together_bring_every_dollar_once(
    moto: str,
    database: Database,
    settings: Settings,
    conn: psycopg.Connection,
    tmp_path: Path,
) -> None:
    day = TODAY - timedelta(days=2)
    bill = [_line(day, owner.number, f"{number}.25") for number, owner in enumerate(MEMBERS, 1)]
    ring, landing = KeyRing.from_settings(settings), LandingStore(str(tmp_path / "landing"))
    with CostExplorerServer(lambda first, end: bill, lambda _: False) as explorer:
        add_account(database, settings, payer(moto, cost_explorer_endpoint_url=explorer.url))
        discover(conn, ring, DANA)
        accounts = [store.get_account(conn, row.slug, ring) for row in store.list_accounts(conn)]
        assert len(accounts) == 1 + len(MEMBERS)
        loaded = [
            (account.slug, row["linked_account_id"], row["net_unblended_cost"])
            for account in accounts
            if "costs" in AWS.datasets(account)
            for fetched in AWS.fetch(account, "costs", DayRange(day, day), landing)
            for row in rows(fetched, landing)
        ]
    assert sum(cost for _, _, cost in loaded) == sum(each.net_unblended for each in bill)
    assert {slug for slug, _, _ in loaded} == {PAYER.slug}
    assert {linked for _, linked, _ in loaded} == {each.number for each in MEMBERS}

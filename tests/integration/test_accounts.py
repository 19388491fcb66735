"""Accounts on a real PostgreSQL: added, opened, paused, removed, rotated, audited."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing, new_key
from astraeus_pipeline.accounts.store import Actor, NewAccount
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse.engine import Database

pytestmark = pytest.mark.integration
DANA = Actor("dana")
RING = KeyRing.parse(new_key())


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=True) as connection:
        yield connection


def new(slug: str = "acme", **more: object) -> NewAccount:
    values = {"name": "Acme", "config": {"url": "bills"}, "credentials": {}, **more}
    return NewAccount(slug=slug, provider="focus", **values)


def test_credentials_are_opened_on_request_only(conn: psycopg.Connection) -> None:
    store.add_account(conn, new(credentials={"key": SecretStr("canary-1")}), RING, DANA)
    account = store.get_account(conn, "acme", RING)
    assert "canary-1" not in repr(account)
    assert account.open_secrets()["key"].get_secret_value() == "canary-1"


def test_a_taken_slug_is_refused_and_a_removed_one_comes_back(conn: psycopg.Connection) -> None:
    store.add_account(conn, new(), RING, DANA)
    with pytest.raises(ConfigError, match="already an account"):
        store.add_account(conn, new(), RING, DANA)
    store.set_state(conn, "acme", "removed", DANA)
    assert store.list_accounts(conn) == []
    store.add_account(conn, new(name="Acme again"), RING, DANA)
    assert [row.name for row in store.list_accounts(conn)] == ["Acme again"]


@pytest.mark.parametrize("slug", ["", "Acme", "a b", "-a", "x" * 64, "a|b", "a'--"])
def test_a_malformed_slug_is_refused(conn: psycopg.Connection, slug: str) -> None:
    with pytest.raises(ConfigError, match="cannot be"):
        store.add_account(conn, new(slug), RING, DANA)


def test_an_unknown_account_names_the_known_ones(conn: psycopg.Connection) -> None:
    store.add_account(conn, new(), RING, DANA)
    with pytest.raises(ConfigError, match="Known accounts: acme"):
        store.get_account(conn, "acmee", RING)


def test_references_stand_in_for_secrets(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_account(conn, new("by-env", credential_ref="env:ACME_KEYS"), RING, DANA)
    store.add_account(conn, new("by-role", credential_ref="role:arn:aws:iam::1:role/x"), RING, DANA)
    account = store.get_account(conn, "by-env", RING)
    with pytest.raises(ConfigError, match="ACME_KEYS, which is not set"):
        account.open_secrets()
    monkeypatch.setenv("ACME_KEYS", '{"key": "canary-2"}')
    assert account.open_secrets()["key"].get_secret_value() == "canary-2"
    assert store.get_account(conn, "by-role", RING).config["role_arn"] == "arn:aws:iam::1:role/x"
    monkeypatch.setenv("ACME_KEYS", "canary-bare")
    with pytest.raises(ConfigError, match="no JSON object") as caught:
        account.open_secrets()
    assert "canary" not in str(caught.value)
    store.add_account(conn, new("single", credential_ref="env:key=ACME_KEYS"), RING, DANA)
    single = store.get_account(conn, "single", RING).open_secrets()
    assert single["key"].get_secret_value() == "canary-bare"
    with pytest.raises(ConfigError, match="not understood"):
        store.add_account(conn, new("bad", credential_ref="vault"), RING, DANA)


def test_rotation_rewraps_what_older_keys_sealed(conn: psycopg.Connection) -> None:
    store.add_account(conn, new(credentials={"key": SecretStr("canary-3")}), RING, DANA)
    wider = KeyRing((KeyRing.parse(new_key()).keys[0], *RING.keys))
    assert store.rewrap_all(conn, wider, DANA) == 1
    assert store.rewrap_all(conn, wider, DANA) == 0
    newest = KeyRing(wider.keys[:1])
    assert store.get_account(conn, "acme", newest).open_secrets()["key"] == SecretStr("canary-3")


def test_every_change_is_audited_and_no_secret_with_it(conn: psycopg.Connection) -> None:
    store.add_account(conn, new(credentials={"key": SecretStr("canary-4")}), RING, DANA)
    store.replace_credentials(conn, "acme", {"key": SecretStr("canary-5")}, RING, DANA)
    store.set_state(conn, "acme", "paused", DANA)
    lines = conn.execute("select actor, action, subject from app.audit_log order by id").fetchall()
    assert lines == [
        ("dana", "account.add", "acme"),
        ("dana", "account.rotate_secret", "acme"),
        ("dana", "account.paused", "acme"),
    ]
    text = conn.execute("select string_agg(l::text, ' ') from app.audit_log l").fetchone()
    assert text is not None and "canary" not in text[0]


@pytest.mark.parametrize("role", ["dbt", "loader", "reader", "operator"])
def test_no_other_role_reads_sealed_credentials(database: Database, role: str) -> None:
    with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("select sealed_credentials from app.accounts")


def test_a_found_account_uses_the_credentials_of_its_parent(conn: psycopg.Connection) -> None:
    store.add_account(conn, new("payer", credentials={"key": SecretStr("canary-2")}), RING, DANA)
    store.add_account(conn, new("member", credential_ref="account:payer"), RING, DANA)
    member = store.get_account(conn, "member", RING)
    assert member.open_secrets()["key"].get_secret_value() == "canary-2"
    assert member.parent is not None and member.parent.slug == "payer"
    store.add_account(conn, new("orphan", credential_ref="account:stranger"), RING, DANA)
    store.add_account(conn, new("itself", credential_ref="account:itself"), RING, DANA)
    for slug, says in (("orphan", "which is gone"), ("itself", "borrows them itself")):
        with pytest.raises(ConfigError, match=says):
            store.get_account(conn, slug, RING).open_secrets()


def test_members_of_a_removed_account_are_paused_with_the_reason(conn: psycopg.Connection) -> None:
    store.add_account(conn, new("payer", credentials={"key": SecretStr("canary-2")}), RING, DANA)
    store.add_account(conn, new("member", credential_ref="account:payer"), RING, DANA)
    store.set_state(conn, "payer", "removed", DANA)
    [member] = store.list_accounts(conn)
    assert (member.state, member.state_reason) == (
        "paused",
        "payer, whose credentials it uses, was removed",
    )

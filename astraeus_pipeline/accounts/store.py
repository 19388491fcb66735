"""app.accounts: added, listed, opened, paused; every change is audited."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from astraeus_pipeline.accounts.sealing import KeyRing, Owner
from astraeus_pipeline.contracts.account import Account, Secrets
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import secret

State = Literal["active", "paused", "removed"]
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Actor:
    """Who changes an account, for the audit log."""

    name: str


@dataclass(frozen=True)
class NewAccount:
    """What an account is made of; either `credentials`, or a `credential_ref`, or neither."""

    slug: str
    provider: str
    name: str
    config: Mapping[str, Any]
    credentials: Mapping[str, SecretStr]
    credential_ref: str | None = None


@dataclass(frozen=True)
class AccountRow:
    """An account without its secrets."""

    slug: str
    provider: str
    name: str
    config: Mapping[str, Any]
    state: State
    has_credentials: bool
    credential_ref: str | None
    created_at: datetime
    parent: str | None
    state_reason: str | None


def add_account(conn: psycopg.Connection, new: NewAccount, ring: KeyRing, actor: Actor) -> None:
    """Add an account, or bring back a removed one of the same provider.

    Raises: ConfigError for a slug that is malformed or taken, or two kinds of credentials.
    """
    _check(new)
    sealed = None
    if new.credentials:
        sealed = ring.seal(new.credentials, Owner(new.slug, new.provider))
    with conn.transaction():
        done = conn.execute(
            "insert into app.accounts (slug, provider, name, config, sealed_credentials,"
            " credential_ref) values (%s, %s, %s, %s, %s, %s)"
            " on conflict (slug) do update set name = excluded.name, config = excluded.config,"
            " sealed_credentials = excluded.sealed_credentials,"
            " credential_ref = excluded.credential_ref, state = 'active',"
            " updated_at = clock_timestamp()"
            " where accounts.state = 'removed' and accounts.provider = excluded.provider",
            [new.slug, new.provider, new.name, Jsonb(dict(new.config)), sealed, new.credential_ref],
        )
        if done.rowcount == 0:
            raise ConfigError(
                f"There is already an account {new.slug!r}.",
                hint="Choose another slug, or see `astraeus account list`.",
            )
        _audit(conn, actor, "account.add", new.slug, {"provider": new.provider})


def list_accounts(conn: psycopg.Connection, *, with_removed: bool = False) -> list[AccountRow]:
    """Return the accounts in order of provider and slug."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "select slug, provider, name, config, state, sealed_credentials is not null as"
        " has_credentials, credential_ref, created_at, parent, state_reason from app.accounts"
        " where state <> 'removed' or %s order by provider, slug",
        [with_removed],
    )
    return [AccountRow(**row) for row in cursor]


def get_account(conn: psycopg.Connection, slug: str, ring: KeyRing) -> Account:
    """Return an account; its secrets are opened only when the provider asks for them.

    One that was found below another carries that one as `parent`. Where the parent is gone, opening
    the secrets says so: an orphan keeps no other account from being listed.
    Raises: ConfigError if there is none, or it was removed.
    """
    row = conn.execute(
        "select provider, name, config, sealed_credentials, credential_ref from app.accounts"
        " where slug = %s and state <> 'removed'",
        [slug],
    ).fetchone()
    if row is None:
        raise _unknown(conn, slug)
    provider, name, config, sealed, reference = row
    # Read now, since the connection is gone by the time that a client asks for the secret.
    parent = _parent(conn, slug, reference, ring)

    def open_secrets() -> Secrets:
        if sealed is not None:
            return ring.open(bytes(sealed), Owner(slug, provider))
        if isinstance(parent, ConfigError):
            raise parent
        if parent is not None:
            return parent.open_secrets()
        return _resolve(reference, slug) if reference else {}

    return Account(
        slug,
        provider,
        name,
        _with_reference(config, reference),
        open_secrets,
        parent if isinstance(parent, Account) else None,
    )


def _parent(
    conn: psycopg.Connection, slug: str, reference: str | None, ring: KeyRing
) -> Account | ConfigError | None:
    """Return the account whose credentials are used, None for one's own, or why it cannot be."""
    kind, _, target = (reference or "").partition(":")
    if kind != "account":
        return None
    found = conn.execute(
        "select credential_ref like 'account:%%' from app.accounts"
        " where slug = %s and state <> 'removed'",
        [target],
    ).fetchone()
    if found is None:
        return ConfigError(
            f"Account {slug} takes its credentials from the account {target!r}, which is gone.",
            hint=f"Enter its own: `astraeus account rotate-secret {slug}`, or remove it.",
        )
    if found[0]:
        return ConfigError(
            f"Account {slug} takes its credentials from {target!r}, which borrows them itself.",
            hint="Refer to the account that has them.",
        )
    return get_account(conn, target, ring)


def preview_account(new: NewAccount) -> Account:
    """Return the account as providers would see it, to try it before it is added.

    Raises: ConfigError as `add_account` does.
    """
    _check(new)
    reference = new.credential_ref

    def open_secrets() -> Secrets:
        return _resolve(reference, new.slug) if reference else new.credentials

    config = _with_reference(new.config, reference)
    return Account(new.slug, new.provider, new.name, config, open_secrets)


def set_state(conn: psycopg.Connection, slug: str, state: State, actor: Actor) -> None:
    """Pause, resume or remove an account. Its data stays; removing forgets its credentials.

    Raises: ConfigError if there is none.
    """
    with conn.transaction():
        done = conn.execute(
            "update app.accounts set state = %(state)s, updated_at = clock_timestamp(),"
            " sealed_credentials = case when %(state)s = 'removed' then null"
            " else sealed_credentials end,"
            # What a person resumes stays noted as seen, so that discovery does not pause it again.
            " state_reason = case when %(state)s = 'active' then state_reason end"
            " where slug = %(slug)s and state <> 'removed'",
            {"state": state, "slug": slug},
        )
        if done.rowcount == 0:
            raise _unknown(conn, slug)
        _audit(conn, actor, f"account.{state}", slug, {})
        if state == "removed":
            _pause_members(conn, slug, actor)


def _pause_members(conn: psycopg.Connection, parent: str, actor: Actor) -> None:
    """Pause what was found below a removed account: its credentials were theirs."""
    reason = f"{parent}, whose credentials it uses, was removed"
    paused = conn.execute(
        "update app.accounts set state = 'paused', state_reason = %s,"
        " updated_at = clock_timestamp() where state = 'active' and credential_ref = %s"
        " returning slug",
        [reason, f"account:{parent}"],
    ).fetchall()
    for (slug,) in paused:
        _audit(conn, actor, "account.paused", slug, {"reason": reason})


def update_config(
    conn: psycopg.Connection, slug: str, config: Mapping[str, Any], actor: Actor
) -> None:
    """Replace an account's configuration; its credentials stay.

    Raises: ConfigError if there is none.
    """
    with conn.transaction():
        done = conn.execute(
            "update app.accounts set config = %s, updated_at = clock_timestamp()"
            " where slug = %s and state <> 'removed'",
            [Jsonb(dict(config)), slug],
        )
        if done.rowcount == 0:
            raise _unknown(conn, slug)
        _audit(conn, actor, "account.configure", slug, dict(config))


def replace_credentials(
    conn: psycopg.Connection,
    slug: str,
    credentials: Mapping[str, SecretStr],
    ring: KeyRing,
    actor: Actor,
) -> None:
    """Seal new credentials in place of the old ones or of a reference.

    Raises: ConfigError if there is no such account.
    """
    account = get_account(conn, slug, ring)
    sealed = ring.seal(credentials, Owner(slug, account.provider))
    with conn.transaction():
        conn.execute(
            "update app.accounts set sealed_credentials = %s, credential_ref = null,"
            " updated_at = clock_timestamp() where slug = %s",
            [sealed, slug],
        )
        _audit(conn, actor, "account.rotate_secret", slug, {})


def rewrap_all(conn: psycopg.Connection, ring: KeyRing, actor: Actor) -> int:
    """Wrap every account's data key with the newest master key; return how many were changed."""
    changed = 0
    with conn.transaction():
        rows = conn.execute(
            "select slug, provider, sealed_credentials from app.accounts"
            " where sealed_credentials is not null for update"
        ).fetchall()
        for slug, provider, sealed in rows:
            owner = Owner(slug, provider)
            if not ring.is_newest(bytes(sealed), owner):
                conn.execute(
                    "update app.accounts set sealed_credentials = %s where slug = %s",
                    [ring.rewrap(bytes(sealed), owner), slug],
                )
                changed += 1
        _audit(conn, actor, "keys.rotate", "all accounts", {"rewrapped": changed})
    return changed


def audit(
    conn: psycopg.Connection, actor: Actor, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    """Write a line of the audit log in a transaction of its own."""
    with conn.transaction():
        _audit(conn, actor, action, subject, detail)


def _audit(
    conn: psycopg.Connection, actor: Actor, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    conn.execute(
        "insert into app.audit_log (actor, action, subject, detail) values (%s, %s, %s, %s)",
        [actor.name, action, subject, Jsonb(dict(detail))],
    )


def _check(new: NewAccount) -> None:
    if not _SLUG.fullmatch(new.slug):
        raise ConfigError(
            f"{new.slug!r} cannot be an account's slug.",
            hint="Use up to 63 lower case letters, digits, dots, dashes and underscores.",
        )
    if new.credentials and new.credential_ref:
        raise ConfigError(
            f"Account {new.slug} was given both a secret and a reference to one.",
            hint="Give one of them.",
        )
    if new.credential_ref is not None:
        _split_reference(new.credential_ref, new.slug)


def _split_reference(reference: str, slug: str) -> tuple[str, str]:
    kind, separator, target = reference.partition(":")
    if not separator or not target or kind not in ("env", "aws-profile", "role", "account"):
        raise ConfigError(
            f"Account {slug} has the credential reference {reference!r}, which is not understood.",
            hint="Write env:NAME, env:field=NAME, aws-profile:NAME, role:ARN or account:SLUG.",
        )
    return kind, target


def _with_reference(config: Mapping[str, Any], reference: str | None) -> Mapping[str, Any]:
    """Let the provider see which profile or role stands in for a secret."""
    kind, _, target = (reference or "").partition(":")
    names = {"aws-profile": "profile", "role": "role_arn"}
    return {**config, names[kind]: target} if kind in names else config


def _resolve(reference: str, slug: str) -> Secrets:
    """Read an `env:` reference from the environment, or from files beside it.

    `env:NAME` holds a JSON object of credential fields; `env:field=NAME,...` takes each field
    from a variable of its own.
    Raises: ConfigError naming the variable, never its content.
    """
    kind, target = _split_reference(reference, slug)
    if kind != "env":
        return {}
    if "=" in target:
        pairs = [pair.partition("=") for pair in target.split(",")]
        return {
            name.strip(): SecretStr(_variable(variable.strip(), slug))
            for name, _, variable in pairs
        }
    try:
        content = json.loads(_variable(target, slug))
    except json.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise ConfigError(
            f"The variable {target} of account {slug} holds no JSON object of credentials.",
            hint='Write {"field": "secret", ...}, or refer to single ones: env:field=NAME.',
        )
    return {name: SecretStr(str(value)) for name, value in content.items()}


def _variable(name: str, slug: str) -> str:
    text = secret(name)
    if not text:
        raise ConfigError(
            f"Account {slug} takes its credentials from the variable {name}, which is not set.",
            hint=f"Set {name}, or enter them with `astraeus account rotate-secret {slug}`.",
        )
    return text


def _unknown(conn: psycopg.Connection, slug: str) -> ConfigError:
    known = [row.slug for row in list_accounts(conn)]
    return ConfigError(
        f"There is no account {slug!r}.",
        hint=f"Known accounts: {', '.join(known)}."
        if known
        else "Add one: `astraeus account add`.",
    )

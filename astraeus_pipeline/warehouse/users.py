"""app.users and app.user_scopes: who may sign in, as what, to see what. Connect as app.

A change of role, scope, password or state ends the person's sessions: what they may do is as old
as their last sign-in, and never older.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from astraeus_pipeline.contracts.people import GRANT_KINDS, ROLES, Grant, Role
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class User:
    """A person without their secrets; no `grants`: sees everything."""

    id: UUID
    email: str
    name: str
    role: Role
    grants: tuple[Grant, ...]
    is_active: bool
    has_password: bool
    issuer: str | None
    created_at: datetime
    last_seen_at: datetime | None


def add(
    conn: psycopg.Connection,
    email: str,
    name: str,
    role: Role,
    grants: Sequence[Grant] = (),
    *,
    actor: str,
) -> User:
    """Add a person, who has no way to sign in yet: give a link, or let an issuer name the email.

    Raises: ConfigError for what is no email address or role, or an address that is there already.
    """
    address = normal(email)
    _check(role, grants)
    with conn.transaction():
        row = conn.execute(
            "insert into app.users (email, name, role, created_by) values (%s, %s, %s, %s)"
            " on conflict (email) do nothing returning id",
            [address, name.strip() or address, role, actor],
        ).fetchone()
        if row is None:
            raise ConfigError(
                f"There is a user {address} already.", hint="`astraeus user list` shows them."
            )
        _write_grants(conn, row[0], grants)
        audit.note(conn, actor, "user.added", address, role=role, scope=_spelt(grants))
    return by_email(conn, address)


def users(conn: psycopg.Connection) -> list[User]:
    """Return all, by email."""
    return _read(conn, "true", {})


def by_email(conn: psycopg.Connection, email: str) -> User:
    """Return one person.

    Raises: ConfigError if there is none with this address.
    """
    found = _read(conn, "users.email = %(email)s", {"email": email.strip().lower()})
    if not found:
        raise ConfigError(
            f"There is no user {email}.", hint="`astraeus user list` shows who there is."
        )
    return found[0]


def set_role(conn: psycopg.Connection, email: str, role: Role, *, actor: str) -> None:
    """Give a person another role.

    Raises: ConfigError for an unknown role or person, or if no administrator would be left.
    """
    _check(role, ())
    with conn.transaction():
        user = by_email(conn, email)
        conn.execute("update app.users set role = %s where id = %s", [role, user.id])
        _keep_an_admin(conn)
        end_sessions(conn, user, actor=actor, reason="role changed")
        audit.note(conn, actor, "user.role", user.email, old=user.role, new=role)


def set_grants(
    conn: psycopg.Connection, email: str, grants: Sequence[Grant], *, actor: str
) -> None:
    """Replace what a person may see; nothing given: everything.

    Raises: ConfigError for an unknown person or kind of grant.
    """
    _check("viewer", grants)
    with conn.transaction():
        user = by_email(conn, email)
        conn.execute("delete from app.user_scopes where user_id = %s", [user.id])
        _write_grants(conn, user.id, grants)
        end_sessions(conn, user, actor=actor, reason="scope changed")
        audit.note(
            conn, actor, "user.scope", user.email, old=_spelt(user.grants), new=_spelt(grants)
        )


def set_active(conn: psycopg.Connection, email: str, active: bool, *, actor: str) -> None:
    """Let a person sign in, or no more.

    Raises: ConfigError for an unknown person, or if no administrator would be left.
    """
    with conn.transaction():
        user = by_email(conn, email)
        conn.execute("update app.users set is_active = %s where id = %s", [active, user.id])
        if not active:
            _keep_an_admin(conn)
            conn.execute("delete from app.sign_in_links where user_id = %s", [user.id])
            end_sessions(conn, user, actor=actor, reason="deactivated")
        audit.note(conn, actor, f"user.{'activated' if active else 'deactivated'}", user.email)


def set_password_hash(
    conn: psycopg.Connection, email: str, password_hash: str, *, actor: str
) -> None:
    """Keep the argon2id hash of a new password.

    Raises: ConfigError for an unknown person.
    """
    with conn.transaction():
        user = by_email(conn, email)
        conn.execute(
            "update app.users set password_hash = %s where id = %s", [password_hash, user.id]
        )
        end_sessions(conn, user, actor=actor, reason="password changed")
        audit.note(conn, actor, "user.password", user.email)


def end_sessions(conn: psycopg.Connection, user: User, *, actor: str, reason: str) -> int:
    """Revoke a person's sessions in the caller's transaction; return how many lived."""
    done = conn.execute(
        "update app.sessions set revoked_at = clock_timestamp()"
        " where user_id = %s and revoked_at is null and expires_at > clock_timestamp()",
        [user.id],
    )
    if done.rowcount:
        audit.note(
            conn, actor, "session.revoked", user.email, sessions=done.rowcount, reason=reason
        )
    return done.rowcount


def normal(email: str) -> str:
    """Return an email address as it is kept.

    Raises: ConfigError for what is none.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise ConfigError(f"{email!r} is no email address.", hint="Write it as name@example.org.")
    return address


def _check(role: str, grants: Sequence[Grant]) -> None:
    if role not in ROLES:
        raise ConfigError(f"There is no role {role!r}.", hint=f"Choose of {', '.join(ROLES)}.")
    for grant in grants:
        if grant.kind not in GRANT_KINDS or not grant.value:
            raise ConfigError(
                f"{str(grant)!r} is nothing to be scoped to.",
                hint="Write provider:aws, account:NAME or team:NAME.",
            )


def _keep_an_admin(conn: psycopg.Connection) -> None:
    # One at a time, or two administrators could take the role from each other at once.
    conn.execute("lock table app.users in share row exclusive mode")
    left = conn.execute(
        "select exists (select from app.users where role = 'admin' and is_active)"
    ).fetchone()
    if left is None or not left[0]:
        raise ConfigError(
            "That would leave no administrator.", hint="Make another person one before."
        )


def _write_grants(conn: psycopg.Connection, user_id: UUID, grants: Sequence[Grant]) -> None:
    for grant in sorted(set(grants)):
        conn.execute(
            "insert into app.user_scopes (user_id, kind, value) values (%s, %s, %s)",
            [user_id, grant.kind, grant.value],
        )


def _read(conn: psycopg.Connection, condition: str, parameters: dict[str, Any]) -> list[User]:
    query = (
        "select users.id, users.email, users.name, users.role, users.is_active,"  # noqa: S608 - a condition of this module
        " users.password_hash is not null as has_password, users.issuer, users.created_at,"
        " (select max(last_seen_at) from app.sessions where user_id = users.id) as last_seen_at,"
        " (select array_agg(array[kind, value] order by kind, value) from app.user_scopes"
        " where user_id = users.id) as grants"
        f" from app.users where {condition} order by users.email"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query.encode(), parameters).fetchall()
    return [User(**{**row, "grants": grants_of(row["grants"])}) for row in rows]


def grants_of(pairs: Sequence[Sequence[str]] | None) -> tuple[Grant, ...]:
    """Return the grants that a query returned as an array of (kind, value)."""
    return tuple(Grant(kind, value) for kind, value in pairs or ())  # type: ignore[arg-type] # the table's check


def _spelt(grants: Sequence[Grant]) -> list[str]:
    return sorted(map(str, grants))

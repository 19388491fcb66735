"""app.sessions and app.sign_in_links: who is signed in. Tokens never reach the database.

A token is 256 random bits. Cookie and link carry it, the tables its sha-256: the key, which also
tells PostgreSQL who asks (`astraeus.session`, see migrations/row_security.sql).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from astraeus_pipeline.contracts.people import Grant, Role
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit, users

Method = Literal["password", "link", "oidc"]
LINK_LIFE: Final = timedelta(hours=24)


@dataclass(frozen=True)
class Session:
    """A live session and whose it is; `key` is as good as a password to the marts."""

    key: str = field(repr=False)
    id: UUID
    user_id: UUID
    email: str
    name: str
    role: Role
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class SessionRow:
    """A session for people to look at."""

    id: UUID
    email: str
    method: Method
    address: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def new_token() -> str:
    """Return a fresh token of 256 bits."""
    return secrets.token_urlsafe(32)


def key_of(token: str) -> str:
    """Return what is kept of a token: its sha-256, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin(
    conn: psycopg.Connection,
    user_id: UUID,
    method: Method,
    *,
    address: str | None = None,
    user_agent: str | None = None,
    token: str | None = None,
) -> str:
    """Open a session in the caller's transaction and return its token, for the cookie alone."""
    made = token or new_token()
    row = conn.execute(
        "insert into app.sessions (key, user_id, method, address, user_agent)"
        " values (%s, %s, %s, %s, %s)"
        " returning (select email from app.users where id = user_id)",
        # What a browser says of itself is anything; no text of PostgreSQL holds a NUL.
        [key_of(made), user_id, method, address, _plain(user_agent)],
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    audit.note(conn, row[0], "session.begun", row[0], method=method, address=address)
    return made


def _plain(user_agent: str | None) -> str | None:
    return (user_agent or "").replace("\x00", "")[:300] or None


def live(conn: psycopg.Connection, key: str) -> Session | None:
    """Return the session of a key, None if it has ended, was revoked or never was."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select key, id, user_id, email, name, role,"
            " (select array_agg(array[kind, value] order by kind, value) from app.user_scopes"
            " where user_id = live_sessions.user_id) as grants"
            " from app.live_sessions where key = %s",
            [key],
        ).fetchone()
    return Session(**{**row, "grants": users.grants_of(row["grants"])}) if row else None


def is_revoked(conn: psycopg.Connection, key: str) -> bool:
    """Whether somebody has ended the session of a key, before it ended by itself."""
    row = conn.execute(
        "select revoked_at is not null from app.sessions where key = %s", [key]
    ).fetchone()
    return row is not None and bool(row[0])


def touch(conn: psycopg.Connection, key: str) -> None:
    """Note that the person is there, once a minute at most."""
    conn.execute(
        "update app.sessions set last_seen_at = clock_timestamp()"
        " where key = %s and last_seen_at < clock_timestamp() - interval '1 minute'",
        [key],
    )


def end(conn: psycopg.Connection, key: str) -> None:
    """Sign out: the session of this key ends now, for every copy of its cookie."""
    with conn.transaction():
        row = conn.execute(
            "update app.sessions set revoked_at = clock_timestamp()"
            " where key = %s and revoked_at is null"
            " returning (select email from app.users where id = user_id)",
            [key],
        ).fetchone()
        if row is not None:
            audit.note(conn, row[0], "session.ended", row[0])


def revoke(conn: psycopg.Connection, session_id: UUID, *, actor: str) -> None:
    """End somebody's session.

    Raises: ConfigError if there is no such session, or it has ended.
    """
    with conn.transaction():
        row = conn.execute(
            "update app.sessions set revoked_at = clock_timestamp()"
            " where id = %s and revoked_at is null"
            " returning (select email from app.users where id = user_id)",
            [session_id],
        ).fetchone()
        if row is None:
            raise ConfigError(
                f"There is no session {session_id}, or it has ended.",
                hint="`astraeus user sessions` shows those that live.",
            )
        audit.note(conn, actor, "session.revoked", row[0], session=str(session_id))


def sessions(conn: psycopg.Connection) -> list[SessionRow]:
    """Return the sessions that live, the latest seen first."""
    with conn.cursor(row_factory=class_row(SessionRow)) as cursor:
        return cursor.execute(
            "select sessions.id, live.email, sessions.method, sessions.address,"
            " sessions.user_agent, sessions.created_at, sessions.last_seen_at, sessions.expires_at"
            " from app.live_sessions as live inner join app.sessions on sessions.key = live.key"
            " order by sessions.last_seen_at desc"
        ).fetchall()


def new_link(
    conn: psycopg.Connection, email: str, *, actor: str, life: timedelta = LINK_LIFE
) -> str:
    """Make a link for one sign-in and return its token; earlier ones of the person end.

    Raises: ConfigError for a person who is unknown or not active.
    """
    token = new_token()
    with conn.transaction():
        user = users.by_email(conn, email)
        if not user.is_active:
            raise ConfigError(f"{user.email} is not active.", hint="Activate the person before.")
        conn.execute("delete from app.sign_in_links where user_id = %s", [user.id])
        conn.execute(
            "insert into app.sign_in_links (key, user_id, created_by, expires_at)"
            " values (%s, %s, %s, clock_timestamp() + %s)",
            [key_of(token), user.id, actor, life],
        )
        audit.note(conn, actor, "link.made", user.email, hours=life.total_seconds() / 3600)
    return token


def owner_of_link(conn: psycopg.Connection, token: str) -> str | None:
    """Return the email address of whose link this is, None if it does not hold."""
    row = conn.execute(
        "select users.email from app.sign_in_links as links"
        " inner join app.users on users.id = links.user_id where links.key = %s"
        " and links.used_at is null and links.expires_at > clock_timestamp() and users.is_active",
        [key_of(token)],
    ).fetchone()
    return row[0] if row else None


def use_link(conn: psycopg.Connection, token: str) -> UUID | None:
    """Use a link up in the caller's transaction; return whose it is, None if it does not hold."""
    row = conn.execute(
        "update app.sign_in_links as links set used_at = clock_timestamp() from app.users"
        " where links.key = %s and links.used_at is null and links.expires_at > clock_timestamp()"
        " and users.id = links.user_id and users.is_active returning users.id",
        [key_of(token)],
    ).fetchone()
    return row[0] if row else None

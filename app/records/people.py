"""People, their sessions and the audit log, as administrators see and change them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from app.queries.export import safe
from app.records.connect import as_app
from astraeus_pipeline.accounts import store
from astraeus_pipeline.contracts.people import Grant, Role
from astraeus_pipeline.warehouse import audit, sessions, users
from astraeus_pipeline.warehouse.audit import Entry
from astraeus_pipeline.warehouse.sessions import SessionRow
from astraeus_pipeline.warehouse.users import User

MOST_ENTRIES = 2_000


def people() -> list[User]:
    """Return everybody, by email. Raises: DatabaseError."""
    with as_app() as conn:
        return users.users(conn)


def signed_in() -> list[SessionRow]:
    """Return the sessions that live, the latest seen first. Raises: DatabaseError."""
    with as_app() as conn:
        return sessions.sessions(conn)


def grants_there_are(teams: Sequence[str]) -> list[Grant]:
    """Return what a person can be scoped to: providers and accounts there are, and these teams.

    Raises: DatabaseError.
    """
    with as_app() as conn:
        accounts = store.list_accounts(conn)
    providers = sorted({each.provider for each in accounts})
    return [
        *(Grant("provider", name) for name in providers),
        *(Grant("account", each.slug) for each in accounts),
        *(Grant("team", name) for name in teams),
    ]


def add(email: str, name: str, role: Role, grants: Sequence[Grant], actor: str) -> str:
    """Add a person and return the token of their first link. Raises: ConfigError."""
    with as_app() as conn, conn.transaction():
        users.add(conn, email, name, role, grants, actor=actor)
        return sessions.new_link(conn, email, actor=actor)


def change(user: User, role: Role, grants: Sequence[Grant], actor: str) -> str:
    """Change what differs; return the sentence for the page. Raises: ConfigError."""
    is_other_scope = set(grants) != set(user.grants)
    if role == user.role and not is_other_scope:
        return "Nothing was changed."
    with as_app() as conn, conn.transaction():
        if role != user.role:
            users.set_role(conn, user.email, role, actor=actor)
        if is_other_scope:
            users.set_grants(conn, user.email, grants, actor=actor)
    return f"Changed {user.email}; they sign in again."


def set_active(email: str, active: bool, actor: str) -> str:
    """Let a person sign in, or no more. Raises: ConfigError."""
    with as_app() as conn:
        users.set_active(conn, email, active, actor=actor)
    return f"{email} can sign in again." if active else f"{email} cannot sign in any more."


def new_link(email: str, actor: str) -> str:
    """Return the token of a new one-time link. Raises: ConfigError."""
    with as_app() as conn:
        return sessions.new_link(conn, email, actor=actor)


def revoke(session_id: UUID, actor: str) -> str:
    """End a session. Raises: ConfigError."""
    with as_app() as conn:
        sessions.revoke(conn, session_id, actor=actor)
    return "The session has ended, in every open tab."


def entries(
    first: date, last: date, *, actor: str | None = None, action: str | None = None
) -> list[Entry]:
    """Return lines of the audit log of these UTC days, newest first. Raises: DatabaseError."""
    with as_app() as conn:
        return audit.entries(
            conn,
            first=datetime.combine(first, time(), UTC),
            until=datetime.combine(last + timedelta(days=1), time(), UTC),
            actor=actor or None,
            action=action or None,
            limit=MOST_ENTRIES,
        )


def entries_csv(found: Sequence[Entry]) -> str:
    """Return lines of the audit log as CSV, times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["at", "actor", "action", "subject", "detail"])
    for each in found:
        detail = json.dumps(dict(each.detail), ensure_ascii=False, sort_keys=True)
        at = each.at.astimezone(UTC).isoformat()
        writer.writerow([at, safe(each.actor), each.action, safe(each.subject), safe(detail)])
    return out.getvalue()

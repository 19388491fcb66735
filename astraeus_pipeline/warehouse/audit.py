"""The audit log: who did what, when; written with the change itself, read by administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True)
class Entry:
    """A line of the log."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def note(conn: psycopg.Connection, actor: str, action: str, subject: str, /, **detail: Any) -> None:
    """Write a line in the caller's transaction; `detail` must hold no secret."""
    conn.execute(
        "insert into app.audit_log (actor, action, subject, detail) values (%s, %s, %s, %s)",
        [actor, action, subject, Jsonb(detail)],
    )


def entries(
    conn: psycopg.Connection,
    *,
    first: datetime,
    until: datetime,
    actor: str | None = None,
    action: str | None = None,
    limit: int = 500,
) -> list[Entry]:
    """Return lines from `first` to before `until`, newest first. `action` may be a prefix."""
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            "select at, actor, action, subject, detail from app.audit_log"
            " where at >= %(first)s and at < %(until)s"
            " and (%(actor)s::text is null or actor = %(actor)s)"
            " and (%(action)s::text is null or starts_with(action, %(action)s))"
            " order by at desc, id desc limit %(limit)s",
            {"first": first, "until": until, "actor": actor, "action": action, "limit": limit},
        ).fetchall()

"""app.chat_attachments: files that people attach to a thread, and what was read from them.

A file is its owner's alone, goes with the answer that read it, and for KEPT at most. Connect as
app, in autocommit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.errors import ConfigError, LimitError
from astraeus_pipeline.warehouse import audit

KEPT: Final = timedelta(days=90)
_MOST_MEGABYTES: Final = 200
_HANDLE: Final = "'a' || left(replace(files.id::text, '-', ''), 10)"
_COLUMNS: Final = (
    f"{_HANDLE} as handle, files.name, files.media_type, files.sha256,"
    " octet_length(files.content) as bytes, jsonb_array_length(files.reading -> 'lines') as lines,"
    " files.created_at, files.expires_at"
)
_THEIRS: Final = (
    "from app.chat_attachments as files inner join app.users on users.id = files.user_id"
    " where users.email = %s and users.is_active and files.expires_at > clock_timestamp()"
)


@dataclass(frozen=True)
class Attachment:
    """A file without its content; `handle` is what people and models call it."""

    handle: str
    name: str
    media_type: str
    sha256: str
    bytes: int
    lines: int
    reading: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime


def add(
    conn: psycopg.Connection,
    email: str,
    message_id: UUID,
    name: str,
    media_type: str,
    content: bytes,
    reading: Mapping[str, Any],
) -> str:
    """Keep a file that a running answer has read, and return its handle.

    Raises: ConfigError where the answer is not this person's, or does not run any more;
    LimitError where they keep too much.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with conn.transaction():
        conn.execute("delete from app.chat_attachments where expires_at <= clock_timestamp()")
        row = conn.execute(
            "select messages.user_id, (select coalesce(sum(octet_length(files.content)), 0)"
            " from app.chat_attachments as files where files.user_id = messages.user_id)"
            " from app.chat_messages as messages"
            " inner join app.users on users.id = messages.user_id"
            " where messages.id = %s and users.email = %s and messages.status = 'running'"
            " for update of messages",
            [message_id, email],
        ).fetchone()
        if row is None:
            raise ConfigError("The file's answer has ended.", hint="Attach the file once more.")
        if row[1] + len(content) > _MOST_MEGABYTES * 1024 * 1024:
            raise LimitError(
                f"Your files take more than {_MOST_MEGABYTES} MB.",
                hint=f"They go with their threads, and after {KEPT.days} days.",
            )
        kept = conn.execute(
            "insert into app.chat_attachments as files"  # noqa: S608 - an expression of this module
            " (message_id, user_id, name, media_type, sha256, content, reading, expires_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, clock_timestamp() + %s)"
            f" returning {_HANDLE}",
            [
                *(message_id, row[0], _plain(name), media_type, sha256, content),
                Jsonb(dict(reading), dumps=_json),
                KEPT,
            ],
        ).fetchone()
        assert kept is not None  # noqa: S101 - an insert that returns
        handle = str(kept[0])
        audit.note(conn, email, "chat.attached", handle, sha256=sha256, bytes=len(content))
    return handle


def attachments(conn: psycopg.Connection, email: str, limit: int = 200) -> list[Attachment]:
    """Return a person's files, the latest first; of their readings all but the lines."""
    with conn.cursor(row_factory=class_row(Attachment)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS}, files.reading - 'lines' as reading {_THEIRS}"
            " order by files.created_at desc, files.id limit %s",
            [email, limit],
        ).fetchall()


def attachment(conn: psycopg.Connection, email: str, handle: str) -> Attachment | None:
    """Return one of a person's files with all that was read; None where it is not theirs."""
    with conn.cursor(row_factory=class_row(Attachment)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS}, files.reading {_THEIRS} and {_HANDLE} = %s",
            [email, handle],
        ).fetchone()


def _json(value: object) -> str:
    """Exact amounts as text: a float would round them."""
    return _plain(json.dumps(value, default=str, ensure_ascii=False).replace("\\u0000", "?"))


def _plain(text: str) -> str:
    """Without what no text of PostgreSQL holds."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()

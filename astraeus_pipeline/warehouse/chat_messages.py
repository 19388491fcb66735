"""app.chat_messages: threads of people with the assistant, and what each call of a model cost.

A thread is one person's: nobody else opens it or adds to it. Connect as app, in autocommit. The
messages are their own record; the audit log has who asked and when, without the words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.errors import ConfigError, ForbiddenError
from astraeus_pipeline.warehouse import audit

Status = Literal["running", "awaiting_approval", "complete", "stopped", "failed"]
Feedback = Literal["up", "down"]
# An answer that runs longer than this has lost its process.
_LOST_AFTER: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Message:
    """A question or an answer, as a thread shows it again."""

    id: UUID
    role: Literal["user", "assistant"]
    content: str
    model: str | None
    results: Sequence[Mapping[str, Any]]
    usage: Mapping[str, Any]
    status: Status
    created_at: datetime
    feedback: Feedback | None = None
    feedback_note: str | None = None


@dataclass(frozen=True)
class Thread:
    """A thread in its owner's list, named by its first question."""

    session_id: UUID
    title: str
    last_at: datetime


@dataclass(frozen=True)
class Begun:
    """An answer that is being made."""

    message_id: UUID
    user_id: UUID


def begin(
    conn: psycopg.Connection,
    email: str,
    session_id: UUID,
    question: str,
    account_context: Mapping[str, Sequence[str]],
) -> Begun:
    """Keep a question and open its answer, which counts as running until `finish`.

    Raises: ConfigError for a person who is not there, or whose last answer still runs;
    ForbiddenError for a thread of somebody else's.
    """
    with conn.transaction():
        user_id = _person(conn, email)
        _check_owner(conn, session_id, user_id)
        _check_idle(conn, user_id)
        shown = Jsonb({key: list(of) for key, of in account_context.items()}, dumps=_json)
        conn.execute(
            "insert into app.chat_messages"
            " (session_id, user_id, role, content, account_context, status, finished_at)"
            " values (%s, %s, 'user', %s, %s, 'complete', clock_timestamp())",
            [session_id, user_id, _plain(question), shown],
        )
        row = conn.execute(
            "insert into app.chat_messages (session_id, user_id, role, account_context, status)"
            " values (%s, %s, 'assistant', %s, 'running') returning id",
            [session_id, user_id, shown],
        ).fetchone()
        assert row is not None  # noqa: S101 - an insert that returns
        audit.note(conn, email, "chat.asked", str(row[0]), thread=str(session_id))
    return Begun(UUID(str(row[0])), user_id)


def resume(
    conn: psycopg.Connection, email: str, message_id: UUID, *, is_approved: bool
) -> tuple[Begun, UUID, str]:
    """Let an answer that waits for an approval go on; return it, its thread and its question.

    Raises: ConfigError where none waits under this id that is the person's, or another one runs.
    """
    with conn.transaction():
        user_id = _person(conn, email)
        _check_idle(conn, user_id)
        row = conn.execute(
            "update app.chat_messages as answer set status = 'running', finished_at = null,"
            # counted anew: it may have waited for longer than an answer may take
            " created_at = clock_timestamp()"
            " where id = %s and user_id = %s and status = 'awaiting_approval'"
            " and not exists (select 1 from app.chat_messages as later"
            " where later.session_id = answer.session_id"
            " and later.created_at > answer.created_at)"
            " returning session_id, (select asked.content from app.chat_messages as asked"
            " where asked.session_id = answer.session_id and asked.role = 'user'"
            " order by asked.created_at desc limit 1)",
            [message_id, user_id],
        ).fetchone()
        if row is None:
            raise ConfigError(
                "Nothing waits for this approval any more.", hint="Ask for it once more."
            )
        action = "chat.approved" if is_approved else "chat.rejected"
        audit.note(conn, email, action, str(message_id), thread=str(row[0]))
    return Begun(message_id, user_id), UUID(str(row[0])), str(row[1])


def add_attempt(conn: psycopg.Connection, message_id: UUID, attempt: Mapping[str, Any]) -> None:
    """Add a call of a model to an answer; its keys are columns of app.chat_attempts."""
    conn.execute(
        "update app.chat_messages set usage = jsonb_set("
        "usage, '{attempts}', (usage -> 'attempts') || jsonb_build_array(%s::jsonb))"
        " where id = %s",
        [Jsonb(dict(attempt), dumps=_json), message_id],
    )


def spent_since(
    conn: psycopg.Connection, user_id: UUID, since: datetime, unpriced: Decimal
) -> Decimal:
    """Return what a person's calls cost since then, in USD; `unpriced` stands for unknown costs."""
    row = conn.execute(
        "select coalesce(sum(coalesce(cost_usd, %s)), 0) from app.chat_attempts"
        # an answer that waited for an approval may call models long after it was asked for
        " where user_id = %s and asked_at >= %s and at >= %s",
        [unpriced, user_id, since - timedelta(days=2), since],
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    return Decimal(row[0])


def finish(
    conn: psycopg.Connection,
    message_id: UUID,
    *,
    status: Status,
    content: str = "",
    model: str | None = None,
    results: Sequence[Mapping[str, Any]] = (),
    usage: Mapping[str, Any],
) -> None:
    """Close an answer; `usage` is put beside the attempts that are there."""
    conn.execute(
        "update app.chat_messages set status = %s, content = %s, model = %s, results = %s,"
        " usage = %s::jsonb || jsonb_build_object('attempts', usage -> 'attempts'),"
        " finished_at = clock_timestamp() where id = %s",
        [
            *(status, _plain(content), model),
            Jsonb([dict(each) for each in results], dumps=_json),
            Jsonb(dict(usage), dumps=_json),
            message_id,
        ],
    )


def say(
    conn: psycopg.Connection,
    email: str,
    message_id: UUID,
    feedback: Feedback | None,
    note: str | None = None,
) -> None:
    """Keep what a person says of an answer of theirs; None takes it back.

    Raises: ConfigError where the answer is not theirs, or is no answer.
    """
    with conn.transaction():
        done = conn.execute(
            "update app.chat_messages set feedback = %s, feedback_note = %s,"
            " feedback_at = case when %s::text is not null then clock_timestamp() end"
            " where id = %s and user_id = %s and role = 'assistant'",
            [
                feedback,
                _plain(note) if feedback and note else None,
                feedback,
                message_id,
                _person(conn, email),
            ],
        )
        if done.rowcount == 0:
            raise ConfigError("There is no such answer of yours.", hint="Open the thread anew.")
        # Without the words: the message is their own record.
        audit.note(conn, email, "chat.feedback", str(message_id), feedback=feedback)


def thread(conn: psycopg.Connection, email: str, session_id: UUID) -> list[Message]:
    """Return a thread, oldest first. Raises: ForbiddenError for somebody else's, ConfigError."""
    user_id = _person(conn, email)
    _check_owner(conn, session_id, user_id)
    with conn.cursor(row_factory=class_row(Message)) as cursor:
        return cursor.execute(
            "select id, role, content, model, results, usage, status, created_at,"
            " feedback, feedback_note from app.chat_messages where session_id = %s and user_id = %s"
            " order by created_at, id",
            [session_id, user_id],
        ).fetchall()


def threads(conn: psycopg.Connection, email: str, limit: int = 100) -> list[Thread]:
    """Return a person's threads, the latest first. Raises: ConfigError."""
    with conn.cursor(row_factory=class_row(Thread)) as cursor:
        return cursor.execute(
            "select session_id, (array_agg(content order by created_at))[1] as title,"
            " max(created_at) as last_at from app.chat_messages"
            " where user_id = %s and role = 'user' group by session_id"
            " order by last_at desc limit %s",
            [_person(conn, email), limit],
        ).fetchall()


def _person(conn: psycopg.Connection, email: str) -> UUID:
    # Their row is held, so that of two questions at once the second finds the first.
    row = conn.execute(
        "select id from app.users where email = %s and is_active for no key update", [email]
    ).fetchone()
    if row is None:
        raise ConfigError(f"There is no user {email}.", hint="Threads are of people who sign in.")
    return UUID(str(row[0]))


def _check_owner(conn: psycopg.Connection, session_id: UUID, user_id: UUID) -> None:
    row = conn.execute(
        "select 1 from app.chat_messages where session_id = %s and user_id <> %s limit 1",
        [session_id, user_id],
    ).fetchone()
    if row is not None:
        raise ForbiddenError("This thread is somebody else's.", hint="Begin one of your own.")


def _check_idle(conn: psycopg.Connection, user_id: UUID) -> None:
    """Raise ConfigError while an answer runs; one that lost its process has failed."""
    conn.execute(
        "update app.chat_messages set status = 'failed', finished_at = clock_timestamp()"
        " where user_id = %s and status = 'running' and created_at < clock_timestamp() - %s",
        [user_id, _LOST_AFTER],
    )
    running = conn.execute(
        "select 1 from app.chat_messages where user_id = %s and status = 'running'", [user_id]
    ).fetchone()
    if running is not None:
        raise ConfigError(
            "Your last question is still being answered.", hint="Wait for it, or stop it."
        )


def _json(value: object) -> str:
    """Exact amounts as text: a float would round them."""
    return _plain(json.dumps(value, default=str, ensure_ascii=False).replace("\\u0000", "?"))


def _plain(text: str) -> str:
    """Without what a person or a model may send and no text of PostgreSQL holds."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()

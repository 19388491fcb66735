"""Threads of people with the assistant, as the Chat page shows them again."""

from __future__ import annotations

from uuid import UUID

from app.records.connect import as_app
from astraeus_pipeline.warehouse import chat_messages
from astraeus_pipeline.warehouse.chat_messages import Feedback, Message, Thread

__all__ = ["Feedback", "Message", "Thread"]


def threads(email: str, limit: int = 30) -> list[Thread]:
    """Return a person's threads, the latest first. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        return chat_messages.threads(conn, email, limit)


def thread(email: str, session_id: UUID) -> list[Message]:
    """Return a thread, oldest first.

    Raises: ForbiddenError for somebody else's, ConfigError, DatabaseError.
    """
    with as_app() as conn:
        return chat_messages.thread(conn, email, session_id)


def say(email: str, message_id: UUID, feedback: Feedback | None, note: str = "") -> None:
    """Keep what a person says of an answer of theirs. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        chat_messages.say(conn, email, message_id, feedback, note.strip() or None)

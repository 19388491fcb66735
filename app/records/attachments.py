"""Files that a person attached to threads with the assistant: theirs alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.records.connect import as_app
from astraeus_pipeline.warehouse import chat_attachments
from astraeus_pipeline.warehouse.chat_attachments import Attachment

__all__ = ["Attachment"]


def add(
    email: str,
    message_id: UUID,
    name: str,
    media_type: str,
    content: bytes,
    reading: Mapping[str, Any],
) -> str:
    """Keep a file that a running answer has read, and return its handle.

    Raises: ConfigError where the answer is not this person's or has ended, LimitError where they
    keep too much, DatabaseError.
    """
    with as_app() as conn:
        return chat_attachments.add(conn, email, message_id, name, media_type, content, reading)


def attachments(email: str, limit: int = 200) -> list[Attachment]:
    """Return a person's files without their lines, the latest first. Raises: DatabaseError."""
    with as_app() as conn:
        return chat_attachments.attachments(conn, email, limit)


def attachment(email: str, handle: str) -> Attachment | None:
    """Return one of a person's files with its lines, None where it is not theirs.

    Raises: DatabaseError.
    """
    with as_app() as conn:
        return chat_attachments.attachment(conn, email, handle)

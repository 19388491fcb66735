"""Exports leave a line in the audit log."""

from __future__ import annotations

from app.records.connect import as_app
from astraeus_pipeline.warehouse import audit


def note(actor: str, subject: str, **detail: str) -> None:
    """Note what a person took out of the app. Raises: DatabaseError."""
    with as_app() as conn:
        audit.note(conn, actor, "export", subject, **detail)

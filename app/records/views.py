"""Views as people save, rename, share and delete them."""

from __future__ import annotations

from uuid import UUID

from app.records.connect import as_app
from astraeus_pipeline.warehouse import saved_views
from astraeus_pipeline.warehouse.saved_views import EVERYBODY, Query, View

__all__ = ["EVERYBODY", "Query", "View"]


def listed(email: str, page: str) -> list[View]:
    """Return what a person may open on a page, their own first. Raises: DatabaseError."""
    with as_app() as conn:
        return saved_views.visible(conn, email, page)


def save(actor: str, page: str, name: str, query: Query, shared_with: str | None) -> str:
    """Keep a view and return the sentence for the page. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        saved_views.save(conn, actor, page, name, query, shared_with)
    return f"Saved the view {' '.join(name.split())}."


def change(actor: str, view_id: UUID, name: str, shared_with: str | None) -> str:
    """Rename a view or share it otherwise. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        saved_views.change(conn, actor, view_id, name, shared_with)
    return f"Changed the view {' '.join(name.split())}."


def delete(actor: str, view_id: UUID) -> str:
    """Delete a view. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        name = saved_views.delete(conn, actor, view_id)
    return f"Deleted the view {name}."

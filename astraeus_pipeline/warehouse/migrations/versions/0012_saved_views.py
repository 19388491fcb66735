"""Saved views."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"

_SCRIPT = Path(__file__).parent.parent / "saved_views.sql"


def upgrade() -> None:
    """Create the table, owned by the role that writes it."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the table, and with it all saved views."""
    op.execute("drop table app.saved_views")

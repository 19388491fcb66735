"""Where questions of the assistant stand."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"

_SCRIPT = Path(__file__).parent.parent / "checkpoints.sql"
_TABLES = ("checkpoint_writes", "checkpoint_blobs", "checkpoints", "checkpoint_migrations")


def upgrade() -> None:
    """Create the tables, owned by the role that writes them."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop them: threads can be read as before, and go on without what was said."""
    for table in _TABLES:
        op.execute(f"drop table app.{table}")

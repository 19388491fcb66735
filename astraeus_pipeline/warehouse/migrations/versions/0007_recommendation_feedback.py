"""What people said of recommendations."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

_SCRIPT = Path(__file__).parent.parent / "recommendations.sql"


def upgrade() -> None:
    """Create the table, owned by the role that writes it."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the table, and with it what was said."""
    op.execute("drop table app.recommendation_feedback cascade")

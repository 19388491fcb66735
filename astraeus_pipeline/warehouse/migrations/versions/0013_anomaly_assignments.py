"""Who looks after an anomaly."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"

_SCRIPT = Path(__file__).parent.parent / "anomaly_assignments.sql"


def upgrade() -> None:
    """Create the table, owned by the role that writes it."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the table, and the mart that shows it until the next build."""
    op.execute("drop table app.anomaly_assignments cascade")

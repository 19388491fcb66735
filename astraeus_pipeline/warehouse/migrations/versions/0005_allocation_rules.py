"""Rules that give costs to teams, cost centres and environments."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

_SCRIPT = Path(__file__).parent.parent / "allocation.sql"


def upgrade() -> None:
    """Create the table and its fingerprint, owned by the role that writes them."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the rules; the audit log still tells what they were."""
    op.execute("drop view app.allocation_state cascade")
    op.execute("drop table app.allocation_rules cascade")

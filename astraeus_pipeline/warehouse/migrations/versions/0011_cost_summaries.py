"""Cost summaries, their channels, and what became of their messages."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"

_SCRIPT = Path(__file__).parent.parent / "cost_summaries.sql"
_TABLES = ("summary_deliveries", "cost_summary_channels", "cost_summaries")


def upgrade() -> None:
    """Create the tables, owned by the role that writes them."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the tables: summaries and what had been sent are forgotten."""
    for table in _TABLES:
        op.execute(f"drop table app.{table}")

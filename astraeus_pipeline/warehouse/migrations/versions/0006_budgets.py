"""Budgets, their amounts and their thresholds."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

_SCRIPT = Path(__file__).parent.parent / "budgets.sql"


def upgrade() -> None:
    """Create the tables, owned by the role that writes them."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the tables, and with them every budget."""
    op.execute("drop table app.budget_thresholds, app.budget_amounts, app.budgets cascade")

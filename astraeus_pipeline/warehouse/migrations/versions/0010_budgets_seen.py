"""The function by which row-level security knows whose budgets may be seen."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"

_SCRIPT = Path(__file__).parent.parent / "budgets_seen.sql"


def upgrade() -> None:
    """Create the function, owned by the role that writes budgets."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop it, and with it the marts of budgets until the next build."""
    op.execute("drop function app.visible_budgets() cascade")

"""Alert rules, channels, alerts and the outbox of their messages."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

_SCRIPT = Path(__file__).parent.parent / "alerts.sql"
_TABLES = (
    "alert_delivery_items",
    "alert_deliveries",
    "alerts",
    "alert_rule_channels",
    "alert_channels",
    "alert_rules",
)


def upgrade() -> None:
    """Create the tables, owned by the role that writes them."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the tables: rules, alerts and what had been sent are forgotten."""
    for table in _TABLES:
        op.execute(f"drop table app.{table} cascade")

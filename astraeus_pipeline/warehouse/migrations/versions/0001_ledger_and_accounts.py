"""The ledger in schema raw, accounts and audit log in schema app."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_SCRIPTS = Path(__file__).parent.parent
_RAW = ("quarantine", "restatements", "partitions", "delivery_days", "deliveries")
_APP = ("audit_log", "accounts")


def upgrade() -> None:
    """Create the tables, each owned by the role that writes it."""
    for script, owner in (("ledger.sql", "astraeus_loader"), ("app.sql", "astraeus_app")):
        op.execute(f"set local role {owner}")
        op.execute((_SCRIPTS / script).read_text())
        op.execute("reset role")


def downgrade() -> None:
    """Drop the tables; the landing store still holds every payload."""
    for schema, tables in (("raw", _RAW), ("app", _APP)):
        for table in tables:
            op.execute(f"drop table {schema}.{table}")

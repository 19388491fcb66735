"""Several raw tables for one dataset; accounts found below other accounts."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

_SCRIPTS = Path(__file__).parent.parent


def upgrade() -> None:
    """Add the columns, as the roles that own the tables."""
    for script, owner in (("shapes.sql", "astraeus_loader"), ("discovery.sql", "astraeus_app")):
        op.execute(f"set local role {owner}")
        op.execute((_SCRIPTS / script).read_text())
        op.execute("reset role")


def downgrade() -> None:
    """Take the columns away again, and with them dbt's views until its next build."""
    for table, column in (
        ("raw.deliveries", "raw_table"),
        ("raw.partitions", "raw_table"),
        ("app.accounts", "parent"),
        ("app.accounts", "external_id"),
        ("app.accounts", "state_reason"),
    ):
        op.execute(f"alter table {table} drop column {column} cascade")

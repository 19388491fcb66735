"""What replaced slices summed to; days let in by a person."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

_SCRIPT = Path(__file__).parent.parent / "history.sql"


def upgrade() -> None:
    """Create the tables, owned by the role that writes them."""
    op.execute("set local role astraeus_loader")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop the tables; payloads and ledger still tell what stood when."""
    for table in ("acceptances", "superseded"):
        op.execute(f"drop table raw.{table} cascade")

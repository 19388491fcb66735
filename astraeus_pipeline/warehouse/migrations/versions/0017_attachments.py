"""Files that people attach to a thread with the assistant."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0017"
down_revision = "0016"

_SCRIPT = Path(__file__).parent.parent / "attachments.sql"


def upgrade() -> None:
    """Create the table, owned by the role that writes it."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop it, and with it all files; the threads say what was read from them."""
    op.execute("drop table app.chat_attachments")

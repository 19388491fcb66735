"""Messages of the assistant, with every call of a model."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"

_SCRIPT = Path(__file__).parent.parent / "chat.sql"


def upgrade() -> None:
    """Create table and view, owned by the role that writes them."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop them, and with them all threads and what they cost."""
    op.execute("drop view app.chat_attempts cascade")
    op.execute("drop table app.chat_messages")

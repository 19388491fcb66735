"""What people say of the assistant's answers."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"

_SCRIPT = Path(__file__).parent.parent / "chat_feedback.sql"


def upgrade() -> None:
    """Add the columns, as the role that owns the table."""
    op.execute("set local role astraeus_app")
    op.execute(_SCRIPT.read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop them, and with them what was said."""
    op.execute(
        "alter table app.chat_messages drop constraint chat_messages_feedback,"
        " drop column feedback, drop column feedback_note, drop column feedback_at"
    )

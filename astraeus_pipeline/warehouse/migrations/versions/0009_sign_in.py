"""Users, scopes, sessions, one-time links, and the functions that row-level security asks."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"

_SCRIPTS = Path(__file__).parent.parent
_FUNCTIONS = ("sees_everything", "visible_accounts", "visible_teams")
_TABLES = ("sign_in_attempts", "sign_in_links", "sessions", "user_scopes", "users")


def upgrade() -> None:
    """Create tables and functions, owned by the role that writes the tables."""
    op.execute("set local role astraeus_app")
    for script in ("sign_in.sql", "row_security.sql"):
        op.execute((_SCRIPTS / script).read_text())
    op.execute("reset role")


def downgrade() -> None:
    """Drop them, and with the functions every policy of a mart: readers see no row any more."""
    for function in _FUNCTIONS:
        op.execute(f"drop function app.{function}() cascade")
    op.execute("drop view app.live_sessions cascade")
    for table in _TABLES:
        op.execute(f"drop table app.{table}")
    op.execute("drop index app.audit_log_by_time")

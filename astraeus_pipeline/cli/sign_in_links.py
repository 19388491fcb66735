"""One-time links as commands print them, and the one of the first administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from astraeus_pipeline.cli.output import console
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from astraeus_pipeline.warehouse.engine import Database
    from astraeus_pipeline.warehouse.users import User

FIRST_ADMIN: Final = "admin@localhost"


def address_of(token: str, base: str | None = None) -> str:
    """Return the address of a link: on the app that is up, or as the settings name it."""
    from astraeus_pipeline.cli import children, up

    settings = Settings.from_env()
    running = children.read_state(up.state_path(settings))[1].get("app")
    where = base or settings.app_url or running
    path = f"/signin/link?t={token}"
    return f"{where.rstrip('/')}{path}" if where else f"<address of the app>{path}"


def first_admin(database: Database, base: str) -> str | None:
    """Return a link for the first administrator, who is made if nobody is there.

    None once any administrator has a password or an identity, or was added by a person: they have
    been given a link of their own, which a new one would end.
    """
    from astraeus_pipeline.warehouse import sessions, users

    with database.connect("app", autocommit=True) as conn:
        with conn.transaction():
            # Two first starts at once must not make two of them.
            conn.execute("lock table app.users in share row exclusive mode")
            admins = _admins(conn)
            if any(_has_signed_in(each) or each.email != FIRST_ADMIN for each in admins):
                return None
            if not admins:
                users.add(conn, FIRST_ADMIN, "Administrator", "admin", actor="first start")
        return address_of(sessions.new_link(conn, FIRST_ADMIN, actor="first start"), base)


def awaited_admins(database: Database) -> list[str]:
    """Return the administrators that people added, as long as none at all has signed in."""
    with database.connect("app", autocommit=True) as conn:
        admins = _admins(conn)
    if any(_has_signed_in(each) for each in admins):
        return []
    return [each.email for each in admins if each.email != FIRST_ADMIN]


def _admins(conn: psycopg.Connection) -> list[User]:
    from astraeus_pipeline.warehouse import users

    return [each for each in users.users(conn) if each.role == "admin" and each.is_active]


def _has_signed_in(admin: User) -> bool:
    return bool(admin.has_password or admin.issuer)


def print_first(database: Database, base: str) -> None:
    """Print the first administrator's link, or who has one, as long as none has signed in."""
    if link := first_admin(database, base):
        console.print("\nSign in as the first administrator, once, within a day:")
        typer.echo(f"  {link}")
        console.print("Others: `astraeus user add EMAIL --role viewer`.")
    elif awaited := awaited_admins(database):
        console.print(
            f"\nNo administrator has signed in yet; {', '.join(awaited)} can, by the link that"
            f" `astraeus user add` printed. `astraeus user link {awaited[0]}` makes a new one.",
            highlight=False,
        )

"""One-time links as commands print them, and the one of the first administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from astraeus_pipeline.cli.output import console
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.engine import Database

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

    None once any administrator has a password or an identity: from then on they add people.
    """
    from astraeus_pipeline.warehouse import sessions, users

    with database.connect("app", autocommit=True) as conn:
        with conn.transaction():
            # Two first starts at once must not make two of them.
            conn.execute("lock table app.users in share row exclusive mode")
            known = users.users(conn)
            admins = [each for each in known if each.role == "admin" and each.is_active]
            if any(each.has_password or each.issuer for each in admins):
                return None
            if not admins:
                users.add(conn, FIRST_ADMIN, "Administrator", "admin", actor="first start")
        email = admins[0].email if admins else FIRST_ADMIN
        return address_of(sessions.new_link(conn, email, actor="first start"), base)


def print_first(database: Database, base: str) -> None:
    """Print the first administrator's link, as long as none has signed in."""
    link = first_admin(database, base)
    if link:
        console.print("\nSign in as the first administrator, once, within a day:")
        typer.echo(f"  {link}")
        console.print("Others: `astraeus user add EMAIL --role viewer`.")

"""`astraeus user`: who may sign in to the app, as what, to see what."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from astraeus_pipeline.cli.context import actor, connected
from astraeus_pipeline.cli.output import Json, console, print_records
from astraeus_pipeline.cli.sign_in_links import address_of
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.users import User

app = typer.Typer(no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="Email address of the person.")]
RoleName = Annotated[str, typer.Argument(help="viewer, analyst, budget_owner or admin")]
Scope = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="provider:aws, account:NAME or team:NAME that they see alone; repeatable.",
    ),
]


@app.command()
def add(
    email: Email,
    role: Annotated[str, typer.Option(help="viewer, analyst, budget_owner or admin")] = "viewer",
    name: Annotated[str, typer.Option(help="What the app calls them.")] = "",
    scope: Scope = None,
) -> None:
    """Add a person and print a link for their first sign-in; it works once, for a day."""
    from astraeus_pipeline.warehouse import sessions, users

    with connected("app") as conn:
        users.add(conn, email, name, role, grants(scope), actor=actor().name)  # type: ignore[arg-type] # refused if unknown
        token = sessions.new_link(conn, email, actor=actor().name)
    console.print(f"Added {email} as {role}. To sign in, once, within a day:")
    typer.echo(address_of(token))


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List people with role, scope and when they were last seen."""
    from astraeus_pipeline.warehouse import users

    with connected("app") as conn:
        records = [_record(each) for each in users.users(conn)]
    print_records("Users", records, as_json=as_json, empty="Nobody may sign in yet.")


@app.command()
def role(email: Email, role: RoleName) -> None:
    """Give a person another role; their sessions end."""
    from astraeus_pipeline.warehouse import users

    with connected("app") as conn:
        users.set_role(conn, email, role, actor=actor().name)  # type: ignore[arg-type] # refused if unknown
    console.print(f"{email} is {role} now; they sign in again.")


@app.command()
def scope(email: Email, scope: Scope = None) -> None:
    """Replace what a person sees; without --scope everything. Their sessions end."""
    from astraeus_pipeline.warehouse import users

    wanted = grants(scope)
    with connected("app") as conn:
        users.set_grants(conn, email, wanted, actor=actor().name)
    sees = ", ".join(map(str, wanted)) or "everything"
    console.print(f"{email} sees {sees} now; they sign in again.", markup=False)


@app.command()
def deactivate(email: Email) -> None:
    """Let a person sign in no more; their sessions and links end."""
    from astraeus_pipeline.warehouse import users

    with connected("app") as conn:
        users.set_active(conn, email, False, actor=actor().name)
    console.print(f"{email} cannot sign in any more.")


@app.command()
def activate(email: Email) -> None:
    """Let a person sign in again."""
    from astraeus_pipeline.warehouse import users

    with connected("app") as conn:
        users.set_active(conn, email, True, actor=actor().name)
    console.print(f"{email} can sign in again.")


@app.command()
def link(email: Email) -> None:
    """Print a link for one sign-in with a new password, for a day; earlier links end."""
    from astraeus_pipeline.warehouse import sessions

    with connected("app") as conn:
        token = sessions.new_link(conn, email, actor=actor().name)
    typer.echo(address_of(token))


@app.command()
def sessions(as_json: Json = False) -> None:
    """List who is signed in."""
    from astraeus_pipeline.warehouse import sessions as kept

    with connected("app") as conn:
        records = [asdict(each) for each in kept.sessions(conn)]
    print_records("Sessions", records, as_json=as_json, empty="Nobody is signed in.")


@app.command()
def revoke(
    session: Annotated[str, typer.Argument(help="Id of a session, or an email for all of theirs.")],
) -> None:
    """End sessions now, in every open tab."""
    from astraeus_pipeline.warehouse import sessions as kept
    from astraeus_pipeline.warehouse import users

    with connected("app") as conn:
        if "@" in session:
            with conn.transaction():
                user = users.by_email(conn, session)
                ended = users.end_sessions(
                    conn, user, actor=actor().name, reason="by an administrator"
                )
        else:
            kept.revoke(conn, _id(session), actor=actor().name)
            ended = 1
    console.print(f"{ended} session{'' if ended == 1 else 's'} ended.")


def grants(words: list[str] | None) -> list[Grant]:
    """Return grants as they are written: kind:value.

    Raises: ConfigError for what is not written so; the kind is checked where it is kept.
    """
    found = []
    for word in words or ():
        kind, _, value = word.partition(":")
        if not value:
            raise ConfigError(
                f"{word!r} is nothing to be scoped to.",
                hint="Write provider:aws, account:NAME or team:NAME.",
            )
        found.append(Grant(kind, value))  # type: ignore[arg-type] # refused if unknown
    return found


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no session.", hint="`astraeus user sessions` shows their ids."
        ) from None


def _record(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "scope": ", ".join(map(str, user.grants)) or "everything",
        "state": "active" if user.is_active else "deactivated",
        "signs_in_by": user.issuer or ("password" if user.has_password else "link"),
        "last_seen": user.last_seen_at,
    }

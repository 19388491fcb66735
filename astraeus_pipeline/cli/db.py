"""`astraeus db`: the database's own commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from astraeus_pipeline.cli.context import open_migrated
from astraeus_pipeline.cli.output import Json, console, print_json
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.engine import Database

app = typer.Typer(no_args_is_help=True)


@app.command()
def url(
    role: Annotated[
        str, typer.Option(help="operator, reader, app, loader, dbt, dagster or admin")
    ] = "operator",
) -> None:
    """Print the URL of the database for a role, password included: handle it as a secret."""
    from astraeus_pipeline.warehouse.engine import ROLES, open_database

    if role not in (*ROLES, "admin"):
        raise ConfigError(
            f"There is no role {role!r}.", hint=f"Choose {', '.join(ROLES)} or admin."
        )
    target = open_database(Settings.from_env()).url(role)  # type: ignore[arg-type] # just checked
    typer.echo(target.set(drivername="postgresql").render_as_string(hide_password=False))


@app.command()
def environment() -> None:
    """Print what Dagster's processes need where something else than `astraeus up` starts them.

    NAME=value lines, for an EnvironmentFile or a Kubernetes secret: they hold passwords.
    """
    from astraeus_pipeline.orchestration.environment import child_environment
    from astraeus_pipeline.warehouse.engine import open_database

    settings = Settings.from_env()
    of_this_machine = {"ASTRAEUS_HOME", "DAGSTER_HOME"}
    for name, value in child_environment(settings, open_database(settings)).items():
        if name not in of_this_machine:
            typer.echo(f"{name}={value}")


@app.command()
def start() -> None:
    """Start the embedded database, if that is the one in use, and migrate it."""
    database = open_migrated(Settings.from_env())
    console.print(f"PostgreSQL answers at {database.where}.")


@app.command()
def stop() -> None:
    """Stop the embedded database; its data stays."""
    from astraeus_pipeline.warehouse import embedded

    settings = Settings.from_env()
    if not settings.is_embedded:
        raise ConfigError(
            "ASTRAEUS_DATABASE_URL names a server that astraeus did not start.",
            hint="Stop it with its own tools.",
        )
    was_running = embedded.stop(settings.home)
    console.print("Stopped." if was_running else "It was not running.")


@app.command()
def migrate(
    back_to: Annotated[
        str, typer.Option(help="Take back the migrations after this one, for a former version.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Lose what --back-to says goes.")] = False,
) -> None:
    """Bring roles, schemas and tables to this version; safe to repeat."""
    from astraeus_pipeline.warehouse import housekeeping
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.migrate import migrate as run

    database = open_database(Settings.from_env())
    if back_to:
        _migrate_back(database, back_to, yes=yes)
        return
    run(database)
    with database.connect("loader", autocommit=True) as conn:
        housekeeping.make_months(conn, datetime.now(UTC).date())
    console.print(f"The database at {database.where} is up to date.")


def _migrate_back(database: Database, revision: str, *, yes: bool) -> None:
    from astraeus_pipeline.warehouse.migrate_back import migrate_back

    losses = migrate_back(database, revision, keep=yes)
    held = [loss for loss in losses if loss.rows]
    rows = sum(loss.rows for loss in held)
    for loss in held:
        console.print(f"  {loss.what}: {loss.rows} rows {'went' if yes else 'would go'}")
    if not yes:
        raise ConfigError(
            f"Back to {revision} loses {rows} rows; nothing was changed.",
            hint="`astraeus backup` first, stop everything, then repeat this with --yes.",
        )
    console.print(f"The database at {database.where} is at {revision}: start the former version.")


@app.command()
def status(as_json: Json = False) -> None:
    """Say where the database is and whether it runs; starts nothing."""
    from astraeus_pipeline.warehouse import embedded

    settings = Settings.from_env()
    if not settings.is_embedded:
        if as_json:
            print_json({"embedded": False})
        else:
            console.print("ASTRAEUS_DATABASE_URL names the database; `astraeus doctor` tries it.")
        return
    found = embedded.status(settings.home)
    if as_json:
        running = {"running": found.is_running, "port": found.port}
        print_json({"embedded": True, **running, "data": str(found.data)})
    else:
        state = f"runs on 127.0.0.1:{found.port}" if found.is_running else "does not run"
        console.print(
            f"The embedded PostgreSQL {found.version or ''} {state}; data in {found.data}."
        )

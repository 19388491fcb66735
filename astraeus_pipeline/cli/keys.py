"""`astraeus keys`: the key ring."""

from __future__ import annotations

import typer

from astraeus_pipeline.cli.context import actor, connected, key_ring
from astraeus_pipeline.cli.output import console
from astraeus_pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def new() -> None:
    """Print a fresh master key, to put in front of ASTRAEUS_MASTER_KEYS."""
    from astraeus_pipeline.accounts.sealing import new_key

    typer.echo(new_key())


@app.command()
def rotate() -> None:
    """Seal accounts and channels with the newest key; with the key file, add a fresh key first."""
    from astraeus_pipeline.accounts import sealing, store
    from astraeus_pipeline.orchestration import alert_channels

    settings = Settings.from_env()
    if settings.master_keys is None:
        key_ring()  # makes the file if there is none
        sealing.add_key(settings.home)
    with connected("app") as conn:
        changed = store.rewrap_all(conn, key_ring(), actor())
        channels = alert_channels.rewrap_all(conn, key_ring())
    console.print(f"{changed} accounts and {channels} channels were sealed with the newest key.")

"""The `astraeus` command. Commands import what they need when they run, so that it starts fast."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from astraeus_pipeline.cli import (
    account,
    alert,
    allocation,
    anomaly,
    assistant_servers,
    backfill,
    backup,
    budget,
    costs,
    db,
    delivery,
    demo,
    doctor,
    explain,
    failures,
    focus,
    housekeeping,
    keys,
    line_items,
    monitor,
    process,
    reconcile,
    restore,
    savings,
    status,
    summary,
    up,
    users,
    worker,
)
from astraeus_pipeline.cli.output import report_error
from astraeus_pipeline.errors import AstraeusError

app = typer.Typer(
    name="astraeus",
    help="Multi-cloud cost and resource data, tied to the provider's own totals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_SHOWN = {"traceback": False}


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; it may hold data.")
    ] = False,
) -> None:
    _SHOWN["traceback"] = debug


app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("stop")(up.stop)
app.command("worker")(worker.worker)
app.command("app")(process.app)
app.command("code-server")(process.code_server)
app.command("webserver")(process.webserver)
app.command("daemon")(process.daemon)
app.command("backfill")(backfill.backfill)
app.command("status")(status.status)
app.command("costs")(costs.costs)
app.command("explain")(explain.explain)
app.command("reconcile")(reconcile.reconcile)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("monitor")(monitor.monitor)
app.command("housekeeping")(housekeeping.housekeeping)
app.command("doctor")(doctor.doctor)
app.command("focus")(focus.focus)
app.command("mcp")(assistant_servers.mcp)
app.add_typer(account.app, name="account", help="Add, list, test, pause and remove accounts.")
app.add_typer(budget.app, name="budget", help="What may be spent, and how that stands.")
app.add_typer(allocation.app, name="allocation", help="Rules that give costs to teams.")
app.add_typer(alert.app, name="alert", help="Alerts, the rules that raise them, their channels.")
app.add_typer(summary.app, name="summary", help="Weekly and monthly costs by e-mail.")
app.add_typer(delivery.app, name="delivery", help="Look into deliveries; accept a refused one.")
app.add_typer(anomaly.app, name="anomaly", help="Unexpected cost, and what people say of it.")
app.add_typer(savings.app, name="savings", help="What could cost less; dismiss what is not wanted.")
app.add_typer(users.app, name="user", help="Who may sign in to the app, and who has.")
app.add_typer(db.app, name="db", help="The database: start, stop, migrate, where it is.")
app.add_typer(
    line_items.app, name="line-items", help="Line items outside of PostgreSQL, for a second engine."
)
app.add_typer(keys.app, name="keys", help="The key ring that seals credentials.")


def main() -> None:
    """Run the command; errors of ours end it with a sentence instead of a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if _SHOWN["traceback"]:
            raise
        ours = error if isinstance(error, AstraeusError) else failures.translate(error)
        report_error(ours)
        sys.exit(ours.exit_code)

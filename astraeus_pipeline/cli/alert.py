"""`astraeus alert`: what was raised, and what became of it."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from astraeus_pipeline.cli import alert_channel, alert_rule
from astraeus_pipeline.cli.context import actor, connected
from astraeus_pipeline.cli.output import Json, console, print_json, print_table

app = typer.Typer(no_args_is_help=True)
app.add_typer(alert_rule.app, name="rule", help="Add, list, back-test, pause and remove rules.")
app.add_typer(alert_channel.app, name="channel", help="Add, list, test and remove channels.")

_ID_CHARACTERS = 8


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="open, acknowledged or resolved")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 30,
    as_json: Json = False,
) -> None:
    """List alerts, newest first, and how their messages fare."""
    from astraeus_pipeline.alerts.messages import headline
    from astraeus_pipeline.warehouse import alerts

    with connected("app") as conn:
        rows = alerts.list_alerts(conn, state=state, limit=limit)
    if as_json:
        print_json(
            [vars(row.alert) | {"state": row.state, "deliveries": row.deliveries} for row in rows]
        )
    elif not rows:
        console.print("No alert matches.")
    else:
        columns = ("id", "raised", "rule", "severity", "what", "state", "messages")
        cells = [
            [
                row.alert.id[:_ID_CHARACTERS],
                f"{row.alert.raised_at.astimezone(UTC):%Y-%m-%d %H:%M}",
                row.alert.rule_name,
                row.alert.severity,
                headline(row.alert),
                row.state if not row.state_by else f"{row.state} by {row.state_by}",
                row.deliveries,
            ]
            for row in rows
        ]
        print_table("Alerts", columns, cells)


Id = Annotated[str, typer.Argument(help="Id of the alert, or how it begins.")]
Note = Annotated[str | None, typer.Option(help="Why; kept with the alert.")]


@app.command()
def ack(alert: Id, note: Note = None) -> None:
    """Say that somebody looks after an alert."""
    _say(alert, "acknowledged", note)


@app.command()
def resolve(alert: Id, note: Note = None) -> None:
    """Say that an alert is dealt with."""
    _say(alert, "resolved", note)


@app.command()
def retry(
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
) -> None:
    """Send messages again that were given up."""
    from astraeus_pipeline.warehouse import alert_outbox

    with connected("app") as conn:
        count = alert_outbox.retry_dead(conn, channel, actor().name)
    console.print(f"{count} messages will be sent again by the sensor `alerts`.")


@app.command()
def send() -> None:
    """Raise alerts and send what is due now, as the sensor does every 30 seconds."""
    from datetime import datetime

    from astraeus_pipeline.cli.context import open_migrated
    from astraeus_pipeline.orchestration import alerting
    from astraeus_pipeline.orchestration.alert_sending import Sender
    from astraeus_pipeline.settings import Settings

    settings = Settings.from_env()
    sender = Sender.from_settings(settings, open_migrated(settings))
    with sender.database.connect("app", autocommit=True) as conn:
        raised, _ = alerting.look(conn, None, datetime.now(UTC))
    console.print(alerting.says(raised, sender.send_all()), highlight=False)


def _say(alert: str, state: str, note: str | None) -> None:
    from astraeus_pipeline.warehouse import alerts

    with connected("app") as conn:
        alerts.set_state(conn, alert, state, note, actor().name)
    console.print(f"The alert is {state}.")

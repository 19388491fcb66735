"""`astraeus alert channel`: where messages go."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from astraeus_pipeline.cli.context import actor, connected, key_ring
from astraeus_pipeline.cli.output import Json, console, print_records

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the channel.")]


@app.command()
def add(
    name: Name,
    kind: Annotated[str, typer.Option(help="email, slack, teams, webhook, or chat for others")],
) -> None:
    """Add a channel. Its address is asked for, or read from standard input; it is kept sealed.

    \b
    email    smtp://user:password@mail.example.com:587/?from=costs@example.com&to=team@example.com
    slack    slack://TokenA/TokenB/TokenC/#channel
    teams    workflows://host/workflow/signature
    webhook  jsons://user:password@example.com/path
    chat     any other address that apprise knows, as discord://webhook_id/webhook_token
    """  # noqa: D301 - typer's mark for lines kept as they are
    from astraeus_pipeline.alerts.address import parse
    from astraeus_pipeline.orchestration import alert_channels

    # Neither an argument nor echoed: it holds a password, which no history should keep.
    is_typed = sys.stdin.isatty()
    url = typer.prompt("Address", hide_input=True) if is_typed else sys.stdin.readline()
    address = parse(kind, url)
    with connected("app") as conn:
        alert_channels.add(conn, key_ring(), name, address, actor().name)
    console.print(
        f"Added {name}: {address.shown_as}. Try it: `astraeus alert channel test {name}`."
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List channels, without what is secret of their addresses."""
    from astraeus_pipeline.warehouse import alert_channels, alert_outbox

    with connected("app") as conn:
        troubles = {each.channel: each for each in alert_outbox.troubles(conn)}
        channels = alert_channels.list_channels(conn)
    records = [
        {
            "name": each.name,
            "kind": each.kind,
            "to": each.shown_as,
            "dead": troubles[each.name].dead if each.name in troubles else 0,
            "failed": troubles[each.name].failed if each.name in troubles else 0,
            "last_error": troubles[each.name].last_error if each.name in troubles else None,
        }
        for each in channels
    ]
    print_records("Channels", records, as_json=as_json, empty="None yet.")


@app.command()
def test(name: Name) -> None:
    """Send a message that says that the channel works."""
    import uuid

    from astraeus_pipeline.alerts import channels
    from astraeus_pipeline.contracts.alerting import Message
    from astraeus_pipeline.orchestration import alert_channels
    from astraeus_pipeline.warehouse.alert_channels import get_channel

    with connected("app") as conn:
        address = alert_channels.open_address(key_ring(), get_channel(conn, name))
    says = f"Alerts reach the channel {name}."
    key = f"astraeus-test-{uuid.uuid4()}"
    message = Message(key, "Astraeus: a test", says + "\n", f"<p>{says}</p>", {"kind": "test"})
    channels.send(address, message, lambda: None)
    console.print(f"{address.shown_as} took it.")


@app.command()
def remove(name: Name) -> None:
    """Remove a channel and forget its address."""
    from astraeus_pipeline.warehouse import alert_channels

    with connected("app") as conn:
        stopped = alert_channels.remove_channel(conn, name, actor().name)
    console.print(f"Removed {name}; {stopped} messages no longer leave.")

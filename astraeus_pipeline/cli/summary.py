"""`astraeus summary`: weekly and monthly costs by e-mail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import actor, connected, open_migrated
from astraeus_pipeline.cli.options import Where, day_bounds, filters
from astraeus_pipeline.cli.output import Json, console, print_json, print_records
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the summary; its mails carry it.")]


@app.command()
def add(
    name: Name,
    channel: Annotated[list[str], typer.Option(help="Channel of alerts; repeatable.")],
    currency: Annotated[str, typer.Option(help="ISO code; other currencies are left out.")],
    period: Annotated[str, typer.Option(help="week (Monday to Sunday) or month")] = "week",
    team: Annotated[str | None, typer.Option(help="Team, by allocation; all if left out.")] = None,
    where: Where = None,
    cost_type: Annotated[
        str, typer.Option(help="effective, billed, list, contracted")
    ] = "effective",
    since: Annotated[
        str | None, typer.Option(help="No period that ended before is told; today if left out.")
    ] = None,
) -> None:
    """Add a summary; it is sent when all bills of a period have come."""
    from astraeus_pipeline.warehouse import cost_summaries

    new = cost_summaries.NewSummary(
        name=name,
        period=period,  # type: ignore[arg-type] # checked when it is added
        billing_currency=currency,
        channels=channel,
        owner=actor().name,
        team=team,
        filters=filters(where),
        cost_type=cost_type,
        starts_on=day_bounds(since, None)[0] if since else None,
    )
    with connected("app") as conn:
        cost_summaries.add_summary(conn, new, actor().name)
    console.print(f"Added {name}. See it: `astraeus summary preview '{name}'`.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List summaries, and how their last messages and those that never left fare."""
    from astraeus_pipeline.summaries.figures import Scope
    from astraeus_pipeline.summaries.wording import scope_words
    from astraeus_pipeline.warehouse import cost_summaries, summary_outbox

    with connected("app") as conn:
        summaries = cost_summaries.list_summaries(conn)
        fates = {
            (each.summary, each.channel, each.period_start): each
            for troubles in (False, True)
            for each in summary_outbox.deliveries(conn, only_troubles=troubles)
        }
    if as_json:
        print_json(
            [
                vars(each)
                | {
                    "deliveries": [
                        vars(fate) for fate in fates.values() if fate.summary == each.name
                    ]
                }
                for each in summaries
            ]
        )
        return
    records = [
        {
            "name": each.name,
            "period": each.period,
            "costs": f"{each.cost_type}, {each.billing_currency}",
            "of": scope_words(Scope("", team=each.team, filters=each.filters)),
            "channels": ", ".join(each.channels) or None,
            "state": "active" if each.is_active else "paused",
            "messages": "\n".join(
                _fate(fate) for fate in fates.values() if fate.summary == each.name
            )
            or None,
        }
        for each in summaries
    ]
    print_records("Summaries", records, as_json=False, empty="None yet.")


@app.command()
def pause(name: Name) -> None:
    """Send nothing of a summary until it is resumed."""
    _activate(name, active=False)


@app.command()
def resume(name: Name) -> None:
    """Let a paused summary be sent again."""
    _activate(name, active=True)


@app.command()
def remove(name: Name) -> None:
    """Remove a summary."""
    from astraeus_pipeline.warehouse import cost_summaries

    with connected("app") as conn:
        cost_summaries.remove_summary(conn, name, actor().name)
    console.print(f"Removed {name}.")


@app.command()
def preview(
    name: Name,
    of: Annotated[
        str | None, typer.Option(help="A UTC day of the period; the last whole one if left out.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page here, pictures in it.")] = None,
) -> None:
    """Print what a summary says of a period, or write its page; nothing is sent or marked."""
    from base64 import b64encode

    from astraeus_pipeline.orchestration.summary_sending import collect
    from astraeus_pipeline.summaries import message, periods
    from astraeus_pipeline.warehouse import cost_summaries, summary_figures
    from astraeus_pipeline.warehouse.build_lock import no_build

    now = datetime.now(UTC)
    with connected("app") as conn:
        summary = cost_summaries.get_summary(conn, name)
        if not summary_figures.is_built(conn):
            raise ConfigError(
                "The marts have not been built yet.",
                hint="Ingest an account (`astraeus backfill`), or run `astraeus demo`.",
            )
        days = periods.last_ended(summary.period, now.date())
        if of is not None:
            days = periods.holding(summary.period, day_bounds(of, None)[0])
        with no_build(conn):
            figures = collect(conn, summary, days, now)
    drawn = message.pictures(figures) if html else ()
    said = message.compose("preview", figures, Settings.from_env().app_url, drawn)
    if html is None:
        typer.echo(f"{said.subject}\n\n{said.text}")
        return
    page = said.html
    for image in said.images:
        inline = f"data:image/png;base64,{b64encode(image.png).decode()}"
        page = page.replace(f"cid:{image.content_id}", inline)
    html.write_text(page, encoding="utf-8")
    console.print(f"Wrote {html}: {said.subject}", highlight=False)


@app.command()
def send(
    name: Annotated[
        str | None, typer.Argument(help="This one now, even if bills are missing.")
    ] = None,
) -> None:
    """Send what is due now, as the schedule does every morning; nothing is sent twice."""
    from astraeus_pipeline.orchestration.summary_sending import Sender

    settings = Settings.from_env()
    done = Sender.from_settings(settings, open_migrated(settings)).send_due(
        datetime.now(UTC), at_once=name
    )
    if done.is_busy:
        console.print("Another pass is under way; it sends what is due.")
        return
    console.print(
        f"{done.sent} sent, {done.failed} failed, {done.dead} dead,"
        f" {done.recovered} of a sender that was gone",
        highlight=False,
    )
    for waiting, said in done.waiting.items():
        console.print(f"{waiting} waits: {said}", highlight=False, markup=False)


def _activate(name: str, *, active: bool) -> None:
    from astraeus_pipeline.warehouse import cost_summaries

    with connected("app") as conn:
        cost_summaries.set_active(conn, name, active, actor().name)
    console.print(f"{name} is {'active' if active else 'paused'}.")


def _fate(fate: Any) -> str:
    tries = f" after {fate.attempts} attempts" if fate.attempts > 1 else ""
    why = f": {fate.last_error}" if fate.last_error else ""
    return f"{fate.period_start} {fate.channel}: {fate.state}{tries}{why}"

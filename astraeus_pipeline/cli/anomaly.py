"""`astraeus anomaly`: unexpected cost and late days, and what people say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from astraeus_pipeline.cli.context import actor, asked_marts, connected
from astraeus_pipeline.cli.options import Accounts, First, Last, day_bounds
from astraeus_pipeline.cli.output import Json, console, print_records

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.anomaly_feedback import State

app = typer.Typer(no_args_is_help=True)

_LIST = """
select anomaly_id as id, account_id as account, coalesce(service_name, '(all)') as service,
    start_date as first_day, end_date as last_day, reason, severity,
    round(excess_cost, 2) as excess, billing_currency as currency, state, state_note as note,
    assigned_to
from marts.fct_cost_anomalies
where (%(accounts)s::text[] is null or account_id = any(%(accounts)s))
    and end_date >= %(first)s and start_date <= %(last)s
    and (%(state)s::text is null or state = %(state)s)
    and (%(data)s or kind = 'cost')
order by start_date desc, excess_cost desc nulls last
limit %(limit)s
"""


@app.command("list")
def list_(
    account: Accounts = None,
    first: First = None,
    last: Last = None,
    state: Annotated[
        str | None, typer.Option(help="open, acknowledged, explained, dismissed or muted")
    ] = None,
    data: Annotated[
        bool, typer.Option("--data", help="Days that are late, missing or empty, too.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List cost beyond what was expected, newest first; its drivers with --json."""
    begin, end = day_bounds(first, last)
    parameters: dict[str, Any] = {
        "accounts": account or None,
        "first": begin,
        "last": end,
        "state": state,
        "data": data,
        "limit": limit,
    }
    query = _LIST.replace("state_note as note", "state_note as note, expected_cost, drivers")
    records = asked_marts(query if as_json else _LIST, parameters)
    print_records("Anomalies", records, as_json=as_json, empty="Nothing unexpected there.")


@app.command()
def say(
    anomaly: Annotated[str, typer.Argument(help="Its id, as `astraeus anomaly list` shows it.")],
    state: Annotated[str, typer.Argument(help="open, acknowledged, explained or dismissed")],
    note: Annotated[str | None, typer.Option(help="Why; shown beside it.")] = None,
) -> None:
    """Say what became of an anomaly. One that is dismissed mutes the like of it in its series."""
    from astraeus_pipeline.warehouse import anomaly_feedback

    with connected("app") as conn:
        # `say` refuses what is none of its states.
        anomaly_feedback.say(conn, anomaly, cast("State", state), note, actor().name)
    console.print(f"Anomaly {anomaly} is {state}.")


@app.command()
def assign(
    anomaly: Annotated[str, typer.Argument(help="Its id, as `astraeus anomaly list` shows it.")],
    email: Annotated[
        str | None, typer.Argument(help="Who looks after it; nobody if left out.")
    ] = None,
) -> None:
    """Give an anomaly to a person who sees its account."""
    from astraeus_pipeline.warehouse import anomaly_assignments

    with connected("app") as conn:
        anomaly_assignments.assign(conn, anomaly, email, actor().name)
    console.print(f"{email or 'Nobody'} looks after anomaly {anomaly}.")

"""`astraeus reconcile`: each comparison of the figures with one another and with the bill."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import asked_marts
from astraeus_pipeline.cli.options import Accounts, First, Last, day_bounds
from astraeus_pipeline.cli.output import Json, console, print_records
from astraeus_pipeline.errors import ConfigError

_STATES = (
    "exact",
    "within rounding",
    "no control total",
    "not comparable yet",
    "accepted",
    "blocked",
)
_COUNTS = """
select account_id as account, check_name as "check", state, count(*) as comparisons,
    min(first_day) as first_day, max(last_day) as last_day,
    trim_scale(max(abs(residual))) as largest_residual
from marts.fct_reconciliations
where {scope}
group by 1, 2, 3
order by 1, 2, 3
"""
_ROWS = """
select account_id as account, check_name as "check", first_day, last_day, currency, cost_type,
    trim_scale(left_amount) as "left", trim_scale(right_amount) as "right",
    trim_scale(residual) as residual, state, delivery_id as delivery, cause, accepted_by,
    accepted_reason
from marts.fct_reconciliations
where {scope}
order by account_id, first_day, check_name, currency, cost_type
limit %(limit)s
"""
_SCOPE = """
(%(accounts)s::text[] is null or account_id = any(%(accounts)s))
and last_day >= %(first)s and first_day <= %(last)s
and (%(state)s::text is null or state = %(state)s)
"""


def reconcile(
    account: Accounts = None,
    first: First = None,
    last: Last = None,
    state: Annotated[
        str | None,
        typer.Option(help=", ".join(_STATES)),
    ] = None,
    rows: Annotated[
        bool, typer.Option("--rows", help="Each comparison, also where there are many.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many comparisons to list at most.")] = 1000,
    as_json: Json = False,
) -> None:
    """Show what was compared with what, and what was left over.

    Comparisons are counted by account, check and state; with --state or --rows each is listed.
    Ends with 1 where a residual blocks a day.
    """
    if state is not None and state not in _STATES:
        raise ConfigError(f"There is no state '{state}'.", hint=f"Known: {', '.join(_STATES)}.")
    begin, end = day_bounds(first, last)
    parameters: dict[str, Any] = {
        "accounts": account or None,
        "first": begin,
        "last": end,
        "state": state,
        "limit": limit,
    }
    query = _ROWS if rows or state or as_json else _COUNTS
    records = asked_marts(query.format(scope=_SCOPE), parameters)
    print_records(
        "Reconciliations", records, as_json=as_json, empty="Nothing has been compared there."
    )
    blocked = [record for record in records if record["state"] == "blocked"]
    if blocked and not as_json:
        console.print(
            "Blocked days are in no figure: `astraeus delivery show ID` tells more,"
            " `astraeus delivery accept ID --day DAY --reason ...` lets one in."
        )
    if blocked:
        raise typer.Exit(1)

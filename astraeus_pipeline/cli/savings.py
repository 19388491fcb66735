"""`astraeus savings`: what could cost less, what people say of it, whether it came true."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import actor, asked_marts, connected
from astraeus_pipeline.cli.output import Json, console, print_records
from astraeus_pipeline.errors import ConfigError

app = typer.Typer(no_args_is_help=True)

_LIST = """
select
    left(recommendation_id, 12) as id, account_id as account, kind,
    coalesce(resource_name, resource_id) as resource, description,
    round(monthly_saving, 2) as monthly_saving, billing_currency as currency, saving_source,
    confidence, first_seen, state, realised, round(realised_saving, 2) as realised_saving
from marts.fct_recommendations
where
    (%(account)s::text is null or account_id = %(account)s)
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(state)s = 'all' or state = %(state)s)
order by monthly_saving is null, monthly_saving desc, account_id, kind, resource_id
limit %(limit)s
"""
_TOTALS = """
select billing_currency as currency, round(sum(monthly_saving), 2) as saving, count(*) as findings
from marts.fct_recommendations
where counts_in_total and (%(account)s::text is null or account_id = %(account)s)
group by 1 order by 1
"""


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, as in idle_instance.")] = None,
    state: Annotated[
        str, typer.Option(help="open, dismissed, resolved, gone, or all of them: all")
    ] = "open",
    limit: Annotated[int, typer.Option(help="How many, the dearest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List what could cost less, the largest saving first; what is not known has no figure."""
    asked = {"account": account, "kind": kind, "state": state, "limit": limit}
    records = asked_marts(_LIST, asked)
    print_records("Savings", records, as_json=as_json, empty="Nothing matches.")
    if as_json or state != "open":
        return
    for total in asked_marts(_TOTALS, {"account": account}):
        console.print(
            f"Together {total['saving']} {total['currency']} a month from {total['findings']}"
            " resources, the largest of each counted.",
            highlight=False,
        )


@app.command()
def dismiss(
    recommendation: str,
    reason: Annotated[str, typer.Option(help="Why it is not wanted; kept.")],
) -> None:
    """Put a recommendation aside; it stays so whatever later builds find."""
    _say(recommendation, "dismissed", reason)


@app.command()
def reopen(
    recommendation: str,
    reason: Annotated[str | None, typer.Option(help="Why it is looked at again.")] = None,
) -> None:
    """Take a dismissal back."""
    _say(recommendation, "open", reason)


def _say(prefix: str, state: Any, note: str | None) -> None:
    from astraeus_pipeline.warehouse import recommendation_feedback

    found = _named(prefix)
    with connected("app") as conn:
        recommendation_feedback.say(conn, found["recommendation_id"], state, note, actor().name)
    what = f"{found['kind']} of {found['resource']} in {found['account_id']}"
    console.print(f"{what} is {state} now.", highlight=False)


def _named(prefix: str) -> dict[str, Any]:
    """Return the recommendation that an id, or its beginning, names.

    Raises: ConfigError where it names none or several.
    """
    found = asked_marts(
        "select recommendation_id, kind, account_id,"
        " coalesce(resource_name, resource_id) as resource from marts.fct_recommendations"
        " where starts_with(recommendation_id, %(prefix)s) limit 2",
        {"prefix": prefix},
    )
    if len(found) != 1 or not prefix:
        raise ConfigError(
            f"{prefix!r} names {'several recommendations' if found else 'no recommendation'}.",
            hint="`astraeus savings list --state all` shows them with their ids.",
        )
    return found[0]

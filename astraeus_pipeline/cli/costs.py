"""`astraeus costs`: what was spent, as the marts say now or as was believed at any instant."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import asked_marts
from astraeus_pipeline.cli.options import Accounts, First, Last, day_bounds
from astraeus_pipeline.cli.output import Json, print_json, print_records
from astraeus_pipeline.errors import ConfigError


class By(StrEnum):
    """What costs are grouped by, beside account and currency."""

    MONTH = "month"
    DAY = "day"
    SERVICE = "service"
    CATEGORY = "category"
    DELIVERY = "delivery"


_COLUMNS = {
    By.MONTH: "date_trunc('month', {source}.usage_date)::date",
    By.DAY: "{source}.usage_date",
    By.SERVICE: "{source}.service_name",
    By.CATEGORY: "{source}.charge_category",
    By.DELIVERY: "{source}.delivery_id",
}
_COSTS = """
select account_id as account, billing_currency as currency, {column} as "{by}",
    trim_scale(sum(billed_cost)) as billed, trim_scale(sum(effective_cost)) as effective,
    trim_scale(sum(list_cost)) as list, trim_scale(sum(contracted_cost)) as contracted,
    count(distinct usage_date) as days
from marts.costs_as_of(%(as_of)s, %(accounts)s, %(first)s, %(last)s) as costs
group by 1, 2, 3
order by 1, 2, 3
"""
_CHANGES = """
with changes as (
    select * from marts.cost_changes_since(%(as_of)s, %(accounts)s, %(first)s, %(last)s)
),
believed as (
    select account_id, billing_currency, {column_then} as grouped, sum(billed_cost) as billed_cost
    from marts.costs_as_of(%(as_of)s, %(accounts)s, %(first)s, %(last)s) as costs
    group by 1, 2, 3
),
moved as (
    select account_id, billing_currency, {column} as grouped,
        sum(coalesce(new_billed_cost, 0) - coalesce(old_billed_cost, 0)) as delta,
        sum(new_billed_cost) filter (where is_first) as first_delivered,
        array_agg(distinct delivery_id) as deliveries
    from changes
    group by 1, 2, 3
)
select account_id as account, billing_currency as currency, grouped as "{by}",
    trim_scale(believed.billed_cost) as believed_then,
    trim_scale(moved.delta) as changed_since,
    trim_scale(moved.first_delivered) as of_it_first_delivered,
    trim_scale(coalesce(believed.billed_cost, 0) + moved.delta) as now,
    moved.deliveries
from moved
left join believed using (account_id, billing_currency, grouped)
order by 1, 2, 3
"""
_DELIVERIES = """
select changes.delivery_id as delivery, changes.account_id as account, changes.loaded_at,
    count(distinct changes.usage_date) as days, min(changes.usage_date) as first_day,
    max(changes.usage_date) as last_day, changes.billing_currency as currency,
    bool_and(changes.is_first) as first_time,
    trim_scale(sum(coalesce(changes.new_billed_cost, 0) - coalesce(changes.old_billed_cost, 0)))
        as billed_change,
    min(deliveries.source_name) as source, min(deliveries.accepted_by) as accepted_by
from marts.cost_changes_since(%(as_of)s, %(accounts)s, %(first)s, %(last)s) as changes
left join marts.fct_deliveries as deliveries using (delivery_id)
group by 1, 2, 3, changes.billing_currency
order by 1, changes.billing_currency
"""


def costs(
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Instant, UTC unless it says otherwise: 2026-04-02 (its end) or 2026-04-02T08:00."
        ),
    ] = None,
    account: Accounts = None,
    first: First = None,
    last: Last = None,
    by: Annotated[By, typer.Option(help="What to group by, beside account and currency.")] = (
        By.MONTH
    ),
    changes: Annotated[
        bool,
        typer.Option("--changes", help="What has changed since then, and which delivery did it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show costs as they stand, or exactly as was believed at an instant."""
    instant = _instant(as_of)
    if changes and instant is None:
        raise ConfigError("--changes needs an instant.", hint="Add --as-of 2026-04-02.")
    begin, end = day_bounds(first, last)
    parameters = {
        "as_of": instant or datetime.max.replace(tzinfo=UTC),
        "accounts": account or None,
        "first": begin,
        "last": end,
    }
    if changes:
        _print_changes(parameters, by, as_json=as_json)
        return
    records = asked_marts(
        _COSTS.format(column=_COLUMNS[by].format(source="costs"), by=by.value), parameters
    )
    when = f", as believed on {instant:%Y-%m-%d %H:%M:%S} UTC" if instant else ""
    print_records(
        f"Costs by {by}{when}", records, as_json=as_json, empty="No costs were known there."
    )


def _print_changes(parameters: dict[str, Any], by: By, *, as_json: bool) -> None:
    column_then, column = (_COLUMNS[by].format(source=source) for source in ("costs", "changes"))
    groups = asked_marts(
        _CHANGES.format(column=column, column_then=column_then, by=by.value), parameters
    )
    deliveries = asked_marts(_DELIVERIES, parameters)
    if as_json:
        print_json({"costs": groups, "deliveries": deliveries})
        return
    since = f"{parameters['as_of']:%Y-%m-%d %H:%M:%S} UTC"
    print_records(
        f"Billed costs by {by}, believed at {since} and now",
        groups,
        as_json=False,
        empty=f"Nothing has changed since {since}.",
    )
    if deliveries:
        print_records("Deliveries that changed them", deliveries, as_json=False, empty="")


def _instant(text: str | None) -> datetime | None:
    """Read an instant; a day means its end, so that what was loaded on it counts.

    Raises: ConfigError.
    """
    if text is None:
        return None
    try:
        if len(text) <= len("2026-04-02"):
            day = date.fromisoformat(text)
            return datetime.combine(day, datetime.max.time(), UTC)
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Write 2026-04-02 or 2026-04-02T08:00:00.") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

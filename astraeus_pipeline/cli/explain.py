"""`astraeus explain`: why costs differ between two periods, by driver, to the last decimal."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import asked_marts
from astraeus_pipeline.cli.options import Accounts, day_bounds
from astraeus_pipeline.cli.output import Json, console, print_json, print_records


class Basis(StrEnum):
    """Which cost is explained."""

    EFFECTIVE = "effective"
    BILLED = "billed"
    LIST = "list"
    CONTRACTED = "contracted"


_DRIVERS = """
select billing_currency as currency, {service}driver, trim_scale(delta) as change
from marts.explain_cost_change(
    %(first_a)s, %(last_a)s, %(first_b)s, %(last_b)s, %(basis)s, %(currency)s, %(providers)s,
    %(accounts)s, services => %(services)s, regions => %(regions)s, by_service => {by_service}
)
"""
_TOTALS = """
with costs as (
    select billing_currency,
        coalesce(
            sum({basis}) filter (where usage_date between %(first_a)s and %(last_a)s), 0
        ) as old_cost,
        coalesce(
            sum({basis}) filter (where usage_date between %(first_b)s and %(last_b)s), 0
        ) as new_cost
    from marts.fct_daily_costs
    where
        (
            usage_date between %(first_a)s and %(last_a)s
            or usage_date between %(first_b)s and %(last_b)s
        )
        and (%(currency)s::text is null or billing_currency = %(currency)s)
        and (%(providers)s::text[] is null or provider = any(%(providers)s))
        and (%(accounts)s::text[] is null or account_id = any(%(accounts)s))
        and (%(services)s::text[] is null or service_name = any(%(services)s))
        and (%(regions)s::text[] is null or region_id = any(%(regions)s))
    group by 1
)
select billing_currency as currency, trim_scale(old_cost) as before, trim_scale(new_cost) as after,
    trim_scale(new_cost - old_cost) as change
from costs
order by 1
"""
_MISSING = """
select account_id as account, usage_date between %(first_a)s and %(last_a)s as in_the_first,
    count(*) as days_not_loaded, min(usage_date) as first_day, max(usage_date) as last_day
from marts.fct_freshness
where
    dataset = 'costs' and state = 'missing'
    and (
        usage_date between %(first_a)s and %(last_a)s
        or usage_date between %(first_b)s and %(last_b)s
    )
    and (%(providers)s::text[] is null or provider = any(%(providers)s))
    and (%(accounts)s::text[] is null or account_id = any(%(accounts)s))
group by 1, 2
order by 1, 2 desc
"""


def explain(
    from_a: Annotated[str, typer.Option(help="First UTC day of the period before.")],
    to_a: Annotated[str, typer.Option(help="Its last day.")],
    from_b: Annotated[str, typer.Option(help="First UTC day of the period after.")],
    to_b: Annotated[str, typer.Option(help="Its last day.")],
    basis: Annotated[Basis, typer.Option(help="Which cost.")] = Basis.EFFECTIVE,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code; each on its own if left out.")
    ] = None,
    provider: Annotated[list[str] | None, typer.Option(help="Provider; repeatable.")] = None,
    account: Accounts = None,
    service: Annotated[list[str] | None, typer.Option(help="Service; repeatable.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Region; repeatable.")] = None,
    by_service: Annotated[
        bool, typer.Option("--by-service", help="The drivers of each service.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the change of costs between two periods is made of; the drivers sum to it."""
    first_a, last_a = day_bounds(from_a, to_a)
    first_b, last_b = day_bounds(from_b, to_b)
    parameters: dict[str, Any] = {
        **{"first_a": first_a, "last_a": last_a, "first_b": first_b, "last_b": last_b},
        **{"basis": f"{basis}_cost", "currency": currency, "providers": provider or None},
        **{"accounts": account or None, "services": service or None, "regions": region or None},
    }
    drivers = asked_marts(
        _DRIVERS.format(
            service="service_name as service, " if by_service else "",
            by_service="true" if by_service else "false",
        ),
        parameters,
    )
    totals = asked_marts(_TOTALS.format(basis=f"{basis}_cost"), parameters)
    missing = asked_marts(_MISSING, parameters)
    if as_json:
        print_json({"totals": totals, "drivers": drivers, "days_not_loaded": missing})
        return
    title = f"{basis.capitalize()} costs, {first_a} to {last_a} and {first_b} to {last_b}"
    print_records(title, totals, as_json=False, empty="No costs are known there.")
    if drivers:
        print_records("What changed them", drivers, as_json=False, empty="")
    if missing:
        print_records(
            "Days not loaded: part of the change may be theirs", missing, as_json=False, empty=""
        )
        console.print("Next: `astraeus backfill` loads them.")

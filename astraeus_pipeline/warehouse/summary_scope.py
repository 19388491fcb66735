"""Which costs and accounts a summary is about, as SQL. Names are ours, values are bound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import psycopg

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries.figures import Late, Scope

# What the Costs page calls a provider: FOCUS is a format, so its bills go by their account's name.
_PROVIDER: Final = (
    "case accounts.provider when 'focus' then accounts.name when 'aws' then 'AWS'"
    " when 'azure' then 'Azure' when 'snowflake' then 'Snowflake' when 'openai' then 'OpenAI'"
    " when 'anthropic' then 'Anthropic' else accounts.provider end"
)
# As on the Costs page, with its words for what is null.
DIMENSIONS: Final = {
    "provider": _PROVIDER,
    "category": "coalesce(costs.service_category, 'No category')",
    "service": "costs.service_name",
    "account": "costs.account_id",
    "sub_account": "coalesce(costs.sub_account_id, 'No sub account')",
    "region": "coalesce(costs.region_id, 'No region')",
    "charge": "costs.charge_category",
}
_OF_ACCOUNTS: Final = frozenset({"provider", "account"})
_COLUMNS: Final = {
    "effective": "effective_cost",
    "billed": "billed_cost",
    "list": "list_cost",
    "contracted": "contracted_cost",
}
# Days that are final as a whole: of providers that mark no charge, once their month has closed.
_FINAL_DAYS: Final = """
    left join marts.fct_freshness as final_days
        on final_days.account_id = costs.account_id and final_days.usage_date = costs.usage_date
        and final_days.dataset = 'costs' and final_days.state in ('final', 'invoiced')
"""
# Whose costs may be in scope. Of those, active ones are waited for: a new account only for what
# came after it was added, unless older days have come.
_ACCOUNTS: Final = """
    select
        accounts.slug as account_id,
        accounts.provider,
        accounts.state = 'active' as is_active,
        known.first_day,
        known.data_through
    from app.accounts as accounts
    left join (
        select account_id, min(first_day) as first_day, max(data_through) as data_through
        from marts.dim_accounts where is_current group by account_id
    ) as known on known.account_id = accounts.slug
    where
        (known.first_day <= %(last)s or accounts.created_at < %(last)s::date + 1)
        and {conditions}
    order by accounts.slug
"""
_LATE: Final = """
    select accounts.account_id, day::date, freshness.held_back is not null
        and coalesce(freshness.state, 'missing') <> 'missing'
    from unnest(%(accounts)s::text[], %(first_days)s::date[]) as accounts (account_id, first_day)
    cross join generate_series(%(first)s::date, %(last)s::date, interval '1 day') as day
    left join marts.fct_freshness as freshness
        on freshness.account_id = accounts.account_id
        and freshness.usage_date = day::date
        and freshness.dataset = 'costs'
    where
        day >= coalesce(accounts.first_day, day)
        and (coalesce(freshness.state, 'missing') = 'missing' or freshness.held_back is not null)
    order by 1, 2
"""


@dataclass(frozen=True)
class ScopedAccount:
    """An account whose costs may be in scope; days are None where none came."""

    account_id: str
    provider: str
    is_active: bool
    first_day: date | None
    data_through: date | None


def costs_of(scope: Scope, *, in_any_currency: bool = False) -> str:
    """Return the query of a scope's costs, for use in `with`; its days stand in for {days}."""
    conditions = [
        *([] if in_any_currency else ["costs.billing_currency = %(currency)s"]),
        *(["costs.team = %(team)s"] if scope.team is not None else []),
        *(f"{DIMENSIONS[key]} = any(%(only_{key})s)" for key in scope.filters),
    ]
    table = "fct_daily_costs" if scope.team is None else "fct_daily_allocated_costs"
    final = "final_days.usage_date is not null"
    if scope.team is None:  # parts of a split carry no mark
        final = f"(costs.is_final or {final})"
    return (
        "select costs.account_id, costs.service_name, costs.usage_date, costs.billing_currency,"  # noqa: S608 - names of ours
        f" costs.{_COLUMNS[scope.cost_type]} as cost, {final} as is_final"
        f" from marts.{table} as costs"
        " left join app.accounts as accounts on accounts.slug = costs.account_id"
        f"{_FINAL_DAYS}"
        f" where {' and '.join(['{days}', *conditions])}"
    )


def parameters_of(scope: Scope, days: DayRange) -> dict[str, Any]:
    """Return what the queries of a scope and its days bind."""
    return {
        "first": days.first,
        "last": days.last,
        "currency": scope.billing_currency,
        "team": scope.team,
        **{f"only_{key}": list(of) for key, of in scope.filters.items()},
    }


def accounts_of(conn: psycopg.Connection, scope: Scope, days: DayRange) -> list[ScopedAccount]:
    """Return the accounts whose costs of the days may be in scope, by provider and account."""
    conditions = ["true"]
    for key in scope.filters.keys() & _OF_ACCOUNTS:
        column = _PROVIDER if key == "provider" else "accounts.slug"
        conditions.append(f"{column} = any(%(only_{key})s)")
    query = _ACCOUNTS.replace("{conditions}", " and ".join(conditions))
    rows = conn.execute(query.encode(), parameters_of(scope, days))
    return [ScopedAccount(*row) for row in rows]


def waited_for(
    conn: psycopg.Connection, scope: Scope, days: DayRange, accounts: list[ScopedAccount]
) -> list[ScopedAccount]:
    """Return the active ones of a scope's accounts; of a narrower scope, those with costs lately.

    Lately is in the days or up to 92 days before.
    """
    active = [each for each in accounts if each.is_active]
    if scope.team is None and scope.filters.keys() <= _OF_ACCOUNTS:
        return active
    lately = "costs.usage_date between %(first)s::date - 92 and %(last)s"
    scoped = costs_of(scope, in_any_currency=True).replace("{days}", lately)
    found = conn.execute(
        f"select distinct account_id from ({scoped}) as scoped".encode(),  # noqa: S608 - ours
        parameters_of(scope, days),
    )
    narrow = {row[0] for row in found}
    return [each for each in active if each.account_id in narrow]


def late_of(
    conn: psycopg.Connection, waited: list[ScopedAccount], days: DayRange
) -> tuple[Late, ...]:
    """Return those of the accounts with days that did not come or are held back."""
    rows = conn.execute(
        _LATE,
        {
            "accounts": [each.account_id for each in waited],
            "first_days": [each.first_day for each in waited],
            "first": days.first,
            "last": days.last,
        },
    ).fetchall()
    return tuple(
        Late(
            each.account_id,
            tuple(day for account, day, held in rows if account == each.account_id and not held),
            tuple(day for account, day, held in rows if account == each.account_id and held),
        )
        for each in waited
        if any(account == each.account_id for account, _, _ in rows)
    )

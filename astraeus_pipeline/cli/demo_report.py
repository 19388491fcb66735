"""What the demo left in the marts, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from astraeus_pipeline.cli.output import console, print_table
from astraeus_pipeline.errors import AstraeusError

if TYPE_CHECKING:
    import psycopg

    from astraeus_pipeline.warehouse.engine import Database

_COSTS: Final = """
select provider, account_id, billing_currency, sum(charges), min(usage_date), max(usage_date),
    sum(billed_cost), sum(effective_cost)
from marts.fct_daily_costs
group by 1, 2, 3
order by 1, 2
"""
_TIED: Final = """
select account_id, count(distinct usage_date)
from marts.fct_reconciliations
where check_name = 'control_total' and state in ('exact', 'within rounding')
group by 1
"""
_RECONCILIATIONS: Final = """
select state, count(*) from marts.fct_reconciliations group by 1 order by 2 desc
"""
# What stands now less what stood first, of the days that did not stay as they were.
_RESTATED: Final = """
with first_stood as (
    select account_id, usage_date, billing_period, min(delivery_id) as delivery_id
    from marts.fct_cost_history
    group by 1, 2, 3
),
changes as (
    select account_id, usage_date, billing_currency, -billed_cost as change
    from marts.fct_cost_history
    inner join first_stood using (account_id, usage_date, billing_period, delivery_id)
    where billing_currency is not null
    union all
    select account_id, usage_date, billing_currency, billed_cost
    from marts.fct_daily_costs
    inner join first_stood using (account_id, usage_date, billing_period)
)
select account_id, count(*), min(usage_date), max(usage_date), trim_scale(sum(change)), currency
from (
    select account_id, usage_date, billing_currency as currency, sum(change) as change
    from changes
    group by 1, 2, 3
    having sum(change) <> 0
) as by_day
group by account_id, currency
order by 1
"""
_FRESHNESS: Final = """
select coalesce(held_back, case when is_gap then 'gap' else state end), count(*)
from marts.fct_freshness
where dataset = 'costs'
group by 1
order by 2 desc
"""
_RESOURCES: Final = """
select account_id, resource_type, count(*)
from marts.dim_resources
where is_active
group by 1, 2
order by 1, 3 desc
"""
_ANOMALIES: Final = """
select account_id, service_name, reason, start_date, end_date, round(excess_cost, 2),
    billing_currency, severity
from marts.fct_cost_anomalies
where kind = 'cost' and scope = 'service'
order by 1, 4
"""
_TEAMS: Final = """
select billing_currency, coalesce(team, 'unallocated'), team_source,
    trim_scale(sum(effective_cost)), trim_scale(sum(billed_cost))
from marts.fct_daily_allocated_costs
group by 1, 2, 3, team
order by 1, team nulls last, 3
"""
_SAVINGS: Final = """
select kind, count(*), count(*) - count(monthly_saving),
    round(sum(monthly_saving) filter (where counts_in_total), 2), billing_currency
from marts.fct_recommendations
where state = 'open'
group by 1, 5
order by 1, 5
"""
_BUDGETS: Final = """
select distinct on (budget_id) name, state, round(actual_cost, 2), budget_amount, billing_currency,
    round(100 * actual_share, 1), round(100 * expected_share, 1), round(forecast_cost, 2),
    coalesce(breach_date, forecast_breach_date)
from marts.fct_budget_status
order by budget_id, period_start desc
"""
# As docs and app have it; a state that is not here is no good one.
_MEANINGS: Final = {
    "exact": "both sides are the same to the last decimal",
    "within rounding": "the rest is smaller than what the provider itself rounds",
    "no control total": "nobody states one: a FOCUS file, a cost type or an invoice without it",
    "not comparable yet": "the day or month is still open at the provider",
    "accepted": "a person let the rest in and said why",
}
_KINDS_SHOWN: Final = 3
_DAYS: Final = {
    "missing": "not billed yet",
    "partial": "still filling",
    "estimated": "bill open",
}


def show(database: Database) -> None:
    """Print what stands, tied to the providers' own totals.

    Raises: AstraeusError if a comparison leaves a residual that nothing explains.
    """
    with database.connect("operator", autocommit=True) as conn:
        _print_costs(conn)
        _print_restated(conn)
        days = ", ".join(
            f"{count} {state}" + (f" ({_DAYS[state]})" if state in _DAYS else "")
            for state, count in conn.execute(_FRESHNESS).fetchall()
        )
        console.print(f"Days of costs: {days}", soft_wrap=True)
        _print_resources(conn.execute(_RESOURCES).fetchall())
        _print_anomalies(conn.execute(_ANOMALIES).fetchall())
        print_table(
            "Who bears them (`astraeus allocation list` shows the rules)",
            ["currency", "team", "how", "effective cost", "billed cost"],
            conn.execute(_TEAMS).fetchall(),
        )
        print_table(
            "What could cost less (`astraeus savings list`)",
            ["kind", "found", "not priced", "saving a month", "currency"],
            conn.execute(_SAVINGS).fetchall(),
        )
        print_table(
            "Budgets of this month (`astraeus budget status` shows more)",
            [
                *("budget", "state", "spent", "of", "currency", "spent %", "of the month %"),
                *("forecast", "passed on"),
            ],
            conn.execute(_BUDGETS).fetchall(),
        )
        states: dict[str, int] = dict(conn.execute(_RECONCILIATIONS).fetchall())
    print_table(
        "Every layer against the next, and against the providers' own totals",
        ["comparisons", "state", "meaning"],
        ([count, state, _MEANINGS.get(state, "not explained")] for state, count in states.items()),
    )
    left = sum(count for state, count in states.items() if state not in _MEANINGS)
    if left or not states:
        raise AstraeusError(
            f"{left} of {sum(states.values())} comparisons leave a rest that nothing explains.",
            hint="`astraeus reconcile --state blocked` lists them.",
        )
    console.print(f"All {sum(states.values()):,} comparisons are exact or explained.")


def _print_costs(conn: psycopg.Connection) -> None:
    tied: dict[str, int] = dict(conn.execute(_TIED).fetchall())
    print_table(
        "What stands in the marts",
        [
            *("provider", "account", "currency", "charges", "from", "to", "billed", "effective"),
            "tied to the provider",
        ],
        (
            [*row[:6], f"{row[6]:,.2f}", f"{row[7]:,.2f}", _days(tied.get(row[1]))]
            for row in conn.execute(_COSTS).fetchall()
        ),
    )


def _days(count: int | None) -> str:
    return f"{count} days" if count else "states no total"


def _print_restated(conn: psycopg.Connection) -> None:
    print_table(
        "Restated since the first load",
        ["account", "days", "from", "to", "change of what is billed", "currency"],
        conn.execute(_RESTATED).fetchall(),
    )


def _print_resources(found: list[Any]) -> None:
    kinds: dict[str, dict[str, int]] = {}
    for account, kind, count in found:
        kinds.setdefault(account, {})[kind] = count
    print_table(
        "Resources that are there today",
        ["account", "resources", "most of them"],
        ([account, sum(counts.values()), _most(counts)] for account, counts in kinds.items()),
    )


def _most(counts: dict[str, int]) -> str:
    """Spell the first kinds and how many more there are; `counts` come in descending order."""
    first = [f"{count} {kind.rpartition('.')[2]}" for kind, count in counts.items()][:_KINDS_SHOWN]
    more = [f"{len(counts) - len(first)} kinds more"] if len(counts) > len(first) else []
    return ", ".join(first + more)


def _print_anomalies(found: list[tuple[Any, ...]]) -> None:
    from astraeus_pipeline.sandbox.estate import ANOMALIES

    planted = {(each.slug, each.service): each.kind for each in ANOMALIES}
    print_table(
        "Cost that was not expected",
        [
            *("account", "service", "kind", "from", "to"),
            *("more than expected", "currency", "severity", "planted"),
        ],
        ([*row, planted.pop((row[0], row[1]), "")] for row in found),
    )
    for (account, service), kind in planted.items():
        console.print(f"Planted and not found: {kind} in {service} ({account})")

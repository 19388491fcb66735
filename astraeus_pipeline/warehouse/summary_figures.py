"""The figures of a summary: the sums that the pages show, read while no build runs (build_lock)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import psycopg

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries import periods
from astraeus_pipeline.summaries.figures import (
    Comparison,
    DayCost,
    Figures,
    Late,
    Scope,
    ServiceCost,
    difference,
)
from astraeus_pipeline.summaries.periods import Period
from astraeus_pipeline.warehouse import summary_findings
from astraeus_pipeline.warehouse.summary_scope import (
    ScopedAccount,
    accounts_of,
    costs_of,
    late_of,
    parameters_of,
    waited_for,
)

_COLORED: Final = 5
_SERVICES: Final = 10
_MOVERS: Final = 5

_BY_DAY: Final = """
    with scoped as ({scoped})
    select usage_date, sum(cost), coalesce(sum(cost) filter (where not is_final), 0)
    from scoped group by usage_date order by usage_date
"""
_BY_SERVICE: Final = """
    with scoped as ({scoped})
    select
        account_id,
        service_name,
        coalesce(sum(cost) filter (where usage_date between %(first)s and %(last)s), 0),
        coalesce(sum(cost) filter (where usage_date between %(like_first)s and %(like_last)s), 0),
        coalesce(sum(cost) filter (where usage_date between %(then_first)s and %(then_last)s), 0)
    from scoped group by account_id, service_name order by account_id, service_name
"""
_STACKED: Final = """
    with scoped as ({scoped})
    select
        usage_date,
        case when service_name = any(%(colored)s) then service_name end as colored,
        sum(cost)
    from scoped group by 1, 2 order by 1, 2 nulls last
"""
_DELIVERED: Final = """
    select
        usage_date,
        count(*) filter (where state <> 'missing'),
        count(*) filter (where state = 'missing')
    from marts.fct_freshness
    where
        dataset = 'costs'
        and account_id = any(%(accounts)s)
        and (usage_date between %(first)s and %(last)s
            or usage_date between %(then_first)s and %(then_last)s
            or usage_date between %(year_first)s and %(year_last)s)
    group by usage_date
"""


def is_built(conn: psycopg.Connection) -> bool:
    """Whether the marts that every summary needs are there."""
    row = conn.execute(
        "select bool_and(to_regclass('marts.' || name) is not null)"
        " from unnest(%s::text[]) as name",
        [["fct_daily_costs", "fct_daily_allocated_costs", "fct_freshness", "dim_accounts"]],
    ).fetchone()
    return row is not None and bool(row[0])


def late(conn: psycopg.Connection, scope: Scope, days: DayRange) -> tuple[Late, ...]:
    """Return the active accounts in scope that lack days, or whose newest figures are held back."""
    accounts = accounts_of(conn, scope, days)
    return late_of(conn, waited_for(conn, scope, days, accounts), days)


def collect(
    conn: psycopg.Connection, name: str, period: Period, scope: Scope, days: DayRange, now: datetime
) -> Figures:
    """Return the figures of a scope's period. Connect as app, in autocommit, under `no_build`."""
    accounts = accounts_of(conn, scope, days)
    waited = waited_for(conn, scope, days, accounts)
    before = periods.alike(days, periods.before(period, days))
    year = periods.alike(days, periods.year_before(period, days))
    delivered = _delivered(conn, accounts, days, periods.before(period, days), year[1])
    sums = _by_day(conn, scope, [days, periods.before(period, days), year[1]])
    by_day = {day: cost for day, (cost, _) in sums.items()}
    is_known = any(delivered.get(day, (0, 0))[0] for day in days)
    compared = _compared(*before, by_day, delivered)
    services, rest, rest_count, movers = _services(conn, scope, days, compared)
    colored = [each.service_name for each in services[:_COLORED]]
    shown = [
        day
        for each in (days, compared.against)
        for day in each
        if day in by_day or delivered.get(day, (0, 0))[0]
    ]
    budgets = summary_findings.budgets(conn, scope, days, accounts)
    anomalies, more_anomalies = summary_findings.anomalies(conn, scope, days, accounts)
    return Figures(
        name=name,
        period=period,
        scope=scope,
        days=days,
        cost=_total(by_day, days) if is_known else None,
        open_cost=_total({day: held for day, (_, held) in sums.items()}, days)
        if is_known
        else None,
        before=compared,
        year_before=_compared(*year, by_day, delivered),
        by_day={day: by_day.get(day, money.ZERO) for day in shown},
        stacked=_stacked(conn, scope, days, colored),
        services=services,
        rest=rest,
        rest_count=rest_count,
        movers_up=[each for each in movers if each.change and each.change > 0][:_MOVERS],
        movers_down=[each for each in reversed(movers) if each.change and each.change < 0][
            :_MOVERS
        ],
        budgets=budgets,
        anomalies=anomalies,
        more_anomalies=more_anomalies,
        forecast=summary_findings.forecast(conn, scope, days, accounts, now.date()),
        savings=summary_findings.savings(conn, scope, accounts),
        late=late_of(conn, waited, days),
        data_through=min((each.data_through for each in waited if each.data_through), default=None),
        other_currencies=_other_currencies(conn, scope, days),
        as_of=now,
    )


def _query(sql: str, scope: Scope, days: str, **options: Any) -> bytes:
    return sql.replace("{scoped}", costs_of(scope, **options).replace("{days}", days)).encode()


def _by_day(
    conn: psycopg.Connection, scope: Scope, ranges: Sequence[DayRange]
) -> dict[date, tuple[Decimal, Decimal]]:
    """Return cost and open cost by day; finality is known of the first range only."""
    bound, conditions = parameters_of(scope, ranges[0]), []
    for number, days in enumerate(ranges):
        bound |= {f"first_{number}": days.first, f"last_{number}": days.last}
        conditions.append(f"costs.usage_date between %(first_{number})s and %(last_{number})s")
    sql = _query(_BY_DAY, scope, f"({' or '.join(conditions)})")
    return {day: (cost, held) for day, cost, held in conn.execute(sql, bound)}


def _delivered(
    conn: psycopg.Connection,
    accounts: Sequence[ScopedAccount],
    days: DayRange,
    before: DayRange,
    year: DayRange,
) -> dict[date, tuple[int, int]]:
    """Return how many accounts delivered a day, and how many did not."""
    rows = conn.execute(
        _DELIVERED,
        {
            "accounts": [each.account_id for each in accounts],
            **{"first": days.first, "last": days.last},
            **{"then_first": before.first, "then_last": before.last},
            **{"year_first": year.first, "year_last": year.last},
        },
    )
    return {day: (came, missing) for day, came, missing in rows}


def _compared(
    days: DayRange,
    against: DayRange,
    by_day: Mapping[date, Decimal],
    delivered: Mapping[date, tuple[int, int]],
) -> Comparison:
    """Compare equally many days; unknown where some day came of no account."""
    is_known = any(delivered.get(day, (0, 0))[0] for day in days)
    was_known = all(delivered.get(day, (0, 0))[0] for day in against)
    return Comparison(
        days,
        against,
        _total(by_day, days) if is_known else None,
        _total(by_day, against) if was_known else None,
        sum(delivered.get(day, (0, 0))[1] for day in against),
    )


def _services(
    conn: psycopg.Connection, scope: Scope, days: DayRange, compared: Comparison
) -> tuple[list[ServiceCost], ServiceCost | None, int, list[ServiceCost]]:
    """Return the dearest services, the sum and number of the rest, and movers, up first."""
    like, then = compared.days, compared.against
    bound = {
        **parameters_of(scope, days),
        **{"like_first": like.first, "like_last": like.last},
        **{"then_first": then.first, "then_last": then.last},
    }
    ranges = (
        "(costs.usage_date between %(first)s and %(last)s"
        " or costs.usage_date between %(then_first)s and %(then_last)s)"
    )
    rows = conn.execute(_query(_BY_SERVICE, scope, ranges), bound).fetchall()
    is_comparable = compared.against_cost is not None
    sums: dict[str, tuple[Decimal, Decimal, Decimal]] = defaultdict(lambda: (money.ZERO,) * 3)
    movers = []
    for account_id, service, *costs in rows:
        former = sums[service]
        sums[service] = _added(former, costs)
        movers.append(_service(service, costs, is_comparable, account_id))
    services = [_service(name, costs, is_comparable) for name, costs in sums.items()]
    charged = sorted(services, key=lambda each: (-each.cost, each.service_name))
    charged = [each for each in charged if each.cost or each.change]
    movers.sort(key=lambda each: (-(each.change or 0), each.account_id or "", each.service_name))
    rest = None
    if charged[_SERVICES:]:
        others = (money.ZERO,) * 3
        for each in charged[_SERVICES:]:
            others = _added(others, sums[each.service_name])
        rest = _service("", others, is_comparable)
    return charged[:_SERVICES], rest, len(charged[_SERVICES:]), movers


def _added(
    left: tuple[Decimal, Decimal, Decimal], right: Sequence[Decimal]
) -> tuple[Decimal, Decimal, Decimal]:
    first, second, third = (money.add(*pair) for pair in zip(left, right, strict=True))
    return first, second, third


def _service(
    name: str, costs: Sequence[Decimal], is_comparable: bool, account_id: str | None = None
) -> ServiceCost:
    cost, like, then = costs
    before = then if is_comparable else None
    return ServiceCost(name, cost, before, difference(like, before), account_id)


def _stacked(
    conn: psycopg.Connection, scope: Scope, days: DayRange, colored: list[str]
) -> list[DayCost]:
    sql = _query(_STACKED, scope, "costs.usage_date between %(first)s and %(last)s")
    rows = conn.execute(sql, {**parameters_of(scope, days), "colored": colored})
    return [DayCost(*row) for row in rows]


def _other_currencies(conn: psycopg.Connection, scope: Scope, days: DayRange) -> list[str]:
    sql = _query(
        "with scoped as ({scoped}) select distinct billing_currency from scoped"
        " where billing_currency <> %(currency)s order by 1",
        scope,
        "costs.usage_date between %(first)s and %(last)s",
        in_any_currency=True,
    )
    return [row[0] for row in conn.execute(sql, parameters_of(scope, days))]


def _total(by_day: Mapping[date, Decimal], days: DayRange) -> Decimal:
    return money.total(by_day.get(day, money.ZERO) for day in days)

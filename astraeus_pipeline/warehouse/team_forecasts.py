"""Forecasts of teams: what the rules give each of them, over all accounts, per currency.

Past costs are those of today's rules, so a rule that moves a cost moves its past, too, and is no
change of trend. All teams are forecast together whenever anything settled differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import psycopg

from astraeus_pipeline.anomalies.floors import floor_of
from astraeus_pipeline.anomalies.panel import Floats, Panel
from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.forecasts.costs import LOOKBACK, Costs
from astraeus_pipeline.warehouse import forecast_rows
from astraeus_pipeline.warehouse.forecast_rows import Summary

_MODEL: Final = "team_forecasts"
# An account that has not come for so long is not waited for.
_PATIENCE: Final = timedelta(days=14)

_SETTLED: Final = """
    select max(freshness.usage_date)
    from marts.fct_freshness as freshness
    where freshness.dataset = 'costs' and freshness.state not in ('missing', 'partial')
        and freshness.rows > 0
    group by freshness.account_id
"""
_STATE: Final = """
    select concat_ws(' ', %(method)s::text, %(last)s::date, count(*), max(built_at))
    from intermediate.built_slices
    where model = 'int_team_series' and usage_date <= %(last)s
"""
_SPENT: Final = """
    create temporary table spent on commit drop as
    select md5(concat_ws('|', 'team', coalesce(team, chr(1)), billing_currency)) as series_key,
        'team' as scope, null::text as provider, null::text as account_id,
        null::text as sub_account_id, null::text as service_name, team, billing_currency,
        usage_date, is_usage, sum(effective_cost) as effective_cost
    from intermediate.int_team_series
    where usage_date between %(begin)s and %(last)s
        -- without a single team there is nothing to tell from the rest
        and exists (select from intermediate.int_team_series where team is not null)
    group by team, billing_currency, usage_date, is_usage
"""


class _Team(NamedTuple):
    """A series: what a team bears in a currency."""

    key: str
    currency: str
    first_day: date


def forecast(conn: psycopg.Connection, summary: Summary) -> bool:
    """Forecast all teams if their settled costs or the rules changed; whether they had."""
    last = _last_settled(conn)
    if last is None:
        return False
    begin = last - timedelta(days=LOOKBACK)
    with conn.transaction():
        row = conn.execute(_STATE, {"method": METHOD, "last": last}).fetchone()
        made = conn.execute(
            "select logic from intermediate.built_slices where model = %s", [_MODEL]
        ).fetchone()
        if row == made:
            return False
        for table in ("forecasts", "forecast_errors"):
            conn.execute(
                f"delete from intermediate.{table} where scope = 'team'"  # noqa: S608 - literals
            )
        conn.execute(_SPENT, {"begin": begin, "last": last})
        teams, costs, floors = _costs(conn, begin, last)
        if teams:
            keys = [each.key for each in teams]
            forecast_rows.write(conn, keys, costs, floors, last, summary)
            summary.teams += len(teams)
        conn.execute("drop table spent")
        conn.execute("delete from intermediate.built_slices where model = %s", [_MODEL])
        conn.execute(
            "insert into intermediate.built_slices"
            " (model, account_id, usage_date, billing_period, delivery_id, logic)"
            " values (%s, '', %s, %s, 0, %s)",
            [_MODEL, last, last.replace(day=1), *(row or [None])],
        )
    return True


def _last_settled(conn: psycopg.Connection) -> date | None:
    """Return the last day that all accounts still coming have settled."""
    lasts: list[date] = [row[0] for row in conn.execute(_SETTLED)]
    if not lasts:
        return None
    return min(each for each in lasts if each >= max(lasts) - _PATIENCE)


def _costs(
    conn: psycopg.Connection, begin: date, last: date
) -> tuple[Sequence[_Team], Costs, Floats]:
    """Return the series, their costs on a dense calendar and the least amounts that matter."""
    teams = [
        _Team(*row)
        for row in conn.execute(
            "select series_key, billing_currency, min(usage_date) from spent"
            " where effective_cost > 0 group by 1, 2 order by 1"
        )
    ]
    days = [begin + timedelta(days=each) for each in range((last - begin).days + 1)]
    places = {each.key: row for row, each in enumerate(teams)}
    usage, recurring = np.zeros((2, len(teams), len(days)))
    delivered = np.zeros(len(days), dtype=np.bool_)
    for key, day, cost, is_usage in conn.execute(
        "select series_key, usage_date, effective_cost::float8, is_usage from spent"
    ):
        at = (day - begin).days
        delivered[at] |= is_usage
        if key in places:
            (usage if is_usage else recurring)[places[key], at] += cost
    usage[:, ~delivered] = np.nan
    for row, each in enumerate(teams):
        usage[row, : (each.first_day - begin).days] = np.nan
    first_day = min((each.first_day for each in teams), default=begin)
    panel = Panel(
        days=days,
        costs=usage,
        groups=np.zeros(len(teams), dtype=np.int64),
        first_days=[each.first_day for each in teams],
        group_first_days=[first_day] * len(teams),
        floors=np.array([float(floor_of(each.currency)) for each in teams]),
    )
    return teams, Costs.of(panel, recurring), panel.floors

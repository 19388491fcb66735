"""Scores of usage series: what changed since the last scoring is scored again, and only that.

The scored slices stand in intermediate.built_slices beside those of dbt's models and are compared
in the same way. What a day's score reads lies in the LOOKBACK days before it, so an account is
scored from its earliest changed day on, whatever the length of its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import psycopg

from astraeus_pipeline.anomalies import METHOD
from astraeus_pipeline.anomalies.floors import floor_of
from astraeus_pipeline.anomalies.panel import LOOKBACK, Panel
from astraeus_pipeline.anomalies.scoring import REASONS, Scores, score
from astraeus_pipeline.warehouse import anomaly_incidents

_MODEL: Final = "fct_anomaly_scores"

# Days that may still fill up are left for later: they would look like savings, then like spikes.
_SETTLED: Final = """
    select series.account_id, series.usage_date, series.billing_period, series.delivery_id,
        concat_ws(' ', %(method)s::text, series.logic) as logic
    from intermediate.built_slices as series
    inner join marts.fct_freshness as freshness
        on freshness.dataset = 'costs'
        and freshness.account_id = series.account_id
        and freshness.usage_date = series.usage_date
        and freshness.state not in ('missing', 'partial')
    where series.model = 'int_usage_series'
"""
_SCORED: Final = "select * from intermediate.built_slices where model = %(model)s"
_SETTLED_OF_ACCOUNT: Final = f"{_SETTLED} and series.account_id = %(account)s"
_PENDING: Final = f"""
    select account_id, min(usage_date), max(settled.usage_date)
    from ({_SETTLED}) as settled
    full join ({_SCORED}) as scored using (account_id, usage_date, billing_period)
    where settled.delivery_id is distinct from scored.delivery_id
        or settled.logic is distinct from scored.logic
    group by 1 order by 1
"""  # noqa: S608 - literals


class Pending(NamedTuple):
    """An account whose days from `first` on must be scored again."""

    account_id: str
    first: date


@dataclass
class Summary:
    """What a scoring came to."""

    accounts: int = 0
    series: int = 0
    series_days: int = 0
    flagged_days: int = 0
    incidents: int = 0


@dataclass(frozen=True)
class _Series:
    key: str
    currency: str
    first_day: date


def pending(conn: psycopg.Connection) -> list[Pending]:
    """Return the accounts whose settled usage differs from what was scored."""
    rows = conn.execute(_PENDING, {"method": METHOD, "model": _MODEL}).fetchall()
    return [Pending(account_id, first) for account_id, first, _ in rows]


def score_changes(conn: psycopg.Connection) -> Summary:
    """Score what changed, each account in a transaction of its own.

    Connect as dbt, in autocommit, while no build runs.
    """
    summary = Summary()
    for each in pending(conn):
        with conn.transaction():
            _score_account(conn, each, summary)
    return summary


def _score_account(conn: psycopg.Connection, changed: Pending, summary: Summary) -> None:
    account_id, first = changed
    conn.execute(
        "delete from intermediate.anomaly_scores where account_id = %s and usage_date >= %s",
        [account_id, first],
    )
    last = _last_settled(conn, account_id)
    if last is not None and first <= last:
        begin = first - timedelta(days=LOOKBACK)
        series = _series(conn, account_id, begin, last)
        if series:
            panel = _panel(conn, account_id, series, begin, last)
            found = score(panel, first, last)
            flagged = _keep(conn, account_id, series, panel, found)
            summary.series += len(series)
            summary.series_days += int((~np.isnan(found.score)).sum())
            summary.flagged_days += flagged
    summary.accounts += 1
    summary.incidents += anomaly_incidents.gather(conn, account_id, first)
    _remember(conn, account_id)


def _last_settled(conn: psycopg.Connection, account_id: str) -> date | None:
    row = conn.execute(
        f"select max(usage_date) from ({_SETTLED_OF_ACCOUNT}) as settled",  # noqa: S608 - literals
        {"method": METHOD, "account": account_id},
    ).fetchone()
    return row[0] if row else None


def _series(conn: psycopg.Connection, account_id: str, begin: date, last: date) -> list[_Series]:
    """Return the series with usage in the panel, and when each had cost for the first time."""
    rows = conn.execute(
        "select series_key, billing_currency,"
        " min(usage_date) filter (where effective_cost > 0)"
        " from intermediate.int_usage_series where account_id = %(account)s"
        " and usage_date <= %(last)s group by 1, 2"
        " having max(usage_date) >= %(begin)s"
        " and min(usage_date) filter (where effective_cost > 0) is not null order by 1",
        {"account": account_id, "begin": begin, "last": last},
    )
    return [_Series(*row) for row in rows]


def _panel(
    conn: psycopg.Connection, account_id: str, series: Sequence[_Series], begin: date, last: date
) -> Panel:
    """Lay the usage on a dense calendar: no row is 0, unless the account has none that day."""
    days = [begin + timedelta(days=each) for each in range((last - begin).days + 1)]
    places = {each.key: row for row, each in enumerate(series)}
    costs = np.zeros((len(series), len(days)))
    delivered = np.zeros(len(days), dtype=np.bool_)
    for key, day, cost in conn.execute(
        "select series_key, usage_date, effective_cost::float8"
        " from intermediate.int_usage_series where account_id = %s"
        " and usage_date between %s and %s",
        [account_id, begin, last],
    ):
        delivered[(day - begin).days] = True
        if key in places:
            costs[places[key], (day - begin).days] = cost
    costs[:, ~delivered] = np.nan
    for row, each in enumerate(series):
        costs[row, : max(0, (each.first_day - begin).days)] = np.nan
    group_first = _first_day(conn, account_id)
    return Panel(
        days=days,
        costs=costs,
        groups=np.zeros(len(series), dtype=np.int64),
        first_days=[each.first_day for each in series],
        group_first_days=[group_first] * len(series),
        floors=np.array([float(floor_of(each.currency)) for each in series]),
    )


def _first_day(conn: psycopg.Connection, account_id: str) -> date:
    row = conn.execute(
        "select min(usage_date) from intermediate.int_usage_series"
        " where account_id = %s and effective_cost > 0",
        [account_id],
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives a row
    first: date = row[0]
    return first


def _keep(
    conn: psycopg.Connection,
    account_id: str,
    series: Sequence[_Series],
    panel: Panel,
    found: Scores,
) -> int:
    """Write the scores beside the exact costs; return how many days are flagged."""
    conn.execute(
        "create temporary table scored (series_key text, usage_date date, expected_cost numeric,"
        " lower_cost numeric, upper_cost numeric, score float8, reason text) on commit drop"
    )
    flagged = 0
    with conn.cursor() as cursor, cursor.copy("copy scored from stdin") as copy:
        for row in _rows(series, panel, found):
            flagged += row[-1] is not None
            copy.write_row(row)
    conn.execute(
        "insert into intermediate.anomaly_scores (series_key, scope, provider, account_id,"
        " sub_account_id, service_name, billing_currency, usage_date, method, actual_cost,"
        " expected_cost, lower_cost, upper_cost, score, reason)"
        " select scored.series_key, named.scope, named.provider, named.account_id,"
        " named.sub_account_id, named.service_name, named.billing_currency, scored.usage_date,"
        " %(method)s, coalesce(usage.effective_cost, 0), scored.expected_cost, scored.lower_cost,"
        " scored.upper_cost, scored.score, scored.reason"
        " from scored inner join ("
        "  select distinct on (series_key) * from intermediate.int_usage_series"
        "  where account_id = %(account)s order by series_key, usage_date desc"
        " ) as named using (series_key)"
        " left join intermediate.int_usage_series as usage"
        " on usage.account_id = %(account)s and usage.series_key = scored.series_key"
        " and usage.usage_date = scored.usage_date",
        {"method": METHOD, "account": account_id},
    )
    conn.execute("drop table scored")
    return flagged


def _rows(series: Sequence[_Series], panel: Panel, found: Scores) -> Iterator[tuple[object, ...]]:
    """Yield the scored days on which cost or expectation reaches the floor, or a flag stands."""
    lead = (found.days[0] - panel.days[0]).days
    costs = panel.costs[:, lead : lead + len(found.days)]
    counted = np.fmax(costs, found.expected) >= panel.floors[:, None]
    kept = ~np.isnan(found.score) & (counted | (found.reason > 0))
    for row, at in np.argwhere(kept):
        yield (
            series[row].key,
            found.days[at],
            f"{found.expected[row, at]:.6f}",
            f"{found.lower[row, at]:.6f}",
            f"{found.upper[row, at]:.6f}",
            round(float(found.score[row, at]), 4),
            REASONS[found.reason[row, at]],
        )


def _remember(conn: psycopg.Connection, account_id: str) -> None:
    """Note what the account's scores are made from now."""
    parameters = {"model": _MODEL, "method": METHOD, "account": account_id}
    conn.execute(
        "delete from intermediate.built_slices where model = %(model)s"
        " and account_id = %(account)s",
        parameters,
    )
    conn.execute(
        "insert into intermediate.built_slices"  # noqa: S608 - literals
        " (model, account_id, usage_date, billing_period, delivery_id, logic)"
        f" select %(model)s, settled.* from ({_SETTLED_OF_ACCOUNT}) as settled",
        parameters,
    )

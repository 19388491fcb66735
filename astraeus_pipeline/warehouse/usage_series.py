"""Settled usage of an account as arrays, and a note of which of it something was made from.

What is made from it stands in intermediate.built_slices beside dbt's models and is compared in the
same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import psycopg

from astraeus_pipeline.anomalies.floors import floor_of
from astraeus_pipeline.anomalies.panel import Panel

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
_MADE: Final = "select * from intermediate.built_slices where model = %(model)s"
_SETTLED_OF_ACCOUNT: Final = f"{_SETTLED} and series.account_id = %(account)s"
_PENDING: Final = f"""
    select account_id, min(usage_date)
    from ({_SETTLED}) as settled
    full join ({_MADE}) as made using (account_id, usage_date, billing_period)
    where settled.delivery_id is distinct from made.delivery_id
        or settled.logic is distinct from made.logic
    group by 1 order by 1
"""  # noqa: S608 - literals
_FORGET: Final = f"""
    delete from intermediate.built_slices as made
    where made.model = %(model)s and made.account_id = %(account)s
        and not exists (
            select from ({_SETTLED_OF_ACCOUNT}) as settled
            where settled.usage_date = made.usage_date
                and settled.billing_period = made.billing_period
        )
"""  # noqa: S608 - literals
_REMEMBER: Final = f"""
    insert into intermediate.built_slices as made
        (model, account_id, usage_date, billing_period, delivery_id, logic)
    select %(model)s, settled.* from ({_SETTLED_OF_ACCOUNT}) as settled
    on conflict (model, account_id, usage_date, billing_period) do update
    set delivery_id = excluded.delivery_id, logic = excluded.logic, built_at = clock_timestamp()
    where made.delivery_id is distinct from excluded.delivery_id
        or made.logic is distinct from excluded.logic
"""  # noqa: S608 - literals


class Pending(NamedTuple):
    """An account whose days from `first` on changed."""

    account_id: str
    first: date


@dataclass(frozen=True)
class Series:
    """A series, and when it had cost for the first time."""

    key: str
    currency: str
    first_day: date


def pending(conn: psycopg.Connection, model: str, method: str) -> list[Pending]:
    """Return the accounts whose settled usage differs from what `model` was made from."""
    rows = conn.execute(_PENDING, {"method": method, "model": model}).fetchall()
    return [Pending(*row) for row in rows]


def remember(conn: psycopg.Connection, model: str, method: str, account_id: str) -> None:
    """Note what the account's part of `model` is made from now."""
    parameters = {"model": model, "method": method, "account": account_id}
    # What stands as it was is not written again: an account's days are many, those of a day few.
    conn.execute(_FORGET, parameters)
    conn.execute(_REMEMBER, parameters)


def last_settled(conn: psycopg.Connection, account_id: str) -> date | None:
    """Return the account's last settled day with a delivery."""
    row = conn.execute(
        f"select max(usage_date) from ({_SETTLED_OF_ACCOUNT}) as settled",  # noqa: S608 - literals
        {"method": "", "account": account_id},
    ).fetchone()
    return row[0] if row else None


def series_of(conn: psycopg.Connection, account_id: str, begin: date, last: date) -> list[Series]:
    """Return the series with usage between two days."""
    rows = conn.execute(
        "select seen.series_key, seen.billing_currency, began.usage_date"
        " from ("
        "  select distinct series_key, billing_currency from intermediate.int_usage_series"
        "  where account_id = %(account)s and usage_date between %(begin)s and %(last)s"
        " ) as seen"
        # by its index: what came since is not read
        " cross join lateral ("
        "  select usage_date from intermediate.int_usage_series as first"
        "  where first.series_key = seen.series_key"
        "  and first.billing_currency = seen.billing_currency"
        "  and first.effective_cost > 0 and first.usage_date <= %(last)s"
        "  order by first.usage_date limit 1"
        " ) as began order by 1",
        {"account": account_id, "begin": begin, "last": last},
    )
    return [Series(*row) for row in rows]


def panel_of(
    conn: psycopg.Connection, account_id: str, series: Sequence[Series], begin: date, last: date
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

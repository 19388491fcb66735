"""Forecasts of accounts: those with new or restated days are forecast again, and only those.

Forecasts and backtests read the LOOKBACK days before an account's last settled day, whatever the
length of its history. How far intervals reach is taken from the errors of all accounts together:
a small table, made anew whenever an error changed, by which the marts' views draw the bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import psycopg

from astraeus_pipeline.anomalies.panel import Floats
from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.forecasts.calibration import reach
from astraeus_pipeline.forecasts.costs import LOOKBACK, Costs
from astraeus_pipeline.warehouse import forecast_rows, team_forecasts
from astraeus_pipeline.warehouse import usage_series as usage
from astraeus_pipeline.warehouse.forecast_rows import Summary

_MODEL: Final = "fct_forecasts"

# Usage as it is forecast from, and what is charged beside it; sums stay exact.
_SPENT: Final = """
    create temporary table spent on commit drop as
    select series_key, scope, provider, account_id, sub_account_id, service_name,
        null::text as team, billing_currency, usage_date, effective_cost, true as is_usage
    from intermediate.int_usage_series
    where account_id = %(account)s and usage_date between %(begin)s and %(last)s
    union all
    select series_key, scope, provider, account_id, sub_account_id, service_name, null,
        billing_currency, usage_date, effective_cost, false
    from intermediate.int_recurring_series
    where account_id = %(account)s and usage_date between %(begin)s and %(last)s
"""


class _Asked(NamedTuple):
    """What shares a calibration."""

    scope: str
    method: str
    horizon: int


def forecast_changes(conn: psycopg.Connection) -> Summary:
    """Forecast the accounts that changed, each in a transaction of its own; then teams; calibrate.

    Connect as dbt, in autocommit, while no build runs.
    """
    summary = Summary()
    for account_id, _ in usage.pending(conn, _MODEL, METHOD):
        with conn.transaction():
            _forecast_account(conn, account_id, summary)
            summary.accounts += 1
    if team_forecasts.forecast(conn, summary) or summary.accounts or _is_uncalibrated(conn):
        with conn.transaction():
            _calibrate(conn)
    return summary


def _forecast_account(conn: psycopg.Connection, account_id: str, summary: Summary) -> None:
    for table in ("forecasts", "forecast_errors"):
        conn.execute(
            f"delete from intermediate.{table} where account_id = %s",  # noqa: S608 - literals
            [account_id],
        )
    last = usage.last_settled(conn, account_id)
    if last is not None:
        begin = last - timedelta(days=LOOKBACK)
        span: Mapping[str, object] = {"account": account_id, "begin": begin, "last": last}
        conn.execute(_SPENT, span)
        keys, costs, floors = _costs(conn, account_id, begin, last)
        if keys:
            forecast_rows.write(conn, keys, costs, floors, last, summary)
        conn.execute("drop table spent")
    usage.remember(conn, _MODEL, METHOD, account_id)


def _costs(
    conn: psycopg.Connection, account_id: str, begin: date, last: date
) -> tuple[list[str], Costs, Floats]:
    """Return the series' keys, their costs and the least amounts that matter."""
    series = usage.series_of(conn, account_id, begin, last)
    known = {each.key for each in series}
    # A support plan or a subscription has no usage: its series is nothing but fees.
    first_day = min((each.first_day for each in series), default=begin)
    for key, currency in conn.execute(
        "select distinct series_key, billing_currency from spent where not is_usage order by 1"
    ):
        if key not in known:
            series.append(usage.Series(key, currency, first_day))
    panel = usage.panel_of(conn, account_id, series, begin, last)
    recurring = np.zeros_like(panel.costs)
    places = {each.key: row for row, each in enumerate(series)}
    for key, day, cost in conn.execute(
        "select series_key, usage_date, effective_cost::float8 from spent where not is_usage"
    ):
        recurring[places[key], (day - begin).days] += cost
    return [each.key for each in series], Costs.of(panel, recurring), panel.floors


def _is_uncalibrated(conn: psycopg.Connection) -> bool:
    """Whether a run ended between its forecasts and their calibration."""
    row = conn.execute(
        "select exists (select from intermediate.forecasts as said"
        " left join intermediate.forecast_calibrations as held"
        " using (scope, method, as_of, horizon) where held.scope is null)"
    ).fetchone()
    return bool(row and row[0])


def _calibrate(conn: psycopg.Connection) -> None:
    """Say for each day on which something is or would have been said how far its bounds reach."""
    errors: dict[_Asked, list[tuple[date, float]]] = defaultdict(list)
    for scope, method, horizon, month, error in conn.execute(
        "select scope, method, horizon, (month + interval '1 month')::date - 1, log_error / scale"
        " from intermediate.forecast_errors"
    ):
        errors[_Asked(scope, method, horizon)].append((month, error))
    asked = conn.execute(
        "select scope, method, horizon, as_of from intermediate.forecasts"
        " union select scope, method, horizon, as_of from intermediate.forecast_errors"
    ).fetchall()
    conn.execute("delete from intermediate.forecast_calibrations")
    known = {
        each: (np.array([month.toordinal() for month, _ in found]), np.array([e for _, e in found]))
        for each, found in errors.items()
    }
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "copy intermediate.forecast_calibrations"
            " (scope, method, horizon, as_of, reach, months, errors) from stdin"
        ) as copy,
    ):
        for scope, method, horizon, as_of in asked:
            months, sizes = known.get(_Asked(scope, method, horizon), (np.zeros(0), np.zeros(0)))
            over = months <= as_of.toordinal()
            count = len(np.unique(months[over]))
            held = reach(sizes[over], count)
            copy.write_row((scope, method, horizon, as_of, held, count, int(over.sum())))

"""Forecasts of accounts: those with new or restated days are forecast again, and only those.

Forecasts and backtests read the LOOKBACK days before an account's last settled day, whatever the
length of its history. How far intervals reach is taken from the errors of all accounts together:
a small table, made anew whenever an error changed, by which the marts' views draw the bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import psycopg

from astraeus_pipeline.anomalies.panel import Floats
from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.forecasts.backtest import Backtest, backtest
from astraeus_pipeline.forecasts.calibration import reach
from astraeus_pipeline.forecasts.costs import LOOKBACK, Costs
from astraeus_pipeline.forecasts.outlook import METHODS, Outlook, look_ahead
from astraeus_pipeline.warehouse import usage_series as usage

_MODEL: Final = "fct_forecasts"

# Usage as it is forecast from, and what is charged beside it; sums stay exact.
_SPENT: Final = """
    create temporary table spent on commit drop as
    select series_key, scope, provider, sub_account_id, service_name, billing_currency, usage_date,
        effective_cost, true as is_usage
    from intermediate.int_usage_series
    where account_id = %(account)s and usage_date between %(begin)s and %(last)s
    union all
    select series_key, scope, provider, sub_account_id, service_name, billing_currency, usage_date,
        effective_cost, false
    from intermediate.int_recurring_series
    where account_id = %(account)s and usage_date between %(begin)s and %(last)s
"""
_SAID: Final = """
    create temporary table said (
        series_key text, method text, as_of date, month date, horizon integer, rest_cost numeric,
        scale float8, log_error float8
    ) on commit drop
"""
_SUMS: Final = """
    create temporary table sums on commit drop as
    select asked.series_key, asked.as_of, asked.month,
        coalesce(sum(spent.effective_cost) filter (where spent.usage_date <= asked.as_of), 0)
            as booked_cost,
        coalesce(sum(spent.effective_cost), 0) as actual_cost
    from (select distinct series_key, as_of, month from said) as asked
    left join spent on spent.series_key = asked.series_key
        and spent.usage_date between asked.month
            and (asked.month + interval '1 month')::date - 1
    group by 1, 2, 3
"""
_NAMED: Final = """
    from said
    inner join sums using (series_key, as_of, month)
    inner join (
        select distinct on (series_key) series_key, scope, provider, sub_account_id, service_name,
            billing_currency
        from spent order by series_key, usage_date desc
    ) as named using (series_key)
"""
_KEEP: Final = f"""
    insert into intermediate.forecasts (series_key, scope, provider, account_id, sub_account_id,
        service_name, billing_currency, method, as_of, month, horizon, booked_cost, rest_cost,
        scale)
    select series_key, scope, provider, %(account)s, sub_account_id, service_name,
        billing_currency, method, as_of, month, horizon, booked_cost, rest_cost, scale
    {_NAMED}
    where as_of = %(last)s and method = %(method)s and (booked_cost <> 0 or rest_cost <> 0)
"""
_KEEP_ERRORS: Final = f"""
    insert into intermediate.forecast_errors (series_key, scope, provider, account_id,
        sub_account_id, service_name, billing_currency, method, as_of, month, horizon,
        booked_cost, rest_cost, actual_cost, scale, log_error)
    select series_key, scope, provider, %(account)s, sub_account_id, service_name,
        billing_currency, method, as_of, month, horizon, booked_cost, rest_cost, actual_cost,
        scale, log_error
    {_NAMED}
    where log_error is not null
"""


@dataclass
class Summary:
    """What a run came to."""

    accounts: int = 0
    series: int = 0
    forecasts: int = 0
    errors: int = 0


class _Asked(NamedTuple):
    """What shares a calibration."""

    scope: str
    method: str
    horizon: int


def forecast_changes(conn: psycopg.Connection) -> Summary:
    """Forecast the accounts that changed, each in a transaction of its own; then calibrate.

    Connect as dbt, in autocommit, while no build runs.
    """
    summary = Summary()
    for account_id, _ in usage.pending(conn, _MODEL, METHOD):
        with conn.transaction():
            _forecast_account(conn, account_id, summary)
            summary.accounts += 1
    if summary.accounts or _is_uncalibrated(conn):
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
        conn.execute("create index on spent (series_key, usage_date)")
        keys, costs, floors = _costs(conn, account_id, begin, last)
        if keys:
            outlook = look_ahead(costs, last)
            past, scales = backtest(costs, last, floors)
            conn.execute(_SAID)
            with conn.cursor() as cursor, cursor.copy("copy said from stdin") as copy:
                for row in _rows(keys, outlook, scales, past):
                    copy.write_row(row)
            conn.execute(_SUMS)
            kept = conn.execute(_KEEP, {"account": account_id, "last": last, "method": METHOD})
            errors = conn.execute(_KEEP_ERRORS, {"account": account_id})
            summary.series += len(keys)
            summary.forecasts += kept.rowcount
            summary.errors += errors.rowcount
            conn.execute("drop table said, sums")
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


def _rows(
    keys: Sequence[str],
    outlook: Outlook,
    scales: Mapping[str, Floats],
    past: Sequence[Backtest],
) -> Iterator[tuple[object, ...]]:
    """Yield what is said today, and what would have been said with how far off it was."""
    unknown = np.full(outlook.booked.shape, np.nan)
    said = [(outlook, scales[METHOD], unknown, METHOD)]
    said += [
        (each.outlook, each.scales[method], each.errors[method], method)
        for each in past
        for method in METHODS
    ]
    for seen, scale, errors, method in said:
        rest = seen.rest[method]
        shown = ~np.isnan(rest) if errors is unknown else ~np.isnan(errors)
        scale = np.broadcast_to(scale, rest.shape)
        for row, at in np.argwhere(shown):
            error = errors[row, at]
            yield (
                keys[row],
                method,
                seen.as_of,
                seen.months[at].first,
                int(at),
                f"{rest[row, at]:.6f}",
                float(scale[row, at]),
                None if np.isnan(error) else float(error),
            )


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

"""What forecasts and backtests come to, with sums that the database takes itself, to the cent.

The caller has made a temporary table `spent` (series_key, scope, provider, account_id,
sub_account_id, service_name, team, billing_currency, usage_date, effective_cost, is_usage) of the
series' costs: usage, and what is charged beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import psycopg

from astraeus_pipeline.anomalies.panel import Floats
from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.forecasts.backtest import Backtest, backtest
from astraeus_pipeline.forecasts.costs import Costs
from astraeus_pipeline.forecasts.outlook import METHODS, Outlook, look_ahead

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
        select distinct on (series_key) series_key, scope, provider, account_id, sub_account_id,
            service_name, team, billing_currency
        from spent order by series_key, usage_date desc
    ) as named using (series_key)
"""
_KEEP: Final = f"""
    insert into intermediate.forecasts (series_key, scope, provider, account_id, sub_account_id,
        service_name, team, billing_currency, method, as_of, month, horizon, booked_cost, rest_cost,
        scale)
    select series_key, scope, provider, account_id, sub_account_id, service_name, team,
        billing_currency, method, as_of, month, horizon, booked_cost, rest_cost, scale
    {_NAMED}
    where as_of = %(last)s and method = %(method)s and (booked_cost <> 0 or rest_cost <> 0)
"""
_KEEP_ERRORS: Final = f"""
    insert into intermediate.forecast_errors (series_key, scope, provider, account_id,
        sub_account_id, service_name, team, billing_currency, method, as_of, month, horizon,
        booked_cost, rest_cost, actual_cost, scale, log_error)
    select series_key, scope, provider, account_id, sub_account_id, service_name, team,
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
    teams: int = 0


def write(
    conn: psycopg.Connection,
    keys: Sequence[str],
    costs: Costs,
    floors: Floats,
    last: date,
    summary: Summary,
) -> None:
    """Forecast the series from their last settled day, and backtest them; keep and count both."""
    # Without statistics the planner loops over all costs for each row that is said.
    conn.execute("create index on spent (series_key, usage_date)")
    conn.execute("analyze spent")
    outlook = look_ahead(costs, last)
    past, scales = backtest(costs, last, floors)
    conn.execute(_SAID)
    with conn.cursor() as cursor, cursor.copy("copy said from stdin") as copy:
        for row in _rows(keys, outlook, scales, past):
            copy.write_row(row)
    conn.execute("analyze said")
    conn.execute(_SUMS)
    conn.execute("analyze sums")
    kept = conn.execute(_KEEP, {"last": last, "method": METHOD})
    errors = conn.execute(_KEEP_ERRORS)
    summary.series += len(keys)
    summary.forecasts += kept.rowcount
    summary.errors += errors.rowcount
    conn.execute("drop table said, sums")


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

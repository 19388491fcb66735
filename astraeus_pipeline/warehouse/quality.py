"""How good the figures are: what stands, what does not tie, what is late, what was right."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import psycopg

from astraeus_pipeline.contracts import money

# By the ledger, whose sums the checks of each load hold against the rows, and the reconciliations
# against the marts: adding up millions of charges at every build would tell the same.
_STANDING: Final = """
    select sums.currency, sum((sums.amounts ->> 'billed_cost')::numeric)
    from raw.partitions
    cross join lateral jsonb_each(partitions.sums) as sums (currency, amounts)
    where dataset = 'costs' and delivery_id is not null
    group by 1
    order by 1
"""
_CHARGES: Final = """
    select coalesce(sum(rows), 0)::bigint from raw.partitions
    where dataset = 'costs' and delivery_id is not null
"""
_RESIDUALS: Final = """
    select currency, max(abs(residual))
    from marts.fct_reconciliations
    where residual is not null and currency is not null
    group by 1
    order by 1
"""
# What vacuum and analyze go by, not counted: a count of ten million rows takes a second.
_ROWS: Final = """
    select relname, n_live_tup
    from pg_stat_user_tables
    where schemaname = 'marts' and n_live_tup > 0
    order by 1
"""
# The last five weeks, whatever the history.
_LATE: Final = """
    select
        count(*) filter (where state = 'missing' and is_gap),
        count(*) filter (where held_back is not null),
        extract(epoch from now() - max(seen_at)) / 3600
    from marts.fct_freshness
    where dataset = 'costs' and usage_date > (now() at time zone 'utc')::date - 35
"""
# Muted ones are like dismissed ones, which count once.
_JUDGED: Final = """
    select
        count(*) filter (where state in ('acknowledged', 'explained')),
        count(*) filter (where state = 'dismissed')
    from marts.fct_cost_anomalies
    where kind = 'cost'
"""
_COVERED: Final = """
    select count(is_covered), avg(is_covered::integer)
    from marts.fct_forecast_errors
    where scope = 'account' and method = %s
"""


@dataclass(frozen=True)
class Late:
    """Days of costs in the last five weeks."""

    gaps: int  # never delivered, though a later one was
    held_back: int  # whose newest delivery may not stand
    hours: float | None  # since any delivery spoke of one


@dataclass(frozen=True)
class Judged:
    """Cost anomalies that people spoke of."""

    right: int
    wrong: int

    @property
    def precision(self) -> float | None:
        """Share that was right; None while nobody spoke."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None


@dataclass(frozen=True)
class Covered:
    """Backtested months of accounts, and the share whose cost lay between the bounds."""

    months: int
    share: float | None


def charges(conn: psycopg.Connection) -> int:
    """Return the number of charges that stand. Connect as dbt."""
    return int(_one(conn, _CHARGES)[0])


def billed_costs(conn: psycopg.Connection) -> dict[str, Decimal]:
    """Return the billed cost of all charges that stand, by currency. Connect as dbt."""
    return {currency: total or money.ZERO for currency, total in conn.execute(_STANDING)}


def worst_residuals(conn: psycopg.Connection) -> dict[str, Decimal]:
    """Return the largest residual of any comparison, without its sign, by currency."""
    return dict(conn.execute(_RESIDUALS).fetchall())


def rows_of_marts(conn: psycopg.Connection) -> dict[str, int]:
    """Return about how many rows each mart that is a table has."""
    return dict(conn.execute(_ROWS).fetchall())


def late_days(conn: psycopg.Connection) -> Late:
    """Return what is missing or held back of the last five weeks."""
    gaps, held_back, hours = _one(conn, _LATE)
    return Late(gaps, held_back, None if hours is None else float(hours))


def judged_anomalies(conn: psycopg.Connection) -> Judged:
    """Return how many cost anomalies people found right or wrong."""
    return Judged(*_one(conn, _JUDGED))


def covered_forecasts(conn: psycopg.Connection, method: str) -> Covered:
    """Return how often the interval of the forecaster named held in backtests."""
    months, share = _one(conn, _COVERED, method)
    return Covered(months, None if share is None else float(share))


def _one(conn: psycopg.Connection, query: str, *values: object) -> tuple[Any, ...]:
    [row] = conn.execute(query.encode(), values or None).fetchall()
    return row

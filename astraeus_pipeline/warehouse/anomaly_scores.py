"""Scores of usage series: what changed since the last scoring is scored again, and only that.

The scored slices stand in intermediate.built_slices beside those of dbt's models and are compared
in the same way. What a day's score reads lies in the LOOKBACK days before it, so an account is
scored from its earliest changed day on, whatever the length of its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import psycopg

from astraeus_pipeline.anomalies import METHOD
from astraeus_pipeline.anomalies.panel import LOOKBACK, Panel
from astraeus_pipeline.anomalies.scoring import REASONS, Scores, score
from astraeus_pipeline.warehouse import anomaly_incidents
from astraeus_pipeline.warehouse import usage_series as usage

_MODEL: Final = "fct_anomaly_scores"


@dataclass
class Summary:
    """What a scoring came to."""

    accounts: int = 0
    series: int = 0
    series_days: int = 0
    flagged_days: int = 0
    incidents: int = 0


def score_changes(conn: psycopg.Connection) -> Summary:
    """Score what changed, each account in a transaction of its own.

    Connect as dbt, in autocommit, while no build runs.
    """
    summary = Summary()
    for each in usage.pending(conn, _MODEL, METHOD):
        with conn.transaction():
            _score_account(conn, each, summary)
    return summary


def _score_account(conn: psycopg.Connection, changed: usage.Pending, summary: Summary) -> None:
    account_id, first = changed
    conn.execute(
        "delete from intermediate.anomaly_scores where account_id = %s and usage_date >= %s",
        [account_id, first],
    )
    last = usage.last_settled(conn, account_id)
    if last is not None and first <= last:
        begin = first - timedelta(days=LOOKBACK)
        series = usage.series_of(conn, account_id, begin, last)
        if series:
            panel = usage.panel_of(conn, account_id, series, begin, last)
            found = score(panel, first, last)
            flagged = _keep(conn, account_id, series, panel, found)
            summary.series += len(series)
            summary.series_days += int((~np.isnan(found.score)).sum())
            summary.flagged_days += flagged
    summary.accounts += 1
    summary.incidents += anomaly_incidents.gather(conn, account_id, first)
    usage.remember(conn, _MODEL, METHOD, account_id)


def _keep(
    conn: psycopg.Connection,
    account_id: str,
    series: Sequence[usage.Series],
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
        "  where account_id = %(account)s and usage_date between %(begin)s and %(last)s"
        "  order by series_key, usage_date desc"
        " ) as named using (series_key)"
        " left join intermediate.int_usage_series as usage"
        " on usage.account_id = %(account)s and usage.series_key = scored.series_key"
        " and usage.usage_date = scored.usage_date",
        {
            "method": METHOD,
            "account": account_id,
            "begin": panel.days[0],
            "last": panel.days[-1],
        },
    )
    conn.execute("drop table scored")
    return flagged


def _rows(
    series: Sequence[usage.Series], panel: Panel, found: Scores
) -> Iterator[tuple[object, ...]]:
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

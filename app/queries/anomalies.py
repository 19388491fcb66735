"""Statements about anomalies: incidents of cost and of data, and the days around one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from app.queries.compiler import Statement

# Whose anomalies: everybody's, those of who asks, those of nobody.
ANYBODY, ME, NOBODY = "Anybody", "Me", "Nobody"
ASSIGNEES: Final = (ANYBODY, ME, NOBODY)
STATES: Final = ("Open", "Acknowledged", "Explained", "Dismissed", "Muted", "Late data", "All")
ROWS: Final = 200
_DAYS_BEFORE, _DAYS_AFTER = 35, 10


def compile_list(
    state: str, accounts: Sequence[str] | None, assignee: str = ANYBODY, me: str = ""
) -> Statement:
    """Return the statement of incidents in a state of STATES, the newest first.

    `accounts` None for all of them. Late data is what came late or not at all: no money, and nobody
    looks after it here. `assignee` is one of ASSIGNEES, and `me` the email of who asks.
    """
    return Statement(
        "select anomaly_id, kind, scope, provider, account_id, sub_account_id, service_name,"
        " billing_currency, series_key, method, start_date, end_date, flagged_days, reason,"
        " severity, peak_date, peak_cost, expected_cost, lower_cost, upper_cost, excess_cost,"
        " drivers, state, state_note, state_by, state_at, assigned_to from marts.fct_cost_anomalies"
        " where (:assignee = 'Anybody' or (:assignee = 'Me' and assigned_to = :me)"
        " or (:assignee = 'Nobody' and assigned_to is null))"
        " and (:state = 'all' or (:state = 'late data' and kind = 'data')"
        " or (kind = 'cost' and state = :state))"
        " and (cast(:accounts as text[]) is null or account_id = any(:accounts))"
        " order by end_date desc, array_position(array['critical', 'high', 'medium', 'low',"
        " 'data'], severity), excess_cost desc nulls last, anomaly_id limit :limit",
        (
            ("accounts", _bound(accounts)),
            ("assignee", assignee),
            ("limit", ROWS),
            # Of nobody else's answer: what is cached is cached by what is asked.
            ("me", me if assignee == ME else ""),
            ("state", state.lower()),
        ),
    )


def compile_one(anomaly_id: str) -> Statement:
    """Return the statement of one incident of cost, and what was last said of it."""
    return Statement(
        "select anomaly_id, account_id, service_name, start_date, end_date, excess_cost,"
        " billing_currency, state from marts.fct_cost_anomalies"
        " where kind = 'cost' and anomaly_id = :anomaly",
        (("anomaly", anomaly_id),),
    )


def compile_counts(accounts: Sequence[str] | None) -> Statement:
    """Return the statement that counts incidents of cost by state and currency.

    `excess` is the impact of those of single services: what accounts have on top overlaps them.
    """
    return Statement(
        "select state, billing_currency as currency, count(*) as incidents,"
        " count(*) filter (where severity in ('high', 'critical')) as severe,"
        " sum(excess_cost) filter (where scope = 'service') as excess"
        " from marts.fct_cost_anomalies where kind = 'cost'"
        " and (cast(:accounts as text[]) is null or account_id = any(:accounts))"
        " group by 1, 2 order by 3 desc",
        (("accounts", _bound(accounts)),),
    )


def compile_days(series_key: str, method: str, first: date, last: date) -> Statement:
    """Return the statement of a series' days around an incident, with what was expected."""
    return Statement(
        "select usage_date, actual_cost, expected_cost, lower_cost, upper_cost, reason"
        " from marts.fct_anomaly_scores where series_key = :series and method = :method"
        " and usage_date between :first and :last order by usage_date",
        (
            ("first", first - timedelta(days=_DAYS_BEFORE)),
            ("last", last + timedelta(days=_DAYS_AFTER)),
            ("method", method),
            ("series", series_key),
        ),
    )


def _bound(accounts: Sequence[str] | None) -> list[str] | None:
    return None if accounts is None else list(accounts)

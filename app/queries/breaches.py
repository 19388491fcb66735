"""The statement of thresholds that were crossed, by the rules that people have entered."""

from __future__ import annotations

from datetime import date
from typing import Final

from app.queries.compiler import Statement

SEVERITIES: Final = ("critical", "warning", "info")


def compile_list(since: date, severity: str | None, limit: int) -> Statement:
    """Return the statement of breaches whose periods end on a day or later, the newest first."""
    return Statement(
        "select breach_id, rule_name, kind, severity, scope_key, period_start, period_end,"
        " usage_date, observed_value, threshold_value, unit, billing_currency"
        " from marts.fct_threshold_breaches where period_end >= :since"
        " and (cast(:severity as text) is null or severity = :severity)"
        " order by period_end desc, array_position(array['critical', 'warning', 'info'], severity),"
        " rule_name, scope_key limit :limit",
        (("limit", limit), ("severity", severity), ("since", since)),
    )


def compile_one(breach_id: str) -> Statement:
    """Return the statement of one breach."""
    return Statement(
        "select breach_id, rule_name, severity, scope_key, period_start, period_end"
        " from marts.fct_threshold_breaches where breach_id = :breach",
        (("breach", breach_id),),
    )

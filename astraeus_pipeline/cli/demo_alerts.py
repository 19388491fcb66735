"""The demo's alert rules, and what they raise. Without channels: no message leaves a demo."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.alert_rules import NewRule
    from astraeus_pipeline.warehouse.engine import Database

_DAYS_BACK: Final = 45


def raise_some(database: Database) -> int:
    """Add rules unless there are any, and return how many alerts there are."""
    from astraeus_pipeline.orchestration import alerting
    from astraeus_pipeline.warehouse import alert_rules, alerts

    now = datetime.now(UTC)
    with database.connect("app", autocommit=True) as conn:
        if not alert_rules.list_rules(conn):
            for rule in _rules(now.date() - timedelta(days=_DAYS_BACK)):
                alert_rules.add_rule(conn, rule, "demo")
        alerting.look(conn, None, now)
        return len(alerts.list_alerts(conn, limit=1000))


def _rules(since: date) -> list[NewRule]:
    from astraeus_pipeline.warehouse.alert_rules import NewRule

    return [
        NewRule(
            name="Unexpected cost",
            kind="anomaly",
            amount=Decimal(100),
            billing_currency="USD",
            owner="demo",
            starts_on=since,
        ),
        NewRule(
            name="Late or missing bills",
            kind="stale_feed",
            days=1,
            owner="demo",
            starts_on=since,
        ),
        NewRule(
            name="A resource that jumps",
            kind="resource_anomaly",
            amount=Decimal(50),
            billing_currency="USD",
            owner="demo",
            starts_on=since,
        ),
        NewRule(name="Figures that do not tie", kind="residual", owner="demo", starts_on=since),
    ]

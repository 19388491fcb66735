"""Alerts that were raised, how their messages fare, and what people say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from app.records.connect import as_app
from astraeus_pipeline.alerts import links, messages
from astraeus_pipeline.contracts.alerting import Alert
from astraeus_pipeline.warehouse import alert_outbox, alerts
from astraeus_pipeline.warehouse.alert_outbox import Sent

STATES: Final = ("Open", "Acknowledged", "Resolved", "All")
ROWS: Final = 200


@dataclass(frozen=True)
class Raised:
    """An alert as pages show it: `about` what, and what was `found`; `fates` by channel."""

    alert: Alert
    about: str
    found: str
    state: str
    state_note: str | None
    state_by: str | None
    fates: Sequence[Sent]


def listed(state: str, accounts: Sequence[str] | None) -> list[Raised]:
    """Return alerts in a state of STATES, the newest first.

    With `accounts`, only those that name one of them: what is about all of them says too much.
    Raises: DatabaseError.
    """
    with as_app() as conn:
        rows = alerts.list_alerts(
            conn, state=None if state == STATES[-1] else state.lower(), limit=ROWS
        )
        kept = [row for row in rows if _is_about(row.alert, accounts)]
        found = alert_outbox.fates(conn, [row.alert.id for row in kept])
    by_alert: dict[str, list[Sent]] = {}
    for fate in found:
        by_alert.setdefault(fate.alert_id, []).append(fate)
    return [
        Raised(
            row.alert,
            messages.scope(row.alert),
            messages.headline(row.alert).removeprefix(f"{messages.scope(row.alert)}: "),
            row.state,
            row.state_note,
            row.state_by,
            by_alert.get(row.alert.id, []),
        )
        for row in kept
    ]


def costs_of(alert: Alert) -> Mapping[str, list[str]]:
    """Return the parameters of the Costs page that show what an alert is about."""
    return parse_qs(urlsplit(links.page(alert, None)).query)


def say(alert_id: str, state: str, note: str, actor: str) -> str:
    """Acknowledge, resolve or open an alert again. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        alerts.set_state(conn, alert_id, state, note.strip() or None, actor)
    return f"The alert is {state}."


def acknowledge_breach(breach_id: str, note: str, actor: str) -> str:
    """Acknowledge the alert that was raised for a breach. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        alert_id = alerts.of_breach(conn, breach_id)
        alerts.set_state(conn, alert_id, "acknowledged", note.strip() or None, actor)
    return "The alert is acknowledged."


def retry(actor: str) -> str:
    """Send again what was given up. Raises: DatabaseError."""
    with as_app() as conn:
        count = alert_outbox.retry_dead(conn, None, actor)
    return f"{count} messages leave again within a minute, while Dagster runs."


def _is_about(alert: Alert, accounts: Sequence[str] | None) -> bool:
    named = alert.scope.get("account")
    return accounts is None or bool(set(named or ()) & set(accounts))

"""What people say of anomalies and of savings: kept with who said it."""

from __future__ import annotations

from typing import Final

from app.records.connect import as_app
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import (
    anomaly_assignments,
    anomaly_feedback,
    recommendation_feedback,
)
from astraeus_pipeline.warehouse.anomaly_feedback import State
from astraeus_pipeline.warehouse.recommendation_feedback import State as Wanted

_ADVICE: Final = {
    "acknowledged": "Somebody looks after it.",
    "explained": "The reason stands beside it.",
    "dismissed": "The like of it in its series is muted.",
    "open": "It is open again.",
}


def anomaly(anomaly_id: str, state: State, note: str, actor: str) -> str:
    """Say what became of an anomaly. Raises: ConfigError, DatabaseError."""
    if state in ("explained", "dismissed") and not note.strip():
        raise ConfigError("The note is empty.", hint="Say why: it is shown beside the anomaly.")
    with as_app() as conn:
        anomaly_feedback.say(conn, anomaly_id, state, note.strip() or None, actor)
    return f"The anomaly is {state}. {_ADVICE[state]}"


def assignable(account: str) -> dict[str, str]:
    """Return who can look after an anomaly of an account: email to name. Raises: DatabaseError."""
    with as_app() as conn:
        return {each.email: each.name for each in anomaly_assignments.who_may(conn, account)}


def assign(anomaly_id: str, email: str | None, actor: str) -> str:
    """Give an anomaly to a person, or to nobody. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        anomaly_assignments.assign(conn, anomaly_id, email, actor)
    return f"{email or 'Nobody'} looks after the anomaly."


def saving(recommendation_id: str, state: Wanted, note: str, actor: str) -> str:
    """Put a recommendation aside, or look at it again. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        recommendation_feedback.say(conn, recommendation_id, state, note.strip() or None, actor)
    return f"The recommendation is {state}. Totals follow at once, its outcome with the next build."

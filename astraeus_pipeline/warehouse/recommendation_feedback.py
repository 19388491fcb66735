"""What people say of recommendations: kept by recommendation, so that building again loses none."""

from __future__ import annotations

from typing import Final, Literal, get_args

import psycopg

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

State = Literal["open", "dismissed"]
STATES: Final = get_args(State)


def say(
    conn: psycopg.Connection, recommendation_id: str, state: State, note: str | None, actor: str
) -> None:
    """Write down what `actor` says of a recommendation; the latest word counts. Connect as app.

    Raises: ConfigError for an unknown state, an id that names no recommendation, or a dismissal
    without a reason.
    """
    if state not in STATES:
        raise ConfigError(
            f"A recommendation cannot be {state!r}.", hint=f"Say one of {', '.join(STATES)}."
        )
    if state == "dismissed" and not (note or "").strip():
        raise ConfigError(
            "The reason is empty.", hint="Say why, so that nobody has to look at it again."
        )
    with conn.transaction():
        done = conn.execute(
            "insert into app.recommendation_feedback (recommendation_id, state, note, said_by)"
            " select recommendation_id, %(state)s, %(note)s, %(actor)s"
            " from marts.fct_recommendations where recommendation_id = %(id)s",
            {"id": recommendation_id, "state": state, "note": note, "actor": actor},
        )
        if done.rowcount == 0:
            raise ConfigError(
                f"There is no recommendation {recommendation_id}.",
                hint="`astraeus savings list` shows them with their ids.",
            )
        audit.note(conn, actor, f"recommendation.{state}", recommendation_id, note=note)

"""What people say of anomalies: kept by series and start, so that scoring again loses no word."""

from __future__ import annotations

from typing import Final, Literal, get_args

import psycopg

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

State = Literal["open", "acknowledged", "explained", "dismissed"]
STATES: Final = get_args(State)


def say(
    conn: psycopg.Connection, anomaly_id: str, state: State, note: str | None, actor: str
) -> None:
    """Write down what `actor` says of an incident; the latest word counts. Connect as app.

    Raises: ConfigError for an unknown state, or an id that names no cost anomaly.
    """
    if state not in STATES:
        raise ConfigError(
            f"An anomaly cannot be {state!r}.", hint=f"Say one of {', '.join(STATES)}."
        )
    with conn.transaction():
        done = conn.execute(
            "insert into app.anomaly_feedback"
            " (series_key, method, start_date, state, note, said_by)"
            " select series_key, method, start_date, %(state)s, %(note)s, %(actor)s"
            " from marts.fct_cost_anomalies where anomaly_id = %(id)s and kind = 'cost'",
            {"id": anomaly_id, "state": state, "note": note, "actor": actor},
        )
        if done.rowcount == 0:
            raise ConfigError(
                f"There is no cost anomaly {anomaly_id}.",
                hint="It may have gone with a restated day; see marts.fct_cost_anomalies.",
            )
        audit.note(conn, actor, f"anomaly.{state}", anomaly_id, note=note)

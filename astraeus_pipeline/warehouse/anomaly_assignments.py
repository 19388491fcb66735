"""Who looks after an anomaly: kept by series and start, like what is said of it."""

from __future__ import annotations

import psycopg

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit, users
from astraeus_pipeline.warehouse.users import User


def assign(conn: psycopg.Connection, anomaly_id: str, email: str | None, actor: str) -> None:
    """Give an incident to a person, or with None to nobody; the latest counts. Connect as app.

    Raises: ConfigError for an id that names no cost anomaly, or a person who is not there, cannot
    sign in, or does not see its account.
    """
    with conn.transaction():
        row = conn.execute(
            "select series_key, method, start_date, account_id, assigned_to"
            " from marts.fct_cost_anomalies where anomaly_id = %s and kind = 'cost'",
            [anomaly_id],
        ).fetchone()
        if row is None:
            raise ConfigError(
                f"There is no cost anomaly {anomaly_id}.",
                hint="It may have gone with a restated day; see marts.fct_cost_anomalies.",
            )
        series, method, start, account, before = row
        person = users.by_email(conn, email) if email else None
        if person is not None and person.email not in {
            each.email for each in who_may(conn, account)
        }:
            raise ConfigError(
                f"{person.email} cannot sign in, or does not see the account {account}.",
                hint="Give it to somebody else, or change what they see.",
            )
        wanted = person.email if person else None
        conn.execute(
            "insert into app.anomaly_assignments"
            " (series_key, method, start_date, assigned_to, assigned_by)"
            " values (%s, %s, %s, %s, %s)",
            [series, method, start, wanted, actor],
        )
        audit.note(conn, actor, "anomaly.assigned", anomaly_id, old=before, new=wanted)


def who_may(conn: psycopg.Connection, account: str) -> list[User]:
    """Return the people who can look after an anomaly of an account: they see it whole."""
    row = conn.execute("select provider from app.accounts where slug = %s", [account]).fetchone()
    grants = {("account", account), *([("provider", row[0])] if row else [])}
    return [
        each
        for each in users.users(conn)
        if each.is_active
        and (not each.grants or any((grant.kind, grant.value) in grants for grant in each.grants))
    ]

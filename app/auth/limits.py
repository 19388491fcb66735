"""How often one may try: per account, and per address against guessing at all accounts."""

from __future__ import annotations

from typing import Final

import psycopg

WINDOW_MINUTES: Final = 15
PER_ACCOUNT: Final = 10
PER_ADDRESS: Final = 40


def admit(conn: psycopg.Connection, email: str, address: str) -> bool:
    """Count an attempt, unless there have been too many: then say False and count nothing.

    Not to count more keeps the limit from being prolonged for ever by who runs into it.
    """
    with conn.transaction():
        # In one order, so that two never wait for each other; or many at once would all pass.
        for name in sorted((f"account {email}", f"address {address}")):
            conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 9))", [name])
        conn.execute(
            "delete from app.sign_in_attempts"
            " where at < clock_timestamp() - make_interval(mins => %s)",
            [WINDOW_MINUTES],
        )
        row = conn.execute(
            "select count(*) filter (where email = %(email)s),"
            " count(*) filter (where address = %(address)s) from app.sign_in_attempts"
            " where email = %(email)s or address = %(address)s",
            {"email": email, "address": address},
        ).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has a row
        if row[0] >= PER_ACCOUNT or row[1] >= PER_ADDRESS:
            return False
        conn.execute(
            "insert into app.sign_in_attempts (email, address) values (%s, %s)", [email, address]
        )
    return True


def forgive(conn: psycopg.Connection, email: str, address: str) -> None:
    """Forget the attempts of who has shown the right password, from that address."""
    conn.execute(
        "delete from app.sign_in_attempts where email = %s and address = %s", [email, address]
    )

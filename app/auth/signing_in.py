"""From proof to session: what password, link and issuer have in common. Blocking: call in threads.

Every way ends here, with a new session id, the browser's former session revoked, and a line in the
audit log; refusals leave one, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg

from app.auth import limits, store
from app.auth.cookies import key_of
from astraeus_pipeline.warehouse import audit, sessions, users
from astraeus_pipeline.warehouse.sessions import Method

_LONGEST_EMAIL: Final = 254


@dataclass(frozen=True)
class Visitor:
    """The browser at the other end."""

    address: str
    user_agent: str | None
    # Of the cookie that it came with, whatever that is worth.
    former_token: str | None


@dataclass(frozen=True)
class Known:
    """What is kept of a person for the check of a password."""

    user_id: UUID
    email: str
    password_hash: str | None


def attempt(email: str, visitor: Visitor) -> tuple[bool, Known | None]:
    """Count an attempt: whether it is admitted, and who it is about, if that is anybody active.

    Raises: DatabaseError.
    """
    address = _spelt(email)
    with store.connection() as conn:
        if not limits.admit(conn, address, visitor.address):
            return False, None
        row = conn.execute(
            "select id, email, password_hash from app.users where email = %s and is_active",
            [address],
        ).fetchone()
    return True, Known(*row) if row else None


def refuse(email: str, visitor: Visitor, reason: str) -> None:
    """Write down that somebody was not let in.

    Raises: DatabaseError.
    """
    with store.connection() as conn:
        subject = _spelt(email) or "unknown"
        audit.note(
            conn, subject, "session.refused", subject, reason=reason, address=visitor.address
        )


def open_session(known: Known, method: Method, visitor: Visitor) -> str:
    """Open a session after a right password; return the token for the cookie.

    Raises: DatabaseError.
    """
    with store.connection() as conn:
        limits.forgive(conn, known.email, visitor.address)
        return _begin(conn, known.user_id, method, visitor)


def owner_of_link(token: str) -> str | None:
    """Return whose link this is without using it up; None if it does not hold.

    Raises: DatabaseError.
    """
    with store.connection() as conn:
        return sessions.owner_of_link(conn, token)


def open_by_link(token: str, password_hash: str, visitor: Visitor) -> str | None:
    """Use a link up, set the password and open a session; None if the link does not hold.

    Raises: DatabaseError.
    """
    with store.connection() as conn:
        email = sessions.owner_of_link(conn, token)
        user_id = sessions.use_link(conn, token)
        if user_id is None or email is None:
            return None
        users.set_password_hash(conn, email, password_hash, actor=email)
        return _begin(conn, user_id, "link", visitor)


def open_by_identity(
    issuer: str, subject: str, email: str | None, *, is_verified: bool, visitor: Visitor
) -> str | None:
    """Open a session for an identity of an issuer; None if nobody here has it.

    A person is known by (issuer, subject). The first time they are found by an email address that
    the issuer has verified, if no other identity has been linked to it.
    Raises: DatabaseError.
    """
    with store.connection() as conn:
        row = conn.execute(
            "select id, is_active from app.users where issuer = %s and subject = %s",
            [issuer, subject],
        ).fetchone()
        if row is None and email and is_verified:
            row = conn.execute(
                "update app.users set issuer = %s, subject = %s"
                " where email = %s and issuer is null and is_active returning id, is_active",
                [issuer, subject, _spelt(email)],
            ).fetchone()
            if row is not None:
                audit.note(conn, _spelt(email), "user.linked", _spelt(email), issuer=issuer)
        if row is None or not row[1]:
            return None
        return _begin(conn, row[0], "oidc", visitor)


def _begin(conn: psycopg.Connection, user_id: UUID, method: Method, visitor: Visitor) -> str:
    if visitor.former_token:
        sessions.end(conn, key_of(visitor.former_token))
    return sessions.begin(
        conn, user_id, method, address=visitor.address, user_agent=visitor.user_agent
    )


def _spelt(email: str) -> str:
    return email.strip().lower()[:_LONGEST_EMAIL].replace("\x00", "")

"""Sessions of people who come by a server instead of a browser: the same rows, the same log."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from app.assistant.tools.contract import Scope
from app.auth import store
from astraeus_pipeline.errors import ForbiddenError
from astraeus_pipeline.warehouse import sessions, users


class Visit:
    """A person's session, opened when it is first needed, and again after it has idled out.

    `enter` opens one and returns its token; it is asked anew whenever the session is no more, so
    that who has been deactivated gets no further.
    """

    def __init__(self, enter: Callable[[], str], scopes: frozenset[str]) -> None:
        self._enter, self._scopes = enter, scopes
        self._key: str | None = None
        self._lock = Lock()

    def scope(self) -> Scope:
        """Return who asks, with a session that lives. Blocking.

        Raises: ForbiddenError, ConfigError for nobody known, DatabaseError.
        """
        with self._lock:
            who = store.live(self._key)
            if who is None:
                self._key = sessions.key_of(self._enter())
                who = store.live(self._key)
        if who is None or not who.may("read"):
            raise ForbiddenError("You may not read here.", hint="Ask an administrator.")
        store.seen(who.session)
        return Scope.of(who, self._scopes)

    def end(self) -> None:
        """End the session, if there is one. Raises: DatabaseError."""
        with self._lock:
            if self._key is not None:
                store.end(self._key)
                self._key = None


def enter_as(email: str, server: str) -> str:
    """Open a session for a person by their email alone, and return its token.

    For who runs a server on this machine: they have the database's keys anyhow. The session is
    listed and can be revoked like any other.
    Raises: ConfigError for an unknown person, ForbiddenError for one who is not active.
    """
    with store.connection() as conn:
        user = users.by_email(conn, email)
        if not user.is_active:
            raise ForbiddenError(f"{user.email} is not active.", hint="Ask an administrator.")
        return sessions.begin(conn, user.id, "link", user_agent=f"MCP server {server}, stdio")

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

    `enter` opens one and returns its token. One that has been revoked, by an administrator or as
    the person's role or scope was changed, is not followed by another: they come in anew.
    """

    def __init__(self, enter: Callable[[], str]) -> None:
        self._enter = enter
        self._key: str | None = None
        self._lock = Lock()

    def scope(self, scopes: frozenset[str]) -> Scope:
        """Return who asks, for what, with a session that lives. Blocking.

        Raises: ForbiddenError, ConfigError for nobody known, DatabaseError.
        """
        with self._lock:
            who = store.live(self._key)
            if who is None:
                self._refuse_revoked()
                self._key = sessions.key_of(self._enter())
                who = store.live(self._key)
        if who is None or not who.may("read"):
            raise ForbiddenError("You may not read here.", hint="Ask an administrator.")
        store.seen(who.session)
        return Scope.of(who, scopes)

    def _refuse_revoked(self) -> None:
        if self._key is None:
            return
        with store.connection() as conn:
            if sessions.is_revoked(conn, self._key):
                raise ForbiddenError("Your session has been ended.", hint="Come in anew.")

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

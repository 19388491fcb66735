"""The only cache: answers by statement, by what who asks may see, and by build."""

from __future__ import annotations

from typing import Any

from app.auth.principal import Principal
from app.components import access
from app.components.kept import Kept
from app.queries import execute, listings
from app.queries.compiler import Statement
from app.queries.team_costs import as_allocated
from app.settings import app_settings

# Who may see the same share an answer: of the session only its grants are part of the key.
_cached = Kept(app_settings().cache_seconds, most=500)
_moment = Kept(5, most=100)
_version = Kept(5, most=1)


def ask(statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement that who is signed in may see, cached until the next build.

    Raises: DatabaseError.
    """
    return ask_for(access.current(), statement)


def ask_for(who: Principal, statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement that a person may see; for downloads, which have no page.

    Raises: DatabaseError.
    """
    asked = as_allocated(statement) if who.is_by_team else statement
    key = (asked.key, data_version(), who.grants)
    return _cached.get(key, lambda: execute.run(asked, who.session))


def ask_now(statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement on what people change between builds; seconds old at most.

    Raises: DatabaseError.
    """
    who = access.current()
    asked = as_allocated(statement) if who.is_by_team else statement
    key = (asked.key, who.grants)
    return _moment.get(key, lambda: execute.run(asked, who.session))


def data_version() -> str:
    """Return the id of the build that the marts are of; asked anew every few seconds."""
    rows = _version.get("", lambda: execute.run(listings.VERSION))
    return str(rows[0]["invocation_id"]) if rows else "none"


def forget() -> None:
    """Ask everything anew, after a person has changed what is shown."""
    _moment.clear()

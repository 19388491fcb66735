"""The only cache: answers by statement, by what who asks may see, and by build.

Streamlit's own pickles each answer and looks its function up at each call: a tenth of what a page
takes. Here answers lie as they are; who asks gets copies of the rows.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Condition
from typing import Any, Final

from cachetools import TTLCache, cached

from app.auth.principal import Principal
from app.components import access
from app.queries import execute, listings
from app.queries.compiler import Statement
from app.queries.seen_by import as_seen_by
from app.settings import app_settings
from astraeus_pipeline.contracts.people import Grant

# How old the word on which build the marts are of may be, and what people change between builds.
SECONDS_BETWEEN_BUILDS: Final = 5


def ask(statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement that who is signed in may see, cached until the next build.

    Raises: DatabaseError.
    """
    return ask_for(access.current(), statement)


def ask_for(who: Principal, statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement that a person may see; for downloads, which have no page.

    Raises: DatabaseError.
    """
    asked = as_seen_by(who, statement)
    return _copied(_of_build(asked, who.grants, data_version(), who.session))


def ask_now(statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement on what people change between builds; seconds old at most.

    Raises: DatabaseError.
    """
    who = access.current()
    asked = as_seen_by(who, statement)
    return _copied(_of_moment(asked, who.grants, "", who.session))


def data_version() -> str:
    """Return the id of the build that the marts are of; asked anew every few seconds."""
    return _version()


def forget() -> None:
    """Ask everything anew, after a person has changed what is shown."""
    _of_moment.cache_clear()


def forget_all() -> None:
    """Forget builds and all their answers, for who points the app at another database."""
    for kept in (_version, _of_build, _of_moment):
        kept.cache_clear()


def _copied(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row.copy() for row in rows]


# Who may see the same share an answer: of the session only its grants are part of the key.
# Statements are told apart by their text: taking them to pieces takes longer than asking.
def _key(
    statement: Statement, grants: tuple[Grant, ...], version: str, session: str
) -> tuple[Hashable, ...]:
    return statement.key, grants, version


@cached(TTLCache[Any, str](1, SECONDS_BETWEEN_BUILDS), condition=Condition())
def _version() -> str:
    rows = execute.run(listings.VERSION)
    return str(rows[0]["invocation_id"]) if rows else "none"


# Of those who ask the same at once one asks the database, by the condition.
@cached(TTLCache[Any, Any](100, SECONDS_BETWEEN_BUILDS), key=_key, condition=Condition())
def _of_moment(
    statement: Statement, grants: tuple[Grant, ...], version: str, session: str
) -> list[dict[str, Any]]:
    return execute.run(statement, session)


@cached(TTLCache[Any, Any](500, app_settings().cache_seconds), key=_key, condition=Condition())
def _of_build(
    statement: Statement, grants: tuple[Grant, ...], version: str, session: str
) -> list[dict[str, Any]]:
    return execute.run(statement, session)

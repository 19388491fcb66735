"""The only cache: answers by statement, by what who asks may see, and by build."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.auth.principal import Principal
from app.components import access
from app.queries import execute, listings
from app.queries.compiler import Statement
from app.queries.team_costs import as_allocated
from app.settings import AppSettings
from astraeus_pipeline.contracts.people import Grant

_SECONDS = AppSettings().cache_seconds


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
    return _cached(asked.key, data_version(), who.grants, asked, who.session)


def ask_now(statement: Statement) -> list[dict[str, Any]]:
    """Return the rows of a statement on what people change between builds; seconds old at most.

    Raises: DatabaseError.
    """
    who = access.current()
    asked = as_allocated(statement) if who.is_by_team else statement
    return _moment(asked.key, who.grants, asked, who.session)


def data_version() -> str:
    """Return the id of the build that the marts are of; asked anew every few seconds."""
    return _version()


def forget() -> None:
    """Ask everything anew, after a person has changed what is shown."""
    _moment.clear()


@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def _version() -> str:
    rows = execute.run(listings.VERSION)
    return str(rows[0]["invocation_id"]) if rows else "none"


# Who may see the same share an answer: of the session only its grants are part of the key.
# Statements are told apart by their text: taking them to pieces takes longer than asking.
@st.cache_data(ttl=5, max_entries=100, show_spinner=False)
def _moment(
    key: str, grants: tuple[Grant, ...], _statement: Statement, _session: str
) -> list[dict[str, Any]]:
    return execute.run(_statement, _session)


@st.cache_data(ttl=_SECONDS, max_entries=500, show_spinner=False)
def _cached(
    key: str, version: str, grants: tuple[Grant, ...], _statement: Statement, _session: str
) -> list[dict[str, Any]]:
    return execute.run(_statement, _session)

"""Which marts a question is asked of, by what who asks may see; policies decide on the rows."""

from __future__ import annotations

from typing import Protocol

from app.queries.compiler import Statement
from app.queries.team_costs import as_allocated


class Viewer(Protocol):
    """Who asks: of teams' costs, of some accounts, or, with neither, of everything."""

    @property
    def is_by_team(self) -> bool:
        """Whether they see costs as these are allocated to teams."""

    @property
    def sees_everything(self) -> bool:
        """Whether nothing bounds what they see."""


def as_seen_by(who: Viewer, statement: Statement) -> Statement:
    """Return the statement of the marts that have rows for who asks."""
    if who.is_by_team:
        return as_allocated(statement)
    if who.sees_everything or statement.by_account is None:
        return statement
    return statement.by_account

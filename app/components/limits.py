"""What people who see a part of the costs may enter: nothing whose figures tell of the rest.

Budgets' previews and rules' back-tests are asked by role app, which sees everything, so what is
entered is checked here, in previews and in callbacks alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.components import access
from app.components.cache import ask
from app.queries import listings
from astraeus_pipeline.errors import ForbiddenError


def accounts() -> frozenset[str] | None:
    """Return the accounts that who is signed in may see; None for all. Raises: DatabaseError."""
    who = access.current()
    return None if who.sees_everything else who.accounts_among(ask(listings.ACCOUNTS))


def budget(filters: Mapping[str, Sequence[str | None]]) -> None:
    """Refuse a budget that is not within the accounts or teams that its owner sees.

    Raises: ForbiddenError, DatabaseError.
    """
    who = access.current()
    if not who.sees_everything and not who.may_budget(filters, ask(listings.ACCOUNTS)):
        raise ForbiddenError(
            f"You see {who.scope} alone.",
            hint="Narrow the budget to accounts or teams of these.",
        )


def rule(filters: Mapping[str, Sequence[str]]) -> None:
    """Refuse a rule that is not within the accounts that its owner sees.

    Raises: ForbiddenError, DatabaseError.
    """
    if not is_seen(filters, accounts()):
        raise ForbiddenError(
            f"You see {access.current().scope} alone.",
            hint="Narrow the rule to accounts of these.",
        )


def is_seen(filters: Mapping[str, Sequence[str]], seen: frozenset[str] | None) -> bool:
    """Whether a rule is about accounts among these alone; None stands for all."""
    return seen is None or _within(filters.get("account"), seen)


def everything() -> None:
    """Refuse what concerns all costs to who does not see them all. Raises: ForbiddenError."""
    if access.current().grants:
        raise ForbiddenError(
            f"You see {access.current().scope} alone.",
            hint="Allocation rules concern all costs: ask somebody who sees them.",
        )


def _within(values: Sequence[str | None] | None, seen: frozenset[str]) -> bool:
    return bool(values) and set(values or ()) <= seen

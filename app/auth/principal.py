"""The person of a live session, as pages see them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.auth.permissions import Permission, may
from astraeus_pipeline.contracts.people import Grant, Role
from astraeus_pipeline.warehouse.sessions import Session

ROLE_NAMES: Final[dict[Role, str]] = {
    "viewer": "Viewer",
    "analyst": "Analyst",
    "budget_owner": "Budget owner",
    "admin": "Administrator",
}


@dataclass(frozen=True)
class Principal:
    """Who asks: `email` names the actor of what they change; no `grants` means everything.

    `session` is the key that tells PostgreSQL who asks; it reaches neither page, log nor URL.
    """

    email: str
    name: str
    role: Role
    grants: tuple[Grant, ...]
    session: str = field(repr=False)

    @classmethod
    def of(cls, session: Session) -> Principal:
        """Return the person of a session."""
        return cls(session.email, session.name, session.role, session.grants, session.key)

    def may(self, permission: Permission) -> bool:
        """Whether the person's role has a permission of `permissions.PERMISSIONS`."""
        return may(self.role, permission)

    @property
    def is_by_team(self) -> bool:
        """Whether they see costs as these are allocated to teams, not as accounts are billed."""
        return any(grant.kind == "team" for grant in self.grants)

    @property
    def sees_everything(self) -> bool:
        """Whether nothing bounds what they see."""
        return not self.grants

    def accounts_among(self, rows: Iterable[Mapping[str, Any]]) -> frozenset[str] | None:
        """Return which of `listings.ACCOUNTS` they see whole; None for all."""
        if self.sees_everything:
            return None
        granted = {(grant.kind, grant.value) for grant in self.grants}
        return frozenset(
            row["account_id"]
            for row in rows
            if ("account", row["account_id"]) in granted
            or ("provider", row["provider_key"]) in granted
        )

    def may_budget(
        self, filters: Mapping[str, Sequence[str | None]], rows: Iterable[Mapping[str, Any]]
    ) -> bool:
        """Whether a budget is within the accounts of `listings.ACCOUNTS`, or teams, they see."""
        seen = self.accounts_among(rows)
        teams = {grant.value for grant in self.grants if grant.kind == "team"}
        return (
            seen is None
            or _within(filters.get("account_id"), seen)
            or _within(filters.get("team"), teams)
        )

    @property
    def role_name(self) -> str:
        """The role in words."""
        return ROLE_NAMES[self.role]

    @property
    def scope(self) -> str:
        """What they may see, in words."""
        if self.sees_everything:
            return "everything"
        return ", ".join(f"{grant.kind} {grant.value}" for grant in self.grants)


def _within(values: Sequence[str | None] | None, seen: Collection[str | None]) -> bool:
    return bool(values) and set(values or ()) <= set(seen)

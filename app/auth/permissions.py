"""What each role may do. One table, asked by navigation, pages, callbacks and routes alike."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.contracts.people import ROLES, Role

# The least role that may; every later one of ROLES may as well.
PERMISSIONS: Final[dict[str, Role]] = {
    "read": "viewer",
    "export": "analyst",
    "views.save": "analyst",
    "chat": "analyst",
    "budgets.edit": "budget_owner",
    "alert_rules.edit": "budget_owner",
    "alerts.acknowledge": "budget_owner",
    "allocation.edit": "budget_owner",
    "anomalies.triage": "budget_owner",
    "recommendations.dismiss": "budget_owner",
    "accounts.edit": "admin",
    "users.edit": "admin",
    "audit.read": "admin",
}


def may(role: Role, permission: str) -> bool:
    """Whether a role has a permission.

    Raises: KeyError for a permission that is not in the table.
    """
    return ROLES.index(role) >= ROLES.index(PERMISSIONS[permission])


def permissions_of(role: Role) -> tuple[str, ...]:
    """Return all that a role may do, in the table's order."""
    return tuple(each for each in PERMISSIONS if may(role, each))

"""What each role may do. One table, asked by navigation, pages, callbacks and routes alike."""

from __future__ import annotations

from typing import Final, Literal

from astraeus_pipeline.contracts.people import ROLES, Role

Permission = Literal[
    "read",
    "export",
    "views",
    "chat",
    "sql",
    "triage",
    "budgets",
    "rules",
    "accounts",
    "users",
    "audit",
]
# The least role that may; every later one of ROLES may as well.
PERMISSIONS: Final[dict[Permission, Role]] = {
    "read": "viewer",
    "export": "analyst",
    "views": "analyst",  # save them
    "chat": "analyst",
    "sql": "analyst",  # of a model's or their own, where it is turned on
    "triage": "budget_owner",  # anomalies, alerts, recommendations
    "budgets": "budget_owner",
    "rules": "budget_owner",  # of alerts and of allocation
    "accounts": "admin",
    "users": "admin",
    "audit": "admin",
}


def may(role: Role, permission: Permission) -> bool:
    """Whether a role has a permission.

    Raises: KeyError for a permission that is not in the table.
    """
    return ROLES.index(role) >= ROLES.index(PERMISSIONS[permission])

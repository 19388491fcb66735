"""People of the app: their roles, and grants that narrow what they see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Role = Literal["viewer", "analyst", "budget_owner", "admin"]
# Each role may do what those before it may.
ROLES: Final[tuple[Role, ...]] = get_args(Role)
GrantKind = Literal["provider", "account", "team"]
GRANT_KINDS: Final[tuple[GrantKind, ...]] = get_args(GrantKind)


@dataclass(frozen=True, order=True)
class Grant:
    """One provider, account (its slug) or team that a person may see."""

    kind: GrantKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

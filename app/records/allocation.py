"""Allocation rules as people add, change, move and remove them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.records.connect import as_app
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import allocation_rules
from astraeus_pipeline.warehouse.allocation_rules import Rule, StandingRule

_NEXT = "It counts from the next build, on the whole history."


@dataclass(frozen=True)
class Form:
    """A rule as its form holds it: conditions and shares are lines of text."""

    dimension: str
    name: str
    conditions: str
    effect: str
    value: str
    first: Any = None
    last: Any = None
    is_active: bool = True

    def read(self) -> Rule:
        """Return the rule that is meant. Raises: ConfigError naming the line or the field."""
        return allocation_rules.parse(
            {
                "dimension": self.dimension,
                "name": self.name.strip(),
                "conditions": _conditions(self.conditions),
                "effect": {self.effect: self._effect()},
                "valid_from": self.first,
                "valid_to": self.last,
                "is_active": self.is_active,
            }
        )

    def _effect(self) -> Any:
        if self.effect == "shares":
            return {key: share for key, (share, *_) in _pairs(self.value, "share").items()}
        if self.effect == "proportional_to":
            names = [each.strip() for each in self.value.split(",") if each.strip()]
            return "all" if names in ([], ["all"]) else names
        return self.value


def listed() -> list[StandingRule]:
    """Return the rules in their order. Raises: DatabaseError."""
    with as_app() as conn:
        return allocation_rules.list_rules(conn)


def add(form: Form, position: int | None, actor: str) -> str:
    """Add a rule at a place, last if None. Raises: ConfigError, DatabaseError."""
    rule = form.read()
    with as_app() as conn:
        allocation_rules.add(conn, rule, actor, position)
    return f"Added the allocation rule {rule.name}. {_NEXT}"


def change(rule_id: int, form: Form, actor: str) -> str:
    """Replace what a rule says; it keeps its place. Raises: ConfigError, DatabaseError."""
    rule = form.read()
    with as_app() as conn:
        allocation_rules.change(conn, rule_id, rule, actor)
    return f"Changed the allocation rule {rule.name}. {_NEXT}"


def move(rule_id: int, position: int, actor: str) -> str:
    """Move a rule to another place. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        allocation_rules.move(conn, rule_id, position, actor)
    return f"The rule is at place {position}. {_NEXT}"


def remove(rule_id: int, actor: str) -> str:
    """Remove a rule. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        allocation_rules.remove(conn, rule_id, actor)
    return f"Removed the rule. The audit log keeps what it said. {_NEXT}"


def spelt(rule: Rule) -> tuple[str, str]:
    """Return conditions and effect as lines that `Form` reads."""
    said = rule.model_dump(mode="json", exclude_none=True)
    lines = [
        f"{name} = {pattern}"
        for name, patterns in said["conditions"].items()
        if name != "tags"
        for pattern in patterns
    ]
    lines += [
        f"tag:{key} = {pattern}"
        for key, patterns in said["conditions"].get("tags", {}).items()
        for pattern in patterns
    ]
    ((_, value),) = said["effect"].items()
    if isinstance(value, Mapping):
        value = "\n".join(f"{key} = {share}" for key, share in value.items())
    elif isinstance(value, list):
        value = ", ".join(value)
    return "\n".join(lines), str(value)


def _conditions(text: str) -> dict[str, Any]:
    found = _pairs(text, "condition")
    tags = {
        key.partition(":")[2].strip(): values
        for key, values in found.items()
        if key.startswith("tag:")
    }
    plain: dict[str, Any] = {
        key: values for key, values in found.items() if not key.startswith("tag:")
    }
    return {**plain, **({"tags": tags} if tags else {})}


def _pairs(text: str, what: str) -> dict[str, list[str]]:
    pairs: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        key, sign, value = line.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise ConfigError(
                f"{line.strip()!r} is no {what}.", hint="Write one a line, such as name = value."
            )
        pairs.setdefault(key.strip(), []).append(value.strip())
    return pairs

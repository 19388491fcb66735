"""Licences of all that is locked, against licences.toml; docs/licences.md lists them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from audit.locked import ROOT, Package

LIST: Final = ROOT / "docs" / "licences.md"
_POLICY: Final = Path(__file__).with_name("licences.toml")
_HEAD: Final = """\
# Licences of what is installed

Written by `make audit` from requirements.lock and what the packages say of themselves;
audit/licences.toml says which are allowed, and why some others are.

| package | licence | why it may be used |
|---|---|---|
"""


@dataclass(frozen=True)
class Policy:
    """Allowed licences; packages that were looked at, with the reason; licences of others."""

    allowed: frozenset[str]
    reviewed: dict[str, str]
    elsewhere: dict[str, str]

    @classmethod
    def read(cls, file: Path = _POLICY) -> Self:
        """Read the file."""
        told = tomllib.loads(file.read_text())
        return cls(frozenset(told["allowed"]), told["reviewed"], told["elsewhere"])

    def licence(self, package: Package) -> str:
        """Return a package's licence: its own words, or what was noted for other systems."""
        if package.licence is None:
            return self.elsewhere.get(package.name, "")
        return package.licence

    def objection(self, package: Package) -> str | None:
        """Return what is wrong with a package's licence; None if it may be used."""
        said = self.licence(package)
        if package.name in self.reviewed:
            return None
        if not said:
            return f"{package.name}: no licence is said; look, and note it in licences.toml"
        if not self._is_allowed(said):
            return f"{package.name}: {said} is not allowed; look, and note why it may be used"
        return None

    def _is_allowed(self, expression: str) -> bool:
        """Whether one side of each OR, and all of its ANDs, is allowed."""
        plain = expression.replace("(", " ").replace(")", " ")
        if "(" in expression and " OR " in expression and " AND " in expression:
            # Not taken apart: then all of them must be.
            words = re.split(r" AND | OR ", plain)
            return all(each.strip() in self.allowed for each in words)
        return any(
            all(each.strip() in self.allowed for each in side.split(" AND "))
            for side in plain.split(" OR ")
        )


def objections(packages: Sequence[Package], policy: Policy) -> list[str]:
    """Return what is wrong with the licences, and what the policy names that is not locked."""
    names = {each.name for each in packages}
    stale = sorted((policy.reviewed.keys() | policy.elsewhere.keys()) - names)
    return [
        *(said for each in packages if (said := policy.objection(each))),
        *(f"licences.toml names {name}, which is not locked" for name in stale),
    ]


def listed(packages: Sequence[Package], policy: Policy) -> str:
    """Return the list as it stands in the documentation; without versions, so it stays."""
    return _HEAD + "".join(_rows(packages, policy))


def _rows(packages: Sequence[Package], policy: Policy) -> Iterator[str]:
    for name, licence in {each.name: policy.licence(each) for each in packages}.items():
        yield f"| {name} | {licence or 'not said'} | {policy.reviewed.get(name, '')} |\n"

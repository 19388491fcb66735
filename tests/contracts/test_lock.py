"""The lock: complete for pyproject.toml, hashed, and free of addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
ENTRIES = re.findall(
    r"^(\S[^\\]*?) *\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", LOCK, re.M
)
PINNED: dict[str, set[str]] = {}
for entry, _ in ENTRIES:
    requirement = Requirement(entry)
    versions = {each.version for each in requirement.specifier}
    PINNED.setdefault(canonicalize_name(requirement.name), set()).update(versions)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [
    *PROJECT["dependencies"],
    *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
]


def test_every_line_is_pinned_and_hashed() -> None:
    lines = [line for line in LOCK.splitlines() if line and not line.startswith(("#", " "))]
    assert len(lines) == len(ENTRIES) > 200


def test_no_address_is_in_it() -> None:
    assert "://" not in LOCK


@pytest.mark.parametrize("wanted", WANTED)
def test_what_the_project_wants_is_locked(wanted: str) -> None:
    requirement = Requirement(wanted)
    versions = PINNED.get(canonicalize_name(requirement.name), set())
    assert versions, f"{requirement.name} is missing: run `make lock`"
    assert all(requirement.specifier.contains(each, prereleases=True) for each in versions)

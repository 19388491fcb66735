"""The software bill of materials in CycloneDX's JSON: what is locked, with hashes and licences."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from audit.licences import Policy
from audit.locked import LOCK, ROOT, Package

_ENTRY: Final = re.compile(
    r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)[^\n]*\n((?: +--hash=\S+.*\n?)+)", re.M
)
_SPDX: Final = re.compile(r"^[\w.+() -]+$")
# Our short words that are none of SPDX's.
_NAMES: Final = frozenset({"BSD", "GPL", "LGPL", "Artistic"})


def document(packages: Sequence[Package], policy: Policy, lock: Path = LOCK) -> dict[str, Any]:
    """Return the document; the same lock gives the same one, serial number included."""
    text = lock.read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    hashes = {
        (name.lower(), version): sorted(set(re.findall(r"sha256:([0-9a-f]{64})", rest)))
        for name, version, rest in _ENTRY.findall(text)
    }
    us = f"pkg:pypi/{project['name']}@{project['version']}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, us + text)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": us,
                "name": project["name"],
                "version": project["version"],
                "purl": us,
            }
        },
        "components": [
            _component(each, policy, hashes[each.name, each.version]) for each in packages
        ],
        "dependencies": [{"ref": us, "dependsOn": [_address(each) for each in packages]}],
    }


def write(document: dict[str, Any], file: Path) -> None:
    """Write it, for people too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{json.dumps(document, indent=1)}\n")


def _component(package: Package, policy: Policy, hashes: Sequence[str]) -> dict[str, Any]:
    said = policy.licence(package)
    licences: list[dict[str, Any]] = []
    if said and (_NAMES & set(said.split()) or not _SPDX.match(said)):
        licences = [{"license": {"name": said}}]
    elif said:
        licences = [{"expression": said}]
    else:
        licences = [{"license": {"name": "not said"}}]
    return {
        "type": "library",
        "bom-ref": _address(package),
        "name": package.name,
        "version": package.version,
        "purl": _address(package),
        # One for each file that the lock takes: wheels of other systems, the source.
        "properties": [{"name": "astraeus:locked:sha256", "value": each} for each in hashes],
        **({"licenses": licences} if licences else {}),
    }


def _address(package: Package) -> str:
    return f"pkg:pypi/{package.name.replace('_', '-')}@{package.version}"

"""Known vulnerabilities of what is locked: asked of a service by pip-audit, or of files of OSV's.

Three ends, never mixed up: clean, vulnerable, and not asked.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from audit.locked import LOCK, ROOT, Package

Word = Literal["clean", "vulnerable", "not asked"]
_VENV: Final = ROOT / "deploy" / "locked-venv"
_SECONDS: Final = 900


@dataclass(frozen=True)
class Answer:
    """What is known, and of how many packages it was asked."""

    word: Word
    says: str
    found: tuple[str, ...] = ()


def asked(command: Sequence[str] | None = None, service: str | None = None) -> Answer:
    """Ask a service by pip-audit: PyPI's, or the one of OSV's kind at an address."""
    try:
        program = [*command] if command else [_made()]
        done = subprocess.run(  # noqa: S603 - pip-audit of a hashed lock
            [
                *program,
                *("--requirement", str(LOCK), "--no-deps", "--disable-pip"),
                *("--format", "json", "--progress-spinner", "off"),
                *(("--vulnerability-service", "osv", "--osv-url", service) if service else ()),
            ],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Answer("not asked", f"pip-audit could not be run ({type(error).__name__})")
    try:
        told = json.loads(done.stdout)["dependencies"]
        return _of_pip_audit(told)
    except (ValueError, KeyError, TypeError):
        # It ends with 1 for what it found and for a service that does not answer alike.
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Answer("not asked", f"pip-audit had no answer: {last[:300]}")


def _of_pip_audit(told: list[dict[str, Any]]) -> Answer:
    skipped = [each["name"] for each in told if "skip_reason" in each]
    found = tuple(
        f"{each['name']} {each['version']}: {vulnerability['id']}"
        for each in told
        for vulnerability in each.get("vulns", ())
    )
    if found:
        return Answer("vulnerable", f"{len(told)} packages asked of a service", found)
    if skipped or not told:
        return Answer("not asked", f"{len(skipped)} packages were skipped: {skipped[:3]}")
    return Answer("clean", f"{len(told)} packages asked of a service")


def read_in(archive: Path, packages: Sequence[Package]) -> Answer:
    """Look into OSV's export for PyPI (all.zip), or a folder of its JSON records; no network."""
    pinned: dict[str, set[str]] = {}
    for each in packages:
        pinned.setdefault(canonicalize_name(each.name), set()).add(each.version)
    number, found = 0, set[str]()
    try:
        for record in _records(archive):
            number += 1
            found.update(_hits(record, pinned))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return Answer("not asked", f"{archive} cannot be read ({type(error).__name__})")
    if not number:
        return Answer("not asked", f"{archive} has no advisories")
    says = f"{len(packages)} packages against {number} advisories in {archive}"
    return Answer("vulnerable" if found else "clean", says, tuple(sorted(found)))


def _records(archive: Path) -> Iterator[dict[str, Any]]:
    if archive.is_dir():
        for file in sorted(archive.glob("*.json")):
            yield json.loads(file.read_bytes())
        return
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if name.endswith(".json"):
                yield json.loads(packed.read(name))


def _hits(record: dict[str, Any], pinned: dict[str, set[str]]) -> Iterator[str]:
    if record.get("withdrawn"):
        return
    for affected in record.get("affected", ()):
        package = affected.get("package", {})
        name = canonicalize_name(package.get("name", ""))
        if package.get("ecosystem") != "PyPI":
            continue
        for version in pinned.get(name, ()):
            if version in affected.get("versions", ()) or any(
                _is_within(version, each.get("events", ()))
                for each in affected.get("ranges", ())
                if each.get("type") == "ECOSYSTEM"
            ):
                yield f"{name} {version}: {record['id']}"


def _is_within(version: str, events: Iterable[dict[str, str]]) -> bool:
    """Whether a version is affected: introduced before it, fixed or last affected after."""
    try:
        at = Version(version)
        inside = False
        for event in events:
            [(kind, value)] = event.items()
            edge = Version("0" if value == "0" else value)
            if kind == "introduced" and at >= edge:
                inside = True
            elif (kind == "fixed" and at >= edge) or (kind == "last_affected" and at > edge):
                inside = False
    except InvalidVersion:
        return True  # rather one too many to look at
    return inside


def _made() -> str:
    """Return pip-audit of an environment of its own, made of its lock where it is missing."""
    made = subprocess.run([str(_VENV), "pip-audit"], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return str(Path(made.stdout.strip()).with_name("pip-audit"))

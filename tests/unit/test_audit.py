"""`make audit`: what it lets through, what not, and that silence is not the same as clean."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from audit import advisories, bom, licences, locked, secrets
from audit.licences import Policy
from audit.locked import Package

PACKAGES = locked.packages()
POLICY = Policy.read()


def test_every_locked_package_may_be_used_and_is_listed() -> None:
    assert len(PACKAGES) > 250
    assert licences.objections(PACKAGES, POLICY) == []
    listed = {
        line.split("|")[1].strip(): line.split("|")[2].strip()
        for line in licences.LIST.read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| package")
    }
    assert listed.keys() == {each.name for each in PACKAGES}
    # What is not installed on this system says its licence on another one.
    told = {each.name: each.licence for each in PACKAGES if each.licence}
    assert {name: listed[name] for name in told} == told


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-3.0-only)", False),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("MIT AND SSPL-1.0", False),
        ("LGPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
        (None, False),
    ],
)
def test_unknown_and_strong_licences_are_objected_to(licence: str | None, is_allowed: bool) -> None:
    package = Package("new-one", "1.0", licence)
    assert (POLICY.objection(package) is None) is is_allowed


def test_a_reason_for_what_is_not_locked_any_more_is_told() -> None:
    [said] = licences.objections([], Policy(frozenset(), {"gone": "why"}, {}))
    assert "gone, which is not locked" in said


def test_the_bill_of_materials_has_all_that_is_locked() -> None:
    made = bom.document(PACKAGES, POLICY)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert [each["version"] for each in made["components"]] == [each.version for each in PACKAGES]
    refs = [each["bom-ref"] for each in made["components"]]
    assert len(set(refs)) == len(refs) and set(made["dependencies"][0]["dependsOn"]) == set(refs)
    assert all(each["properties"] and each.get("licenses") for each in made["components"])
    assert made == bom.document(PACKAGES, POLICY)


def test_no_secret_is_in_the_tree() -> None:
    assert secrets.findings() == []


# Put together here, or the tree would have them.
@pytest.mark.parametrize(
    "line",
    [
        "AKIA" + "Q3EGRZ7PJ5VXN2MT",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "key: sk-" + "ant-api03-abcdefghijklmnopqrstuvwxyz",
        "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        "xoxb-" + "123456789012-abcdefABCDEF",
        "https://hooks.slack.com/services/" + "T0001/B0002/XyZ",
        "DefaultEndpointsProtocol=https;AccountKey=" + "a" * 60 + "==",
        "postgresql://astraeus:" + "x8Kd0pQz7Lm@db.internal/astraeus",
        'client_secret = "' + "q8R~v7Lk2Zx9Wm4Tn6Yb1Hc3" + 'Pd"'.replace("~", "_"),
    ],
)
def test_a_secret_is_found(line: str) -> None:
    assert secrets.kinds_in(line.replace("~", "_"))


def test_a_secret_in_a_file_is_told_by_place_and_not_shown(tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    key = "AKIA" + "Q3EGRZ7PJ5VXN2MT"
    (tmp_path / "config.py").write_text(f"a = 1\nkey = '{key}'\n")
    [found] = secrets.findings(tmp_path)
    assert str(found) == "config.py:2: AWS access key"


RECORD: dict[str, Any] = {
    "id": "PYSEC-0000-1",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Left.Pad"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"fixed": "1.2.1"}]}
            ],
            "versions": ["0.9.post1"],
        }
    ],
}


@pytest.mark.parametrize(
    ("version", "word"),
    [
        ("1.0", "vulnerable"),
        ("1.2", "vulnerable"),
        ("0.9.post1", "vulnerable"),
        ("1.2.1", "clean"),
        ("0.9", "clean"),
    ],
)
def test_advisories_in_a_file_are_held_against_versions(
    tmp_path: Path, version: str, word: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(RECORD))
    answer = advisories.read_in(tmp_path, [Package("left-pad", version, "MIT")])
    assert answer.word == word
    withdrawn = {**RECORD, "withdrawn": "2026-01-01T00:00:00Z"}
    (tmp_path / "a.json").write_text(json.dumps(withdrawn))
    assert advisories.read_in(tmp_path, [Package("left-pad", version, "MIT")]).word == "clean"


def test_a_file_that_says_nothing_is_not_clean(tmp_path: Path) -> None:
    assert advisories.read_in(tmp_path, PACKAGES).word == "not asked"
    assert advisories.read_in(tmp_path / "none.zip", PACKAGES).word == "not asked"
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04")
    assert advisories.read_in(tmp_path / "bad.zip", PACKAGES).word == "not asked"


CLEAN = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
VULNERABLE = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]}
SKIPPED = {"dependencies": [{"name": "a", "skip_reason": "not found"}]}


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (f"print({json.dumps(CLEAN)!r})", "clean"),
        (f"print({json.dumps(VULNERABLE)!r}); raise SystemExit(1)", "vulnerable"),
        (f"print({json.dumps(SKIPPED)!r})", "not asked"),
        ("raise SystemExit('could not connect')", "not asked"),
        ("pass", "not asked"),
    ],
)
def test_only_an_answer_is_an_answer(code: str, word: str) -> None:
    assert advisories.asked([sys.executable, "-I", "-c", code]).word == word


def test_without_pip_audit_nobody_was_asked() -> None:
    assert advisories.asked(["/nowhere/pip-audit"]).word == "not asked"


def test_pip_audit_is_locked_with_hashes_and_without_addresses() -> None:
    lock = (locked.ROOT / "deploy" / "pip-audit.lock").read_text()
    entries = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(entries) > 20 and "://" not in lock
    assert all(line.endswith(" \\") and "==" in line for line in entries)
    wanted = (locked.ROOT / "deploy" / "pip-audit.in").read_text().strip()
    assert f"\n{wanted} " in lock

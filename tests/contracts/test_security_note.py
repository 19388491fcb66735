"""SECURITY.md: each control names tests and files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTE = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", NOTE)))
CONTROLS = [line for line in NOTE.splitlines() if re.match(r"\| [STRIDE] \|", line)]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_named_test_is_there(file: str, test: str) -> None:
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.M)


def test_every_threat_has_a_control_and_a_test() -> None:
    assert {line[2] for line in CONTROLS} == set("STRIDE")
    assert all("::test_" in line.split("|")[4] for line in CONTROLS)


def test_files_that_are_named_are_there() -> None:
    for path in re.findall(r"`(app/[\w/]+\.py)`", NOTE):
        assert (ROOT / path).is_file(), path

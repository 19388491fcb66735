"""fakesnow's own environment: locked with hashes, free of addresses, made by `make setup`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from packaging.requirements import Requirement

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
LOCK = (DEPLOY / "fakesnow.lock").read_text()


def test_every_line_is_pinned_and_hashed() -> None:
    entries = re.findall(
        r"^\S+==\S+(?: ; [^\\]+)? \\\n(?: +--hash=sha256:[0-9a-f]{64})", LOCK, re.M
    )
    lines = [line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(entries) == len(lines) > 30
    assert "://" not in LOCK


def test_what_is_wanted_is_locked_as_it_is_wanted() -> None:
    for wanted in map(Requirement, (DEPLOY / "fakesnow.in").read_text().split()):
        [pinned] = wanted.specifier
        assert re.search(rf"^{wanted.name}(\[\w+\])?=={re.escape(pinned.version)} ", LOCK, re.M)


def test_set_up_makes_the_environment_and_notes_it() -> None:
    makefile = (DEPLOY.parent / "Makefile").read_text()
    assert re.search(r"^setup:.*\$\(FAKESNOW\)", makefile, re.M)
    assert re.search(r"^\$\(FAKESNOW\): deploy/fakesnow\.lock deploy/fakesnow-venv", makefile, re.M)


def test_the_script_prints_a_python_that_has_fakesnow() -> None:
    python = subprocess.run(
        [DEPLOY / "fakesnow-venv"], capture_output=True, text=True, check=True
    ).stdout.strip()
    code = "import fakesnow.server, snowflake.connector as c; print(c.__version__)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "4.8.1"

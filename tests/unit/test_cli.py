"""The command line: plain sentences, exit codes, JSON, no secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.cli.children import Mark, read_state, write_state
from astraeus_pipeline.cli.up import start_detached  # noqa: F401 - importable without its programs
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import installed

RUNNER = CliRunner()


def astraeus(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "astraeus_pipeline.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, astraeus_pipeline.cli\n"
        "print([m for m in ('dagster', 'boto3', 'streamlit', 'dbt') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not a URL"),
        ("mysql://u:canary@h/d", "must name a PostgreSQL server"),
        ("postgresql://u:canary@127.0.0.1:1/d", "refused a connection"),
    ],
)
def test_a_wrong_database_url_is_one_sentence_and_a_next_step(
    url: str, says: str, tmp_path: Path
) -> None:
    done = astraeus("status", ASTRAEUS_DATABASE_URL=url, ASTRAEUS_HOME=str(tmp_path))
    text = " ".join(done.stderr.split())
    assert done.returncode in (1, 2)
    assert says in text and "Next:" in text
    assert "Traceback" not in text and "canary" not in text


@pytest.mark.integration
def test_accounts_are_added_listed_paused_and_removed(database: Database, tmp_path: Path) -> None:
    bills = tmp_path / "bills"
    bills.mkdir()
    with installed(database, tmp_path / "home"):
        add = ["account", "add", "acme", "--provider", "focus", "--set", f"url={bills}"]
        assert RUNNER.invoke(app, [*add, "--no-test"]).exit_code == 0
        listed = json.loads(RUNNER.invoke(app, ["account", "list", "--json"]).stdout)
        assert [(each["account"], each["state"]) for each in listed] == [("acme", "active")]
        for command, state in (("pause", "paused"), ("resume", "active")):
            assert RUNNER.invoke(app, ["account", command, "acme"]).exit_code == 0
            listed = json.loads(RUNNER.invoke(app, ["status", "--json"]).stdout)
            assert listed[0]["state"] == state
        assert RUNNER.invoke(app, ["account", "remove", "acme", "--yes"]).exit_code == 0
        assert json.loads(RUNNER.invoke(app, ["account", "list", "--json"]).stdout) == []


@pytest.mark.integration
def test_wrong_arguments_name_what_is_known(database: Database, tmp_path: Path) -> None:
    with installed(database, tmp_path):
        cases = [
            (["account", "add", "a", "--provider", "gcp"], "Known providers: aws, focus"),
            (["account", "add", "a", "--provider", "aws", "--set", "reigons=x"], "regions"),
            (["account", "add", "a", "--provider", "aws", "--set", "x"], "--set key=value"),
            (["account", "pause", "nobody"], "There is no account 'nobody'"),
            (["delivery", "show", "7"], "There is no delivery 7"),
            (["db", "url", "--role", "root"], "There is no role"),
            (["backfill", "--from", "yesterday"], "2026-10-31"),
        ]
        for arguments, says in cases:
            result = RUNNER.invoke(app, arguments)
            assert says in str(result.exception), arguments


def test_the_state_of_what_runs_survives_and_tells_processes_apart(tmp_path: Path) -> None:
    import os

    path = tmp_path / "run" / "up.json"
    assert read_state(path) == ({}, {})
    mark = Mark.of(os.getpid())
    write_state(path, {"me": mark, "other": Mark(mark.pid, 1.0)}, {"app": "http://127.0.0.1:1"})
    marks, addresses = read_state(path)
    assert (marks["me"].is_alive(), marks["other"].is_alive()) == (True, False)
    assert addresses == {"app": "http://127.0.0.1:1"}

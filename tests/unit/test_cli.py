"""The command line: plain sentences, exit codes, JSON, no secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.cli.children import Mark, read_state, write_state
from astraeus_pipeline.cli.failures import translate
from astraeus_pipeline.cli.output import report_error
from astraeus_pipeline.cli.up import start_detached  # noqa: F401 - importable without its programs
from astraeus_pipeline.errors import ConfigError
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


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ASTRAEUS_LANDING_OPTIONS", '{"region": ["canary"]}', "ASTRAEUS_LANDING_OPTIONS cannot"),
        ("ASTRAEUS_LANDING_OPTIONS", "{canary", "ASTRAEUS_LANDING_OPTIONS cannot be used"),
        ("ASTRAEUS_HOME", "/dev/null/home", "Not a directory"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_kept(name: str, value: str, says: str) -> None:
    without = {"ASTRAEUS_DATABASE_URL": "postgresql://u:canary@127.0.0.1:1/d"}
    environment = {name: value} if name == "ASTRAEUS_HOME" else {**without, name: value}
    done = astraeus("keys", "rotate", **environment)
    assert done.returncode in (1, 2)
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr and "canary" not in done.stderr


def test_debug_shows_the_traceback() -> None:
    done = astraeus("--debug", "keys", "rotate", ASTRAEUS_HOME="/dev/null/home")
    assert "Traceback" in done.stderr


def test_brackets_in_a_message_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    report_error(ConfigError("package[extra] is [bold]wrong[/].", hint="Try [this]."))
    shown = capsys.readouterr().err
    assert "package[extra] is [bold]wrong[/]." in shown and "Try [this]." in shown


@pytest.mark.parametrize(
    "error",
    [psycopg.errors.UndefinedTable("canary"), ValueError("canary"), RuntimeError("canary")],
)
def test_an_unforeseen_error_says_nothing_of_the_data(error: Exception) -> None:
    assert "canary" not in str(translate(error))


@pytest.mark.integration
def test_doctor_names_every_fault_and_goes_on(database: Database, tmp_path: Path) -> None:
    with installed(database, tmp_path / "home"):
        RUNNER.invoke(app, ["keys", "rotate"])
        (tmp_path / "home" / "keys" / "master.key").chmod(0o644)
        add = ["account", "add", "lost", "--provider", "focus", "--no-test"]
        assert RUNNER.invoke(app, [*add, "--set", f"url={tmp_path / 'none'}"]).exit_code == 0
        result = RUNNER.invoke(app, ["doctor", "--json"])
    findings = {each["check"]: each for each in json.loads(result.stdout)}
    assert result.exit_code == 1
    wrong = {name for name, finding in findings.items() if not finding["ok"]}
    assert {"key ring", "accounts"} <= wrong
    assert not {"python", "home", "database", "landing store", "dagster", "processes"} & wrong
    assert "chmod 600" in findings["key ring"]["says"] and "lost" in findings["accounts"]["says"]


@pytest.mark.integration
def test_secrets_come_from_stdin_and_are_never_shown(database: Database, tmp_path: Path) -> None:
    with installed(database, tmp_path / "home"):
        add = ["account", "add", "prod", "--provider", "aws", "--no-test", "--secrets-from-stdin"]
        given = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "canary"}
        added = RUNNER.invoke(app, add, input=json.dumps(given))
        listed = RUNNER.invoke(app, ["account", "list", "--json"])
        unknown = RUNNER.invoke(app, [*add[:2], "two", *add[3:]], input='{"password": "canary"}')
    assert added.exit_code == 0, added.output
    assert json.loads(listed.stdout)[0]["credentials"] == "sealed"
    assert isinstance(unknown.exception, ConfigError)
    shown = added.output + listed.output + unknown.output + str(unknown.exception)
    assert "canary" not in shown


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
            (["account", "add", "a", "--provider", "gcp"], "Known providers: aws"),
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

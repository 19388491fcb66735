"""The embedded server: started once, shared, surviving a kill, roles within their limits."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from starlette.testclient import TestClient

from app.auth import store
from app.auth.cookies import COOKIE
from app.queries import execute
from app.queries.compiler import Statement
from app.records import connect
from astraeus_pipeline.cli import process, up
from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import embedded
from astraeus_pipeline.warehouse.engine import Database, open_database
from astraeus_pipeline.warehouse.migrate import is_migrated, migrate
from tests.app.gated import PAGE, browser, sign_in

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="astraeus-embedded-"))
    folder.chmod(0o711)
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_many_processes_start_one_server(home: Path) -> None:
    code = (
        "from pathlib import Path; from astraeus_pipeline.warehouse import embedded\n"
        f"print(embedded.start(Path({str(home)!r})))"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    urls = {starter.communicate()[0].strip() for starter in starters}
    assert len(urls) == 1
    assert embedded.status(home).is_running  # it outlives those who started it


def test_the_password_is_private_and_the_server_local(home: Path) -> None:
    assert (home / "db" / "password").stat().st_mode & 0o777 == 0o600
    with psycopg.connect(embedded.start(home)) as conn:
        shown = dict(
            conn.execute(
                "select name, setting from pg_settings"
                " where name in ('listen_addresses', 'data_checksums')"
            ).fetchall()
        )
    assert shown == {"listen_addresses": "127.0.0.1", "data_checksums": "on"}


def test_up_starts_a_server_that_was_killed_and_none_that_was_stopped(home: Path) -> None:
    settings = Settings(home=home, database_url=None)
    embedded.start(home)
    assert not embedded.has_fallen(home)
    postmaster = int((home / "db" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(postmaster)] if psutil.pid_exists(postmaster) else [], 10)
    assert embedded.has_fallen(home)
    up.mend_database(settings)
    assert embedded.status(home).is_running
    embedded.stop(home)
    up.mend_database(settings)
    assert not embedded.status(home).is_running
    embedded.start(home)


def test_what_was_committed_survives_kill_9(home: Path) -> None:
    with psycopg.connect(embedded.start(home), autocommit=True) as conn:
        conn.execute("create table kept as select 1 as one")
    postmaster = int((home / "db" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    with psycopg.connect(embedded.start(home)) as conn:
        assert conn.execute("select one from kept").fetchone() == (1,)


def test_a_server_whose_starter_was_killed_is_found_again(home: Path) -> None:
    url = embedded.start(home)
    (home / "db" / "port").unlink()
    assert embedded.start(home) == url


def test_no_url_is_given_out_before_the_database_exists(home: Path) -> None:
    embedded.start(home)
    (home / "db" / "made").unlink()  # as while the first starter still creates it
    assert embedded.url(home) is None
    with psycopg.connect(embedded.start(home)) as conn:
        assert conn.info.dbname == embedded.DATABASE


def test_the_server_and_its_tools_ignore_the_users_postgres_variables(home: Path) -> None:
    embedded.stop(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGDATA", "/nowhere")
        patch.setenv("PGPORT", "1")
        patch.setenv("PGHOST", "db.example.com")
        url = embedded.start(home)
    psycopg.connect(url).close()


def test_stop_and_start_keep_the_data(home: Path) -> None:
    assert embedded.stop(home)
    assert not embedded.status(home).is_running
    with psycopg.connect(embedded.start(home)) as conn:
        assert conn.execute("select one from kept").fetchone() == (1,)


def test_migrating_twice_and_at_once_changes_nothing_more(home: Path) -> None:
    code = (
        "from pathlib import Path; from astraeus_pipeline.settings import Settings\n"
        "from astraeus_pipeline.warehouse.engine import open_database\n"
        "from astraeus_pipeline.warehouse.migrate import migrate\n"
        f"migrate(open_database(Settings(home=Path({str(home)!r}), database_url=None)))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ASTRAEUS_DATABASE_URL"}
    runs = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]


@pytest.fixture
def visitor(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Yield a browser at an app that has yet to ask for the database of the home."""
    migrate(open_database(Settings(home=home, database_url=None)))
    monkeypatch.setenv("ASTRAEUS_HOME", str(home))
    monkeypatch.delenv("ASTRAEUS_DATABASE_URL", raising=False)
    _forget()
    yield browser(**{COOKIE: "a session"})
    _forget()


def test_nothing_that_asks_starts_a_server_that_was_stopped(
    home: Path, visitor: TestClient
) -> None:
    for _ in range(2):  # before the app has ever asked, and after it has
        embedded.stop(home)
        for path in ("/costs", "/health/ready", "/signin", "/oidc/start"):
            answer = visitor.get(path, headers=PAGE)
            assert (answer.status_code, "does not run" in answer.text) == (503, True), path
        answer = sign_in(browser(), "somebody@example.org", "a password")
        assert (answer.status_code, "does not run" in answer.text) == (503, True)
        for ask in (_as_reader, _as_app, _as_a_run, _as_a_process):
            with pytest.raises(DatabaseError, match="does not run"):
                ask()
        assert not embedded.status(home).is_running
        embedded.start(home)
        assert visitor.get("/costs", headers=PAGE).status_code == 303
        for ask in (_as_reader, _as_app, _as_a_run):
            ask()


def test_the_app_finds_a_server_that_was_started_behind_another_port(
    home: Path, visitor: TestClient
) -> None:
    for ask in (_as_reader, _as_app, lambda: visitor.get("/costs", headers=PAGE)):
        ask()
    embedded.stop(home)
    with socket.create_server(("127.0.0.1", embedded.status(home).port or 0)):
        embedded.start(home)
    with pytest.raises(DatabaseError, match="did not answer"):
        _as_reader()
    assert visitor.get("/costs", headers=PAGE).status_code == 503
    for ask in (_as_reader, _as_app):
        ask()
    assert visitor.get("/costs", headers=PAGE).status_code == 303


def _as_reader() -> None:
    execute.run(Statement("select 1 as one", ()))


def _as_app() -> None:
    with connect.as_app() as conn:
        conn.execute("select 1")


def _as_a_run() -> None:
    with IngestionResource().connection("loader") as conn:
        conn.execute("select 1")


def _as_a_process() -> None:
    process.prepare(Settings.from_env())


def _forget() -> None:
    store.forget()
    execute.forget_engine()
    connect._database.cache_clear()


def test_each_role_logs_in_and_stays_within_its_limits(database: Database) -> None:
    assert is_migrated(database)
    migrate(database)
    refused = {
        "reader": [
            "select * from raw.deliveries",
            "create table marts.x (a int)",
            "select * from app.accounts",
            "select * from app.live_sessions",
            "set role astraeus_operator",
        ],
        "operator": ["select * from raw.deliveries", "select * from app.sessions"],
        "app": ["select * from raw.focus_costs", "delete from raw.deliveries"],
        "dbt": [
            "insert into raw.quarantine default values",
            "select sealed_credentials from app.accounts",
        ],
        "loader": ["select * from app.accounts", "create table marts.x (a int)"],
        "dagster": ["select * from raw.deliveries", "select * from app.accounts"],
    }
    for role, statements in refused.items():
        for statement in statements:
            with (
                database.connect(role) as conn,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                conn.execute(statement)


def test_a_database_that_is_gone_is_a_plain_sentence(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://u:canary@127.0.0.1:1/d")
    with pytest.raises(Exception, match="refused a connection") as caught:
        open_database(settings).connect("admin")
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(open_database(settings))

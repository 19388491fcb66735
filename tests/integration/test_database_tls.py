"""TLS to the database: all that use its URL speak it, and none is fooled by another server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy
from dagster_postgres.run_storage import PostgresRunStorage
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver
from astraeus_pipeline.orchestration.environment import child_environment
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse import embedded, pg_tools, tls
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.migrate import migrate
from tests.fixtures.estate import add_focus_account, installed, write_month
from tests.fixtures.tls_server import TlsServer, binaries, tls_server

pytestmark = pytest.mark.integration
ENCRYPTED = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    tools = binaries()
    if tools is None:
        pytest.skip("no PostgreSQL with TLS here: Debian's package postgresql has one")
    with tls_server(tools) as made:
        migrate(made.database())
        yield made


def dbt_debug(environment: dict[str, str]) -> str:
    """Let dbt try its connection, as its processes do; return what it prints."""
    folder = str(PROJECT_ROOT / "dbt_project")
    words = ("debug", "--connection", "--project-dir", folder, "--profiles-dir", folder)
    call = f"from dbt.cli.main import cli; cli({[*words, '--log-level-file', 'none']!r})"
    return subprocess.run(
        [sys.executable, "-c", call],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def environment_of(database: Database, home: Path) -> dict[str, str]:
    return child_environment(Settings(home=home), database)


def test_every_role_and_driver_speaks_tls(server: TlsServer) -> None:
    database = server.database()
    for role in ("admin", "loader", "app", "reader", "operator"):
        with database.connect(role) as conn:  # type: ignore[arg-type] # names of roles
            assert conn.execute(ENCRYPTED).fetchone() == (True,)
    engine = database.engine("app")
    with engine.connect() as connection:
        assert connection.exec_driver_sql(ENCRYPTED).scalar() is True
    engine.dispose()


def test_dagsters_storage_and_dbt_check_whom_they_speak_to(
    server: TlsServer, tmp_path: Path
) -> None:
    storage = PostgresRunStorage(environment_of(server.database(), tmp_path)["DAGSTER_PG_URL"])
    with storage.connect() as connection:
        assert connection.exec_driver_sql(ENCRYPTED).scalar() is True
    storage.dispose()
    for told, wrong in (
        ("certificate verify failed", server.database(authority=server.stranger)),
        ("does not match host name", server.database("127.0.0.1")),
    ):
        url = environment_of(wrong, tmp_path)["DAGSTER_PG_URL"]
        with pytest.raises(sqlalchemy.exc.OperationalError, match=told):
            sqlalchemy.create_engine(url).connect()
    # dbt has host and options in parts; that it comes to this shows that it got them all.
    strange = environment_of(server.database(authority=server.stranger), tmp_path)
    assert "certificate verify failed" in dbt_debug(strange)


def test_a_server_of_another_name_or_authority_is_refused_in_plain_words(server: TlsServer) -> None:
    with pytest.raises(DatabaseError, match="certificate is of another name") as caught:
        server.database("127.0.0.1").connect("app")
    assert "of-the-tls-server" not in str(caught.value)
    with pytest.raises(DatabaseError, match="authority that is not known here"):
        server.database(authority=server.stranger).connect("app")
    with pytest.raises(DatabaseError, match="authority that is not known here"):
        server.database(authority=Path("/nowhere/authority.pem")).connect("app")


def test_a_server_without_tls_is_refused_where_it_is_wanted(database_server: Database) -> None:
    url = database_server.admin_url.update_query_dict({"sslmode": "require"})
    with pytest.raises(DatabaseError, match="switch it on there"):
        Database(url, database_server.role_key).connect("admin")


def test_a_backup_takes_tools_that_speak_tls(server: TlsServer, tmp_path: Path) -> None:
    """The wheel's cannot: they would fail here, and send plain text where it is only preferred."""
    database = server.database()
    tool = pg_tools.find("pg_dump", 15, database)
    assert tool.parent != embedded.client_tools()
    pg_tools.run(tool, database, "--schema=app", "--schema-only", f"--file={tmp_path / 'dump'}")
    assert "CREATE TABLE app.accounts" in (tmp_path / "dump").read_text()
    for wrong in (server.database("127.0.0.1"), server.database(authority=server.stranger)):
        with pytest.raises(DatabaseError, match="certificate"):
            pg_tools.run(tool, wrong, "--schema=app", f"--file={tmp_path / 'none'}")
    elsewhere = Database(sqlalchemy.make_url("postgresql://a:b@db.example.com/astraeus"), "")
    assert pg_tools.find("pg_restore", 15, elsewhere).parent != embedded.client_tools()


def test_a_backup_and_its_restore_speak_tls_to_the_end(
    server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes no connection without: the tools' workers, too, have to speak it."""
    day = date(2026, 10, 5)
    write_month(tmp_path / "bills" / "october.csv", {day: ["12.34", "0.000000000001"]})
    first = server.database()
    second = Database(server.url().set(database="elsewhere"), first.role_key)
    with first.connect("admin", autocommit=True) as conn:
        conn.execute("create database elsewhere")
    with installed(first, tmp_path / "first") as settings:
        add_focus_account(first, settings, "acme", tmp_path / "bills")
        ingestion = Ingestion.from_settings(settings)
        account = ingestion.account("acme")
        deliver(ingestion, FOCUS, account, "costs", DayRange.of_month(day.replace(day=1)))
        told("backup", str(tmp_path / "monday"))
    monkeypatch.setenv("ASTRAEUS_HOME", str(tmp_path / "second"))
    url = second.admin_url.render_as_string(hide_password=False)
    monkeypatch.setenv("ASTRAEUS_DATABASE_URL", url)
    restored = told("restore", str(tmp_path / "monday"))
    assert (restored["accounts that open"], restored["payloads missing"]) == ("1 of 1", 0)
    rows = "select usage_date, billed_cost from raw.focus_costs order by billed_cost"
    with first.connect("loader") as one, second.connect("loader") as other:
        assert other.execute(ENCRYPTED).fetchone() == (True,)
        found = other.execute(rows).fetchall()
        assert found == one.execute(rows).fetchall()
    assert [str(cost.normalize()) for _, cost in found] == ["1E-12", "12.34"]


def told(*words: str) -> dict[str, Any]:
    answer = CliRunner().invoke(app, [*words, "--json"])
    assert answer.exit_code == 0, answer.exception
    return dict(json.loads(answer.stdout))


def test_without_such_tools_a_backup_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    elsewhere = Database(sqlalchemy.make_url("postgresql://a:b@db.example.com/astraeus"), "")
    with pytest.raises(DatabaseError, match=r"over TLS, which .* cannot"):
        pg_tools.find("pg_dump", 15, elsewhere)


@pytest.mark.parametrize(
    ("url", "is_encrypted", "standing"),
    [
        ("postgresql:///astraeus", False, "local"),
        ("postgresql:///astraeus?host=/run/postgresql", False, "local"),
        ("postgresql://127.0.0.1/astraeus", False, "local"),
        ("postgresql://[::1]/astraeus", False, "local"),
        ("postgresql://10.0.0.7/astraeus", False, "plain"),
        ("postgresql://db.example.com/astraeus?sslmode=prefer", False, "plain"),
        ("postgresql://localhost.example.com/astraeus", False, "plain"),
        ("postgresql://db.example.com/astraeus?sslmode=disable", False, "declined"),
        ("postgresql://db.example.com/astraeus?sslmode=require", True, "unverified"),
        ("postgresql://db.example.com/astraeus?sslmode=verify-ca", True, "unverified"),
        ("postgresql://db.example.com/astraeus?sslmode=verify-full", True, "verified"),
    ],
)
def test_how_safe_a_url_is(url: str, is_encrypted: bool, standing: str) -> None:
    assert tls.standing(sqlalchemy.make_url(url), is_encrypted=is_encrypted) == standing


def test_doctor_tells_of_tls_and_of_plain_text_elsewhere(
    server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_HOME", str(tmp_path))
    url = server.url().render_as_string(hide_password=False)
    monkeypatch.setenv("ASTRAEUS_DATABASE_URL", url)
    assert "name are checked" in _doctor()["says"]
    monkeypatch.setattr(tls, "is_local", lambda _: False)
    monkeypatch.setattr(tls, "standing", _as_if_plain(tls.standing))
    told = _doctor()
    assert not told["ok"] and "who sits between reads every bill" in told["says"]


def _as_if_plain(judge: object) -> object:
    return lambda url, **_: judge(url.set(query={}), is_encrypted=False)  # type: ignore[operator] # a function


def _doctor() -> dict[str, object]:
    told = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    return next(each for each in told if each["check"] == "database TLS")


def test_psycopg2_is_built_with_tls() -> None:
    """Dagster and dbt connect by it."""
    with pytest.raises(psycopg2.OperationalError) as caught:
        psycopg2.connect("host=/nowhere sslmode=require")
    assert "not compiled in" not in str(caught.value)

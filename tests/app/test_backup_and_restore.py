"""A backup of a loaded warehouse, taken while it is loaded, into an empty home: all is equal."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import Result
from psycopg import sql
from pydantic import SecretStr
from typer.testing import CliRunner

from app.auth.cookies import COOKIE
from astraeus_pipeline.accounts import passwords, store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.cli import app
from astraeus_pipeline.errors import AstraeusError, ConfigError, DatabaseError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import embedded, migrate, users
from astraeus_pipeline.warehouse.engine import Database, open_database
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.app import gated
from tests.app.conftest import THROUGH, forget, take_inventory

pytestmark = pytest.mark.integration
PASSWORD = "correct horse battery"
SECRET = "canary-of-the-account"
INVENTORIES = 4
HASHES = "select count(*), coalesce(md5(string_agg(line, ',' order by line)), '') from"
Hashes = dict[str, tuple[int, str]]


@dataclass
class Saved:
    """A backup, and the rows of all tables just before it."""

    folder: Path
    hashes: Hashes
    told: dict[str, Any]
    landing: set[str]


@pytest.fixture(scope="module")
def saved(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    settings = Settings.from_env()
    with marts.connect("app", autocommit=True) as conn:
        new = store.NewAccount("sealed", "aws", "Sealed", {}, {"key": SecretStr(SECRET)})
        store.add_account(conn, new, KeyRing.from_settings(settings), store.Actor("test"))
        users.set_password_hash(
            conn, "analyst@example.org", passwords.hashed(PASSWORD), actor="test"
        )
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("focus_accounts", ["acme", "beta"])
    hashes = hashes_of(marts)
    stored = {str(each) for each in payloads(settings)}
    folder = tmp_path_factory.mktemp("backups") / "monday"
    return Saved(folder, hashes, backed_up_while_loading(marts, folder), stored)


@pytest.fixture
def empty_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point this process at a home with nothing in it, on a server of its own."""
    home = Path(tempfile.mkdtemp(prefix="astraeus-restore-"))
    home.chmod(0o711)
    monkeypatch.setenv("ASTRAEUS_HOME", str(home))
    monkeypatch.delenv("ASTRAEUS_DATABASE_URL")
    forget()
    yield home
    forget()
    embedded.stop(home)
    shutil.rmtree(home, ignore_errors=True)


def leave_half_restored(database: Database) -> None:
    """Leave what a restore that was killed leaves: everybody is kept out, the next starts over."""
    migrate.migrate(database)
    with database.connect("admin", autocommit=True) as conn:
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(migrate.RESTORING)))
        conn.execute(
            "insert into app.users (email, name, role, created_by)"
            " values ('half@example.org', 'Half', 'admin', 'x')"
        )
    with pytest.raises(DatabaseError, match="did not come to its end"):
        migrate.is_migrated(database)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def backed_up_while_loading(database: Database, folder: Path) -> dict[str, Any]:
    """Hold a table so that the dump waits with its snapshot taken, load meanwhile, let it go on."""
    done: list[Result] = []
    thread = threading.Thread(target=lambda: done.append(run("backup", str(folder), "--json")))
    with database.connect("admin") as holding, database.connect("admin", autocommit=True) as conn:
        holding.execute("lock table app.audit_log in access exclusive mode")
        thread.start()
        waits = (
            "select count(*) from pg_locks"
            " where not granted and relation = 'app.audit_log'::regclass"
        )
        for _ in range(300):
            if done or conn.execute(waits).fetchone() != (0,):
                break
            time.sleep(0.1)
        take_inventory(database, "beta", THROUGH.replace(day=1), [])
        holding.rollback()
    thread.join()
    assert done[0].exit_code == 0, done[0].exception
    return json.loads(done[0].stdout)


def hashes_of(database: Database) -> Hashes:
    """Return number and hash of the rows of each table of every schema of ours."""
    with database.connect("admin", autocommit=True) as conn:
        tables = conn.execute(
            "select relnamespace::regnamespace::text, relname from pg_class where relkind = 'r'"
            " and relnamespace::regnamespace::text = any(%s)",
            [list(migrate.SCHEMAS)],
        ).fetchall()
        return {
            f"{schema}.{table}": conn.execute(
                sql.SQL(HASHES + " (select each::text as line from {} as each) as lines").format(
                    sql.Identifier(schema, table)
                )
            ).fetchone()
            for schema, table in tables
        }  # type: ignore[return-value] # one row each


def payloads(settings: Settings) -> Iterator[Path]:
    root = Path(LandingStore.from_settings(settings).root)
    return (each.relative_to(root) for each in root.glob("sha256/*/*"))


def test_all_rows_payloads_and_keys_come_back_and_the_app_signs_in(
    saved: Saved, empty_home: Path
) -> None:
    # On standard error, where progress is told.
    looked = run("restore", str(saved.folder), "--dry-run")
    assert looked.exit_code == 0 and "made for the check, and is empty" in looked.stderr
    assert not (empty_home / "landing").exists() and not (empty_home / "keys").exists()
    leave_half_restored(open_database(Settings.from_env()))
    answer = run("restore", str(saved.folder), "--json")
    assert answer.exit_code == 0, answer.exception
    told = json.loads(answer.stdout)
    assert told["accounts that open"] == "3 of 3"
    # Inventories of this warehouse were loaded without files.
    assert told["payloads missing"] == saved.told["payloads missing"] == INVENTORIES
    settings = Settings.from_env()
    restored = open_database(settings)
    # What was loaded after the snapshot is in neither; who restored it is in its audit log.
    found = hashes_of(restored)
    assert found.pop("app.audit_log") != saved.hashes["app.audit_log"]
    assert found == {k: v for k, v in saved.hashes.items() if k != "app.audit_log"}
    assert saved.hashes["raw.deliveries"][0] and saved.hashes["marts.fct_charges"][0]
    assert saved.hashes["dagster.dynamic_partitions"][0] == 2
    assert {str(each) for each in payloads(settings)} >= saved.landing
    with restored.connect("app", autocommit=True) as conn:
        account = store.get_account(conn, "sealed", KeyRing.from_settings(settings))
    assert account.open_secrets()["key"].get_secret_value() == SECRET
    client = gated.browser()
    assert gated.sign_in(client, "analyst@example.org", PASSWORD).status_code == 303
    assert client.cookies.get(COOKIE)
    # Functions named the former database.
    with restored.connect("operator") as conn:
        row = conn.execute(
            "select count(*) from marts.costs_as_of(now(), null, %s, %s)",
            [THROUGH.replace(day=1), THROUGH],
        ).fetchone()
    assert row and row[0] > 0
    # A second one finds the place in use.
    again = run("restore", str(saved.folder))
    assert isinstance(again.exception, ConfigError) and "in use" in again.exception.message


@pytest.mark.parametrize("part", ["database", "landing"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    saved: Saved, empty_home: Path, tmp_path: Path, part: str
) -> None:
    copy = tmp_path / saved.folder.name
    shutil.copytree(saved.folder, copy)
    shutil.copy(f"{saved.folder}.keys", f"{copy}.keys")
    victim = max((copy / part).rglob("*.*"), key=lambda path: path.stat().st_size)
    victim.chmod(0o600)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    refused = told(run("restore", str(copy)))
    assert "damaged" in refused.message and victim.name in refused.message
    assert not (empty_home / "db").exists() and not (empty_home / "keys").exists()


def test_a_backup_overwrites_nothing_and_keys_are_not_inside(marts: Database, saved: Saved) -> None:
    assert "stands already" in told(run("backup", str(saved.folder))).message
    inside = saved.folder.with_name("tuesday")
    assert "inside" in told(run("backup", str(inside), "--keys", str(inside / "k"))).message
    assert not inside.exists()
    assert SECRET not in (saved.folder / "backup.json").read_text()
    assert oct(Path(f"{saved.folder}.keys").stat().st_mode)[-3:] == "600"
    assert oct(saved.folder.stat().st_mode)[-3:] == "700"


def test_without_its_keys_a_backup_is_restored_only_if_told_so(
    saved: Saved, empty_home: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "alone"
    shutil.copytree(saved.folder, copy)
    refused = told(run("restore", str(copy), "--dry-run"))
    assert "keys that seal" in refused.message and "--without-keys" in str(refused.hint)
    assert not (empty_home / "db").exists()


def told(result: Result) -> AstraeusError:
    assert isinstance(result.exception, AstraeusError), result.output
    return result.exception

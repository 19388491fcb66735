"""Migrations back and forward over rows: nothing is lost but what a revision has no place for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic.command
import psycopg
import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import pg_tools
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.migrate import alembic_config, is_migrated, migrate
from astraeus_pipeline.warehouse.migrate_back import Loss, migrate_back
from tests.app.conftest import _copied

pytestmark = pytest.mark.integration

# Rows of a demo that an earlier version had made, at revision 0013.
OF_A_DEMO = Path(__file__).parent.parent / "fixtures" / "rows_of_0013.json"
# What came since, as the assistant writes it.
CHAT = """
insert into app.saved_views (owner_id, page, name, query)
select id, 'costs', 'Mine', '{}' from app.users;
insert into app.anomaly_assignments (series_key, method, start_date, assigned_by)
values ('s', 'm', '2026-10-01', 'x');
insert into app.chat_messages (session_id, user_id, role, content, status)
select gen_random_uuid(), id, 'user', 'What did we spend?', 'complete' from app.users;
insert into app.chat_messages
(session_id, user_id, role, content, status, feedback, feedback_note, feedback_at)
select session_id, user_id, 'assistant', '10.12 USD', 'complete', 'up', 'right', now()
from app.chat_messages;
insert into app.chat_attachments
(message_id, user_id, name, media_type, sha256, content, reading, expires_at)
select id, user_id, 'bill.csv', 'text/csv', repeat('ab', 32), '\\x01', '{"lines": []}', now()
from app.chat_messages where role = 'assistant';
insert into app.checkpoints (thread_id, checkpoint_id, checkpoint) values ('t', 'c', '{}');
"""
LEDGER = ("deliveries", "delivery_days", "partitions", "restatements", "superseded", "acceptances")
Hashes = dict[tuple[str, str], tuple[int, str]]


@pytest.fixture
def filled(
    database_server: Database, built: tuple[Database, Path], tmp_path: Path
) -> Iterator[Database]:
    """Return marts, ledger and people, with rows in what pages and the assistant write."""
    with _copied(database_server, *built, tmp_path / "home") as made:
        _fill(made)
        yield made


def _fill(database: Database) -> None:
    rows: dict[str, list[dict[str, Any]]] = json.loads(OF_A_DEMO.read_text())
    with database.connect("admin") as conn:
        for table, some in rows.items():
            name = sql.Identifier(*table.split("."))
            for row in some:
                columns = sql.SQL(", ").join(map(sql.Identifier, row))
                conn.execute(
                    sql.SQL(
                        "insert into {0} ({1}) overriding system value"
                        " select {1} from jsonb_populate_record(null::{0}, %s)"
                    ).format(name, columns),
                    [Jsonb(row)],
                )
        conn.execute(CHAT.encode())


def hashes(database: Database) -> Hashes:
    """Return how many values each column of what Alembic's migrations touch has, and their hash."""
    with database.connect("admin") as conn:
        tables = conn.execute(
            "select nspname, relname, array_agg(attname) from pg_attribute"
            " join pg_class on pg_class.oid = attrelid"
            " join pg_namespace on pg_namespace.oid = relnamespace"
            " where (nspname = 'app' or nspname = 'raw' and relname = any(%s)) and relkind = 'r'"
            " and attnum > 0 and not attisdropped and relname <> 'alembic_version' group by 1, 2",
            [list(LEDGER)],
        ).fetchall()
        return {each: held for row in tables for each, held in _hashed(conn, *row)}


def _hashed(
    conn: psycopg.Connection, schema: str, table: str, columns: list[str]
) -> Iterator[tuple[tuple[str, str], tuple[int, str]]]:
    of_each = sql.SQL(", ").join(
        sql.SQL("count({0}), coalesce(sum(hashtext({0}::text)), 0)::text").format(
            sql.Identifier(column)
        )
        for column in columns
    )
    name = sql.Identifier(schema, table)
    row = conn.execute(sql.SQL("select {} from {}").format(of_each, name)).fetchone()
    assert row is not None
    for number, column in enumerate(columns):
        yield (f"{schema}.{table}", column), (row[2 * number], row[2 * number + 1])


def described(database: Database, folder: Path, *options: str) -> list[str]:
    """Return the chosen schemas as pg_dump writes them, whatever the order of columns."""
    path = folder / "schema.sql"
    words = ("--schema-only", "--no-comments", *options, "--file", str(path))
    pg_tools.run(pg_tools.find("pg_dump", 15, database), database, *words)
    random = re.compile(r"^\\(un)?restrict ")
    return sorted(
        line.rstrip(",") for line in path.read_text().splitlines() if not random.match(line)
    )


def forward(database: Database, revision: str) -> None:
    engine = sqlalchemy.create_engine(database.url("admin"), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)


def test_each_revision_goes_back_and_forward_and_loses_only_what_it_says(
    filled: Database, tmp_path: Path
) -> None:
    whole = described(filled, tmp_path, "--schema=app", "--schema=raw")
    first = hashes(filled)
    script = ScriptDirectory.from_config(alembic_config())
    head = script.get_current_head()
    assert head is not None
    steps = [
        (each.revision, str(each.down_revision)) for each in script.iterate_revisions(head, "base")
    ]
    lost: set[str] = set()
    for revision, before in steps[:-1]:  # before the first there is nothing
        standing = hashes(filled)
        # Grants come from `migrate` alone; raw has many leaves, and few migrations of its own.
        chosen = ("--no-privileges", "--schema=app", *(["--schema=raw"] if before < "0003" else []))
        schema = described(filled, tmp_path, *chosen)
        rehearsed = migrate_back(filled, before, keep=False)
        assert hashes(filled) == standing, f"a rehearsal of {before} changed something"
        assert migrate_back(filled, before, keep=True) == rehearsed
        _only_lost(standing, hashes(filled), rehearsed)
        lost |= {loss.what for loss in rehearsed if loss.rows}
        forward(filled, revision)
        assert described(filled, tmp_path, *chosen) == schema, revision
        _only_lost(standing, hashes(filled), rehearsed)
        migrate_back(filled, before, keep=True)
    assert {"app.chat_messages", "app.chat_messages.feedback", "app.budgets", "app.users"} <= lost

    migrate(filled)
    assert is_migrated(filled)
    assert described(filled, tmp_path, "--schema=app", "--schema=raw") == whole
    kept = hashes(filled)
    for name in ("deliveries", "delivery_days", "partitions"):
        columns = {key for key in first if key[0] == f"raw.{name}" and key[1] != "raw_table"}
        assert columns and {key: kept[key] for key in columns} == {
            key: first[key] for key in columns
        }


def _only_lost(before: Hashes, after: Hashes, losses: list[Loss]) -> None:
    """All that stood stands, but for tables and columns that were said to go."""
    said = {loss.what for loss in losses}
    for (table, column), held in before.items():
        if table in said or f"{table}.{column}" in said:
            continue
        assert after[table, column] == held, f"{table}.{column}"


def test_nothing_goes_back_unless_the_person_agrees_to_the_loss(filled: Database) -> None:
    runner = CliRunner()
    standing = hashes(filled)
    asked = runner.invoke(app, ["db", "migrate", "--back-to", "0015"])
    assert isinstance(asked.exception, ConfigError) and "nothing was changed" in str(
        asked.exception
    )
    assert "app.chat_attachments: 4 rows would go" in asked.stdout.replace("\n", " ")
    assert hashes(filled) == standing and is_migrated(filled)
    done = runner.invoke(app, ["db", "migrate", "--back-to", "0015", "--yes"])
    assert done.exit_code == 0, done.exception
    assert not is_migrated(filled)
    refused = runner.invoke(app, ["db", "migrate", "--back-to", "0017"])
    assert isinstance(refused.exception, ConfigError) and "does not come before" in str(
        refused.exception
    )

"""Back to the tables of a version before, without losing more than it has no place for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import alembic.command
import sqlalchemy
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.migrate import LOCK, alembic_config

_COLUMNS: Final = text(
    "select attrelid::regclass::text, attname from pg_attribute"
    " join pg_class on pg_class.oid = attrelid"
    " where relnamespace in ('app'::regnamespace, 'raw'::regnamespace) and relkind in ('r', 'p')"
    " and not relispartition and attnum > 0 and not attisdropped"
)


@dataclass(frozen=True)
class Loss:
    """What the version before has no place for: a table, or a column of one that stays."""

    what: str
    rows: int  # of a column: those that hold something


def migrate_back(database: Database, revision: str, *, keep: bool) -> list[Loss]:
    """Take back the migrations after a revision; return what is lost by that.

    Unless it is kept everything stays as it was: a rehearsal, which waits for whoever is using
    the tables. Raises: ConfigError for a revision that does not come before the standing one.
    """
    engine = sqlalchemy.create_engine(database.url("admin"), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection, connection.begin() as whole:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        _check(connection, revision)
        before = _columns(connection)
        with connection.begin_nested() as rehearsal:
            _downgrade(connection, revision)
            after = _columns(connection)
            rehearsal.rollback()
        losses = [_loss(connection, gone) for gone in _gone(before, after)]
        if keep:
            _downgrade(connection, revision)
        else:
            whole.rollback()
    return losses


def _check(connection: Connection, revision: str) -> None:
    standing: str = connection.execute(
        text("select version_num from app.alembic_version")
    ).scalar_one()
    known = ScriptDirectory.from_config(alembic_config())
    earlier = [each.revision for each in known.iterate_revisions(standing, "base")]
    if revision not in earlier[1:]:
        raise ConfigError(
            f"{revision} does not come before {standing}, which this database has.",
            hint=f"Choose one of {', '.join(earlier[1:])}.",
        )


def _downgrade(connection: Connection, revision: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    alembic.command.downgrade(config, revision)


def _columns(connection: Connection) -> set[tuple[str, str]]:
    return {(str(row[0]), str(row[1])) for row in connection.execute(_COLUMNS)}


def _gone(
    before: set[tuple[str, str]], after: set[tuple[str, str]]
) -> list[tuple[str, str | None]]:
    """Return tables that go, and columns of those that stay."""
    standing = {table for table, _ in after}
    tables = {table for table, _ in before} - standing
    columns = {each for each in before - after if each[0] in standing}
    return [*((table, None) for table in sorted(tables)), *sorted(columns)]


def _loss(connection: Connection, gone: tuple[str, str | None]) -> Loss:
    table, column = gone
    what = "*" if column is None else connection.dialect.identifier_preparer.quote(column)
    rows = connection.execute(text(f"select count({what}) from {table}"))  # noqa: S608 - catalog's
    return Loss(table if column is None else f"{table}.{column}", rows.scalar_one())

"""Connections per role to the one database, embedded or the user's own."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
import sqlalchemy

from astraeus_pipeline.errors import ConfigError, DatabaseError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import embedded, refusals, tls

# The reader sees the rows of the session that it names; the operator those of all, for commands
# and checks.
Role = Literal["admin", "loader", "dbt", "app", "reader", "operator", "dagster"]
Driver = Literal["psycopg", "psycopg2"]
ROLES: Final[tuple[Role, ...]] = ("loader", "dbt", "app", "reader", "operator", "dagster")
# The group that row-level security lets see everything, and its members.
UNSCOPED: Final = "astraeus_unscoped"
UNSCOPED_ROLES: Final[tuple[Role, ...]] = ("dbt", "app", "operator")
MINIMUM_VERSION: Final = 15


@dataclass(frozen=True)
class Database:
    """The database of one installation; knows the password of every role, shows none."""

    admin_url: sqlalchemy.URL
    role_key: str = field(repr=False)

    def url(self, role: Role, driver: Driver = "psycopg") -> sqlalchemy.URL:
        """Return the SQLAlchemy URL of a role, with its password: handle it as a secret."""
        url = self.admin_url.set(drivername=f"postgresql+{driver}")
        if role == "admin":
            return url
        return url.set(username=role_name(role), password=self.password(role))

    def password(self, role: Role) -> str:
        """Derive a role's password: whoever knows the admin's could set it anyway."""
        mac = hmac.new(self.role_key.encode(), role_name(role).encode(), "sha256").digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def connect(self, role: Role, **options: Any) -> psycopg.Connection:
        """Open a psycopg connection; options go to `psycopg.connect`.

        Raises: DatabaseError naming server and role, never a password.
        """
        target = self.url(role).set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            return psycopg.connect(target, application_name=f"astraeus {role}", **options)
        except psycopg.OperationalError as error:
            raise self._unreachable(role, error) from None

    def engine(self, role: Role) -> sqlalchemy.Engine:
        """Return a pooled SQLAlchemy engine of a role."""
        return sqlalchemy.create_engine(
            self.url(role),
            pool_size=4,
            max_overflow=4,
            pool_pre_ping=True,
            hide_parameters=True,
            # What a connection is asked a second time it plans no third time.
            connect_args={"prepare_threshold": 1},
        )

    @cached_property
    def where(self) -> str:
        """Host, port and database, for people."""
        url = self.admin_url
        return f"{url.host or 'local socket'}:{url.port or 5432}/{url.database}"

    def _unreachable(self, role: Role, error: psycopg.OperationalError) -> DatabaseError:
        about, wrong_tls = (
            f"PostgreSQL at {self.where} refused a connection as {role}",
            tls.hint(str(error)),
        )
        if wrong_tls is None and (refusal := refusals.known(error)):
            return DatabaseError(f"{about}: {refusal.why}.", hint=refusal.hint)
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no answer"
        return DatabaseError(
            f"{about}: {reason}",
            hint=wrong_tls
            or "Run `astraeus doctor`; `astraeus db migrate` sets up roles and passwords.",
        )


def role_name(role: Role) -> str:
    """Return PostgreSQL's name of a role."""
    return f"astraeus_{role}"


def open_database(settings: Settings) -> Database:
    """Return the database that the settings name, starting the embedded one if that is it.

    Raises: ConfigError for a URL that is not PostgreSQL's, DatabaseError if it does not start.
    """
    if settings.database_url is None:
        url = sqlalchemy.make_url(embedded.start(settings.home))
    else:
        url = _external_url(settings.database_url.get_secret_value())
    return Database(url, url.password or _role_key(settings.home))


def standing_database(settings: Settings) -> Database:
    """Return the database that the settings name, and start none: for whoever only asks it.

    An embedded server that somebody stopped stays stopped.
    Raises: ConfigError as `open_database`, DatabaseError if the embedded server does not run.
    """
    if settings.is_embedded and embedded.url(settings.home) is None:
        raise DatabaseError(
            "The embedded PostgreSQL does not run.",
            hint="`astraeus up` or `astraeus db start` starts it.",
        )
    return open_database(settings)


def _external_url(text: str) -> sqlalchemy.URL:
    try:
        url = sqlalchemy.make_url(text)
    except sqlalchemy.exc.ArgumentError:
        raise ConfigError(
            "ASTRAEUS_DATABASE_URL is not a URL.",
            hint="Write it as postgresql://user:password@host:5432/database.",
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise ConfigError(
            "ASTRAEUS_DATABASE_URL must name a PostgreSQL server and a database.",
            hint="Write it as postgresql://user:password@host:5432/database.",
        )
    return url.set(drivername="postgresql")


def _role_key(home: Path) -> str:
    """Return the key of the role passwords where the admin URL has none (peer, trust, pgpass)."""
    path = home / "keys" / "role.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Linked into place whole: two processes that start at once must derive equal passwords.
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text().strip()

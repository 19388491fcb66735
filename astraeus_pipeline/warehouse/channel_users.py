"""What tells channels something, by its name: alert rules and cost summaries share this."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from astraeus_pipeline.contracts.money import COST_TYPES
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit


@dataclass(frozen=True)
class ChannelUser:
    """A table of app whose rows stand until `removed_at`, and the table of their channels.

    `key`: the column that names a row in `links`. `noun` is what people call it, `listing` the
    command that lists them, `action` how the audit log calls what happens to them.
    """

    table: str
    links: str
    key: str
    noun: str
    listing: str
    action: str

    def link(self, conn: psycopg.Connection, row_id: str, channel: str) -> None:
        """Let a row tell a channel. Raises: ConfigError if there is no such channel."""
        query = sql.SQL(
            "insert into app.{links} ({key}, channel_id)"
            " select %s, id from app.alert_channels where name = %s and removed_at is null"
            " on conflict ({key}, channel_id) do update set channel_id = excluded.channel_id"
        ).format(links=sql.Identifier(self.links), key=sql.Identifier(self.key))
        if conn.execute(query, [row_id, channel]).rowcount == 0:
            raise ConfigError(
                f"There is no channel {channel!r}.",
                hint="`astraeus alert channel list` shows them.",
            )

    def set_active(self, conn: psycopg.Connection, name: str, active: bool, actor: str) -> None:
        """Pause a row, or let it go on. Raises: ConfigError if there is none."""
        with conn.transaction():
            query = sql.SQL("update app.{} set is_active = %s, {}")
            self._change(conn, query, [active, name])
            audit.note(conn, actor, f"{self.action}.{'resume' if active else 'pause'}", name)

    def remove(self, conn: psycopg.Connection, name: str, actor: str) -> None:
        """Remove a row; what came of it stays. Raises: ConfigError if there is none."""
        with conn.transaction():
            query = sql.SQL("update app.{} set removed_at = clock_timestamp(), {}")
            self._change(conn, query, [name])
            audit.note(conn, actor, f"{self.action}.remove", name)

    def unknown(self, name: str) -> ConfigError:
        """Return the error of a name that none has."""
        return ConfigError(
            f"There is no {self.noun} {name!r}.", hint=f"`{self.listing}` shows them."
        )

    def taken(self, name: str) -> ConfigError:
        """Return the error of a name that one has already."""
        return ConfigError(
            f"There is already a {self.noun} {name!r}.",
            hint="Choose another name, or remove it.",
        )

    def _change(self, conn: psycopg.Connection, query: sql.SQL, values: list[object]) -> None:
        rest = sql.SQL("updated_at = clock_timestamp() where name = %s and removed_at is null")
        done = conn.execute(query.format(sql.Identifier(self.table), rest), values)
        if done.rowcount == 0:
            raise self.unknown(str(values[-1]))


def check_cost_type(cost_type: str) -> None:
    """Raise ConfigError for a cost that the marts do not have."""
    if cost_type not in COST_TYPES:
        raise ConfigError(
            f"There is no cost type {cost_type!r}.", hint=f"Say one of {', '.join(COST_TYPES)}."
        )

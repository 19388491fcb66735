"""app.alert_channels: addresses come and go sealed; nothing here can open them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg.rows import dict_row

from astraeus_pipeline.contracts.alerting import ChannelKind
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit


@dataclass(frozen=True)
class Channel:
    """A channel; `shown_as` is its address without what is secret of it."""

    id: str
    name: str
    kind: ChannelKind
    shown_as: str
    created_at: datetime
    sealed_address: bytes = field(repr=False)


def add_channel(conn: psycopg.Connection, channel: Channel, actor: str) -> None:
    """Add a channel, its address sealed for its id. Connect as app.

    Raises: ConfigError if the name is taken.
    """
    with conn.transaction():
        done = conn.execute(
            "insert into app.alert_channels (id, name, kind, sealed_address, shown_as)"
            " values (%s, %s, %s, %s, %s) on conflict do nothing",
            [channel.id, channel.name, channel.kind, channel.sealed_address, channel.shown_as],
        )
        if done.rowcount == 0:
            raise ConfigError(
                f"There is already a channel {channel.name!r}.",
                hint="Choose another name, or remove it first.",
            )
        audit.note(conn, actor, "alert_channel.add", channel.name, kind=channel.kind)


def list_channels(conn: psycopg.Connection) -> list[Channel]:
    """Return the channels that stand, by name."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "select id::text, name, kind, shown_as, created_at, sealed_address"
        " from app.alert_channels where removed_at is null order by name"
    )
    return [Channel(**row) for row in cursor]


def get_channel(conn: psycopg.Connection, name: str) -> Channel:
    """Return a channel by its name. Raises: ConfigError if there is none."""
    for channel in list_channels(conn):
        if channel.name == name:
            return channel
    raise _unknown(name)


def remove_channel(conn: psycopg.Connection, name: str, actor: str) -> int:
    """Remove a channel and forget its address; return how many messages no longer leave.

    They stay in the outbox as dead, with the reason. Raises: ConfigError if there is none.
    """
    with conn.transaction():
        row = conn.execute(
            "update app.alert_channels set removed_at = clock_timestamp(), sealed_address = ''"
            " where name = %s and removed_at is null returning id",
            [name],
        ).fetchone()
        if row is None:
            raise _unknown(name)
        stopped = conn.execute(
            "update app.alert_deliveries set state = 'dead',"
            " last_error = 'The channel was removed.'"
            " where channel_id = %s and state in ('pending', 'failed')",
            [row[0]],
        ).rowcount
        audit.note(conn, actor, "alert_channel.remove", name, **{"messages stopped": stopped})
    return stopped


def rewrap(conn: psycopg.Connection, seal_anew: Callable[[str, bytes], bytes]) -> int:
    """Seal every address anew by a function of id and sealed address; return how many changed."""
    changed = 0
    with conn.transaction():
        rows = conn.execute(
            "select id::text, sealed_address from app.alert_channels where removed_at is null"
            " for update"
        ).fetchall()
        for channel_id, sealed in rows:
            fresh = seal_anew(channel_id, bytes(sealed))
            if fresh != bytes(sealed):
                conn.execute(
                    "update app.alert_channels set sealed_address = %s where id = %s",
                    [fresh, channel_id],
                )
                changed += 1
    return changed


def _unknown(name: str) -> ConfigError:
    return ConfigError(
        f"There is no channel {name!r}.", hint="`astraeus alert channel list` shows them."
    )

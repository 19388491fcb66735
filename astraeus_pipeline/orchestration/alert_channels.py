"""A channel's address, sealed and opened: accounts' key ring over the alerts' addresses."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import psycopg
from pydantic import SecretStr

from astraeus_pipeline.accounts.sealing import KeyRing, Owner
from astraeus_pipeline.alerts.address import Address, parse
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import alert_channels
from astraeus_pipeline.warehouse.alert_channels import Channel

_FIELD = "address"


def owner(channel_id: str) -> Owner:
    """Return whom a channel's sealed address is bound to."""
    return Owner(channel_id, "alert channel")


def add(
    conn: psycopg.Connection, ring: KeyRing, name: str, address: Address, actor: str
) -> Channel:
    """Add a channel, its address sealed. Connect as app. Raises: ConfigError."""
    if address.kind != "email":
        from astraeus_pipeline.alerts import posts

        if not posts.is_understood(address):
            raise ConfigError(
                f"apprise does not know such an address of a {address.kind} channel.",
                hint="See `astraeus alert channel add --help` for one of each kind.",
            )
    channel_id = str(uuid.uuid4())
    sealed = ring.seal({_FIELD: address.url}, owner(channel_id))
    channel = Channel(channel_id, name, address.kind, address.shown_as, datetime.now(UTC), sealed)
    alert_channels.add_channel(conn, channel, actor)
    return channel


def open_address(ring: KeyRing, channel: Channel) -> Address:
    """Open a channel's address. Raises: ConfigError if no key of the ring fits."""
    try:
        secrets = ring.open(channel.sealed_address, owner(channel.id))
    except ConfigError:
        raise ConfigError(
            f"The address of channel {channel.name} does not open: it was sealed with a key that is"
            " not in the key ring, or altered.",
            hint="Add the former key to ASTRAEUS_MASTER_KEYS, or remove and add the channel.",
        ) from None
    address: SecretStr = secrets[_FIELD]
    return parse(channel.kind, address.get_secret_value())


def rewrap_all(conn: psycopg.Connection, ring: KeyRing) -> int:
    """Seal all addresses with the newest key; return how many changed."""

    def anew(channel_id: str, sealed: bytes) -> bytes:
        of = owner(channel_id)
        return sealed if ring.is_newest(sealed, of) else ring.rewrap(sealed, of)

    return alert_channels.rewrap(conn, anew)

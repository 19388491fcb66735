"""TLS to a database elsewhere: what its URL wants, and what is said where it is not so."""

from __future__ import annotations

import ipaddress
from typing import Final, Literal

import sqlalchemy

Standing = Literal["local", "declined", "plain", "unverified", "verified"]
# What libpq takes; all who get the URL in parts (dbt) need these beside host and port.
_OPTIONS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_VERIFYING: Final = ("verify-ca", "verify-full")


def options(url: sqlalchemy.URL) -> dict[str, str]:
    """Return the TLS options in a URL, by libpq's names."""
    return {name: _text(url.query[name]) for name in _OPTIONS if name in url.query}


def is_local(url: sqlalchemy.URL) -> bool:
    """Whether nothing leaves this machine: a socket, or a loopback address."""
    host = url.host or _text(url.query.get("host", ""))
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wanted(url: sqlalchemy.URL) -> bool:
    """Whether a connection must not be in plain text: elsewhere unless declined, here if told."""
    mode = options(url).get("sslmode")
    if is_local(url):
        return mode in ("require", *_VERIFYING)
    return mode not in ("disable", "allow")


def standing(url: sqlalchemy.URL, *, is_encrypted: bool) -> Standing:
    """Return how safe a connection of this URL is from who sits between."""
    mode = options(url).get("sslmode")
    if is_encrypted:
        # Only the name tells this server from others that the same authority certified.
        return "verified" if mode == "verify-full" else "unverified"
    if is_local(url):
        return "local"
    return "declined" if mode == "disable" else "plain"


def hint(reason: str) -> str | None:
    """Return what to do about a refusal for reasons of TLS; None if it is about something else."""
    told = reason.lower()
    if "does not match host name" in told:
        return (
            "The certificate is of another name: write the host in ASTRAEUS_DATABASE_URL as the"
            " certificate has it, or give the server one for this name."
        )
    if "certificate verify failed" in told or "root certificate file" in told:
        return (
            "The server's certificate is of an authority that is not known here: name the file of"
            " the right one as sslrootcert=... in ASTRAEUS_DATABASE_URL."
        )
    if "does not support ssl" in told:
        return "The server speaks no TLS: switch it on there (ssl = on, a certificate and its key)."
    return None


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else value[-1]

"""Envelope encryption of credentials: a data key per account, wrapped by the newest master key."""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True)
class Owner:
    """Whom sealed credentials belong to: bound in, so that a copied row does not open."""

    account_id: str
    provider: str

    def associated_data(self) -> bytes:
        """Return the bytes that encryption authenticates beside the secret."""
        return f"{self.provider}\x00{self.account_id}".encode()


@dataclass(frozen=True, repr=False)
class KeyRing:
    """Master keys of 32 bytes, newest first: the first seals, every one opens."""

    keys: tuple[bytes, ...]

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read ASTRAEUS_MASTER_KEYS, or make and read `<home>/keys/master.key` (mode 0600).

        Raises: ConfigError if a key is not 32 bytes in base64.
        """
        if settings.master_keys is not None:
            return cls.parse(settings.master_keys.get_secret_value())
        return cls.parse(_key_file(settings.home))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read comma or line separated base64 keys."""
        words = [word for word in text.replace("\n", ",").split(",") if word.strip()]
        if not words:
            raise ConfigError(
                "The key ring is empty.", hint="Set ASTRAEUS_MASTER_KEYS, or remove it."
            )
        return cls(tuple(_decode(word.strip(), number) for number, word in enumerate(words, 1)))

    def ids(self) -> list[str]:
        """Return the names of the keys, newest first, which tell nothing of the keys."""
        return [_key_id(key) for key in self.keys]

    def seal(self, credentials: Mapping[str, SecretStr], owner: Owner) -> bytes:
        """Encrypt credentials; the result names the master key by an id, never the key."""
        data_key = secrets.token_bytes(_KEY_BYTES)
        plain = json.dumps({name: value.get_secret_value() for name, value in credentials.items()})
        body = _encrypt(data_key, plain.encode(), owner.associated_data())
        return self._wrap(data_key, body, owner)

    def open(self, sealed: bytes, owner: Owner) -> dict[str, SecretStr]:
        """Decrypt credentials.

        Raises: ConfigError if no key of the ring fits, or the row belongs to another account.
        """
        envelope = _read(sealed, owner)
        plain = _decrypt(self._unwrap(envelope, owner), envelope["body"], owner)
        return {name: SecretStr(value) for name, value in json.loads(plain).items()}

    def rewrap(self, sealed: bytes, owner: Owner) -> bytes:
        """Wrap the data key with the newest master key; the secret itself stays as it is."""
        envelope = _read(sealed, owner)
        return self._wrap(self._unwrap(envelope, owner), envelope["body"], owner)

    def is_newest(self, sealed: bytes, owner: Owner) -> bool:
        """Whether the newest master key wraps this envelope.

        Raises: ConfigError if it is no envelope.
        """
        return _read(sealed, owner)["key"] == _key_id(self.keys[0])

    def _wrap(self, data_key: bytes, body: str, owner: Owner) -> bytes:
        wrapped = _encrypt(self.keys[0], data_key, owner.associated_data())
        envelope = {"v": 1, "key": _key_id(self.keys[0]), "wrapped": wrapped, "body": body}
        return json.dumps(envelope).encode()

    def _unwrap(self, envelope: Mapping[str, str], owner: Owner) -> bytes:
        for key in self.keys:
            if _key_id(key) == envelope["key"]:
                return _decrypt(key, envelope["wrapped"], owner)
        raise ConfigError(
            f"The credentials of account {owner.account_id} were sealed with a master key that is"
            " not in the key ring.",
            hint="Add the former key to ASTRAEUS_MASTER_KEYS, or enter the credentials again.",
        )


def new_key() -> str:
    """Return a fresh master key in base64."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def key_file(home: Path) -> Path:
    """Return where the default key ring lies."""
    return home / "keys" / "master.key"


def add_key(home: Path) -> None:
    """Put a fresh key in front of the key file's others."""
    path = key_file(home)
    text = f"{new_key()}\n{_key_file(home)}"
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
    fresh.replace(path)


def _key_file(home: Path) -> str:
    path = key_file(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Linked into place: whoever finds the file finds a whole key in it, and the first one wins.
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(f"{new_key()}\n")
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text()


def _read(sealed: bytes, owner: Owner) -> dict[str, str]:
    try:
        envelope = json.loads(sealed)
        return {name: str(envelope[name]) for name in ("key", "wrapped", "body")}
    except (ValueError, KeyError, TypeError):
        raise _altered(owner) from None


def _altered(owner: Owner) -> ConfigError:
    return ConfigError(
        f"The sealed credentials of account {owner.account_id} do not open: they were altered,"
        " or belong to another account.",
        hint=f"Enter them again: `astraeus account rotate-secret {owner.account_id}`.",
    )


def _decode(word: str, number: int) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"Key {number} of the key ring is not {_KEY_BYTES} bytes in base64.",
            hint="Make one with `astraeus keys new`.",
        )
    return key


def _key_id(key: bytes) -> str:
    """Name a key without telling it: an authenticated nothing under it."""
    return AESGCM(key).encrypt(bytes(_NONCE_BYTES), b"", b"astraeus key id").hex()


def _encrypt(key: bytes, plain: bytes, associated: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, associated)).decode()


def _decrypt(key: bytes, text: str, owner: Owner) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
        return AESGCM(key).decrypt(
            data[:_NONCE_BYTES], data[_NONCE_BYTES:], owner.associated_data()
        )
    except (InvalidTag, ValueError):  # not base64, or too short for a nonce
        raise _altered(owner) from None

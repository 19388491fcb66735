"""The folder of keys as one file beside a backup, under a passphrase where one is given."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import SecretStr

from astraeus_pipeline.accounts.sealing import KeyRing, key_file
from astraeus_pipeline.errors import ConfigError

_SCRYPT_COST: Final = 2**15
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_BOUND: Final = b"astraeus key backup"


def save(home: Path, target: Path, passphrase: SecretStr | None) -> None:
    """Write the keys of a home into a file of mode 0600.

    Raises: ConfigError if the file stands already.
    """
    kept = sorted(key_file(home).parent.glob("*.key"))
    content: dict[str, Any] = {path.name: path.read_text() for path in kept}
    if passphrase is not None:
        content = _sealed(json.dumps(content).encode(), passphrase)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{target} stands already; nothing is overwritten.",
            hint="Move it away, or name another.",
        ) from None
    with os.fdopen(handle, "w") as file:
        json.dump(content, file)


def read(source: Path, passphrase: SecretStr | None) -> dict[str, str]:
    """Return the keys of a saved file by name.

    Raises: ConfigError if it is damaged, or sealed and the passphrase does not open it.
    """
    try:
        content = json.loads(source.read_text())
        if "sealed" in content:
            content = json.loads(_opened(content, source, passphrase))
        return {str(name): str(text) for name, text in content.items()}
    except (ValueError, KeyError, AttributeError):
        raise ConfigError(f"{source} is damaged.", hint="Take another copy of it.") from None


def ring(files: Mapping[str, str]) -> KeyRing | None:
    """Return the key ring among saved keys, None where it was kept elsewhere."""
    text = files.get("master.key")
    return KeyRing.parse(text) if text else None


def put_back(home: Path, files: Mapping[str, str]) -> None:
    """Write saved keys into a home. A ring that stands there stays, behind the one put back."""
    folder = key_file(home).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        target = folder / Path(name).name
        standing = target.read_text() if target.exists() else ""
        if name == key_file(home).name:
            _write(target, "\n".join(dict.fromkeys([*text.split(), *standing.split()])) + "\n")
        elif not standing:
            _write(target, text)


def _write(target: Path, text: str) -> None:
    fresh = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    fresh.replace(target)


def _sealed(plain: bytes, passphrase: SecretStr) -> dict[str, str]:
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    body = nonce + _cipher(salt, passphrase).encrypt(nonce, plain, _BOUND)
    return {"salt": base64.b64encode(salt).decode(), "sealed": base64.b64encode(body).decode()}


def _opened(content: Mapping[str, str], source: Path, passphrase: SecretStr | None) -> bytes:
    if passphrase is None:
        raise ConfigError(
            f"{source} is sealed under a passphrase.",
            hint="Set ASTRAEUS_BACKUP_PASSPHRASE to the one that the backup was made with.",
        )
    salt, body = base64.b64decode(content["salt"]), base64.b64decode(content["sealed"])
    try:
        return _cipher(salt, passphrase).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _BOUND)
    except InvalidTag:
        raise ConfigError(
            f"ASTRAEUS_BACKUP_PASSPHRASE does not open {source}.",
            hint="Use the passphrase that the backup was made with.",
        ) from None


def _cipher(salt: bytes, passphrase: SecretStr) -> AESGCM:
    derive = Scrypt(salt=salt, length=32, n=_SCRYPT_COST, r=8, p=1)
    return AESGCM(derive.derive(passphrase.get_secret_value().encode()))

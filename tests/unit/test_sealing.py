"""Sealed credentials open for their account, with the right key, and for nobody else."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from astraeus_pipeline.accounts.sealing import KeyRing, Owner, add_key, key_file, new_key
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

CANARY = "canary-7f3a"
OWNER = Owner("acme-prod", "aws")
SECRET = {"secret_access_key": SecretStr(CANARY)}


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.parse(new_key())


def test_sealed_credentials_open_again(ring: KeyRing) -> None:
    opened = ring.open(ring.seal(SECRET, OWNER), OWNER)
    assert opened["secret_access_key"].get_secret_value() == CANARY
    assert CANARY not in repr(opened)


def test_the_envelope_and_the_ring_show_nothing(ring: KeyRing) -> None:
    sealed = ring.seal(SECRET, OWNER)
    assert CANARY.encode() not in sealed
    assert ring.seal(SECRET, OWNER) != sealed
    assert repr(ring.keys[0]) not in repr(ring)


@pytest.mark.parametrize("other", [Owner("acme-dev", "aws"), Owner("acme-prod", "focus")])
def test_a_row_copied_to_another_account_does_not_open(ring: KeyRing, other: Owner) -> None:
    with pytest.raises(ConfigError, match="do not open"):
        ring.open(ring.seal(SECRET, OWNER), other)


@pytest.mark.parametrize("field", ["body", "wrapped"])
def test_an_altered_envelope_does_not_open(ring: KeyRing, field: str) -> None:
    envelope = json.loads(ring.seal(SECRET, OWNER))
    text = envelope[field]
    envelope[field] = text[:20] + ("A" if text[20] != "A" else "B") + text[21:]
    with pytest.raises(ConfigError, match="do not open"):
        ring.open(json.dumps(envelope).encode(), OWNER)


@pytest.mark.parametrize("sealed", [b"", b"{}", b"[]", b"\xff\x00", b"null"])
def test_what_is_no_envelope_is_a_plain_error(ring: KeyRing, sealed: bytes) -> None:
    with pytest.raises(ConfigError, match="do not open"):
        ring.open(sealed, OWNER)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64"])
def test_a_cut_body_is_a_plain_error(ring: KeyRing, text: str) -> None:
    envelope = json.loads(ring.seal(SECRET, OWNER))
    with pytest.raises(ConfigError, match="do not open"):
        ring.open(json.dumps({**envelope, "body": text}).encode(), OWNER)


def test_many_processes_make_one_key_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        rings = list(
            pool.map(KeyRing.from_settings, [Settings(home=tmp_path, master_keys=None)] * 64)
        )
    assert len({each.keys for each in rings}) == 1
    assert [each.name for each in (tmp_path / "keys").iterdir()] == ["master.key"]


def test_rotation_keeps_the_secret_and_drops_the_old_key() -> None:
    old, new = new_key(), new_key()
    sealed = KeyRing.parse(old).seal(SECRET, OWNER)
    both = KeyRing.parse(f"{new},{old}")
    assert not both.is_newest(sealed, OWNER)
    rewrapped = both.rewrap(sealed, OWNER)
    assert KeyRing.parse(new).open(rewrapped, OWNER) == SECRET
    with pytest.raises(ConfigError, match="not in the key ring"):
        KeyRing.parse(new).open(sealed, OWNER)


def test_the_default_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = KeyRing.from_settings(settings)
    assert KeyRing.from_settings(settings).keys == first.keys
    assert key_file(tmp_path).stat().st_mode & 0o777 == 0o600
    add_key(tmp_path)
    assert KeyRing.from_settings(settings).keys[1:] == first.keys
    assert key_file(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "short", "!!!", "AAAA"])
def test_a_malformed_key_is_named_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyRing.parse(text)
    assert not text or text not in str(caught.value)

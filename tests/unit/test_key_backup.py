"""Keys beside a backup: sealed under a passphrase, put back without losing any."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from astraeus_pipeline.accounts import key_backup
from astraeus_pipeline.accounts.sealing import KeyRing, key_file
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

PASSPHRASE = SecretStr("a long passphrase of the vault")


def test_a_passphrase_seals_the_file_and_opens_it_again(tmp_path: Path) -> None:
    home, saved = tmp_path / "home", tmp_path / "monday.keys"
    ring = KeyRing.from_settings(Settings(home=home))
    key_backup.save(home, saved, PASSPHRASE)
    assert key_file(home).read_text().strip() not in saved.read_text()
    for wrong in (None, SecretStr("another")):
        with pytest.raises(ConfigError, match=r"passphrase|PASSPHRASE"):
            key_backup.read(saved, wrong)
    assert key_backup.ring(key_backup.read(saved, PASSPHRASE)) == ring


def test_a_ring_that_stands_stays_behind_the_one_put_back(tmp_path: Path) -> None:
    former, fresh, saved = tmp_path / "former", tmp_path / "fresh", tmp_path / "keys"
    old, own = (KeyRing.from_settings(Settings(home=each)) for each in (former, fresh))
    key_backup.save(former, saved, None)
    for _ in range(2):
        key_backup.put_back(fresh, key_backup.read(saved, None))
        assert KeyRing.from_settings(Settings(home=fresh)).keys == (*old.keys, *own.keys)
    assert key_file(fresh).stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_said_to_be(tmp_path: Path) -> None:
    saved = tmp_path / "keys"
    for text in ("", "[]", '{"sealed": "x"}'):
        saved.write_text(text)
        with pytest.raises(ConfigError, match="damaged"):
            key_backup.read(saved, PASSPHRASE)

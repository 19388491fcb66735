"""Generated files as accounts of an installation, ready for Dagster."""

from __future__ import annotations

from pathlib import Path

from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from benchmarks.scratch import Scratch

Files = dict[str, list[Path]]  # by account


def settings_of(place: Scratch) -> Settings:
    """Return the settings of the private installation."""
    return Settings(home=place.home, database_url=None, landing_url=None)


def add_accounts(place: Scratch, files: Files) -> None:
    """Add one focus account per folder of files."""
    ring = KeyRing.from_settings(settings_of(place))
    with place.database.connect("app", autocommit=True) as conn:
        for slug, paths in files.items():
            new = store.NewAccount(slug, "focus", slug, {"url": str(paths[0].parent)}, {})
            store.add_account(conn, new, ring, store.Actor("benchmark"))


def bill(database: Database, files: Files) -> None:
    """Point the accounts at other files."""
    with database.connect("app", autocommit=True) as conn:
        for slug, paths in files.items():
            config = {"url": str(paths[0].parent)}
            store.update_config(conn, slug, config, store.Actor("benchmark"))

"""A home, a server and migrated databases that live as long as one benchmark."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import embedded
from astraeus_pipeline.warehouse.engine import Database, open_database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.migrate import migrate
from benchmarks.data import cache_folder
from benchmarks.measure import Server


@dataclass(frozen=True)
class Scratch:
    """A private server with one migrated database, and a landing store beside it."""

    home: Path
    database: Database
    landing: LandingStore
    admin: psycopg.Connection
    server: Server

    def settle(self) -> None:
        """Leave no dirty pages and no checkpoint to the next measurement."""
        self.admin.execute("checkpoint")


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Start a private server; end it and delete all of it on the way out."""
    home = Path(tempfile.mkdtemp(prefix="home-", dir=cache_folder()))
    try:
        with serving(home) as place:
            yield place
    finally:
        shutil.rmtree(home)


@contextmanager
def serving(home: Path) -> Iterator[Scratch]:
    """Start a private server in a folder, and what it lacks; end it on the way out."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # as root, the server runs as a lesser user
    try:
        database = open_database(Settings(home=home, database_url=None, landing_url=None))
        migrate(database)
        with database.connect("admin", autocommit=True) as admin:
            landing = LandingStore(str(home / "landing"))
            yield Scratch(home, database, landing, admin, Server(admin))
    finally:
        embedded.stop(home)

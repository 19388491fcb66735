"""What assets get from the outside, opened when a run needs it and not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import psycopg

from astraeus_pipeline import logs, traces
from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.orchestration.delivering import Ingestion
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import refusals
from astraeus_pipeline.warehouse.engine import Role, standing_database


class IngestionResource(dg.ConfigurableResource[None]):
    """Database, landing store and key ring as the environment names them."""

    def open(self, run_id: str) -> Ingestion:
        """Open what loads of one run share."""
        settings = Settings.from_env()
        logs.configure(settings)
        traces.configure(settings, "astraeus-pipeline")
        return Ingestion.from_settings(settings, run_id)

    def accounts(self, provider: str) -> list[Account]:
        """Return the active accounts of a provider, their secrets still sealed."""
        ring = KeyRing.from_settings(Settings.from_env())
        with self.connection("app") as conn:
            return [
                store.get_account(conn, row.slug, ring)
                for row in store.list_accounts(conn)
                if row.provider == provider and row.state == "active"
            ]

    @contextmanager
    def connection(self, role: Role) -> Iterator[psycopg.Connection]:
        """Connect as a role, in autocommit.

        Raises: DatabaseError, in words, also where PostgreSQL fails on the way.
        """
        try:
            with standing_database(Settings.from_env()).connect(role, autocommit=True) as conn:
                yield conn
        except psycopg.Error as error:
            raise refusals.told(error, "What this run asked") from error

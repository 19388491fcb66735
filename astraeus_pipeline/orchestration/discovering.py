"""Which accounts lie below the known ones. Plain Python, no Dagster."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from astraeus_pipeline.accounts import discovered, store
from astraeus_pipeline.accounts.discovered import Finding
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.accounts.store import Actor
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.providers.registry import provider as provider_of


@dataclass
class Discovery:
    """What was found below all parents, and the errors of those that could not be asked."""

    findings: list[Finding] = field(default_factory=list)
    errors: dict[str, AstraeusError] = field(default_factory=dict)


def discover(
    conn: psycopg.Connection,
    ring: KeyRing,
    actor: Actor,
    only: str | None = None,
    *,
    dry_run: bool = False,
) -> Discovery:
    """Ask each active account for those below it, and keep what is found; `only` names one.

    An account that fails keeps no other from being asked.
    Raises: ConfigError if there is no account `only`.
    """
    done = Discovery()
    for slug in [only] if only else _parents(conn):
        try:
            account = store.get_account(conn, slug, ring)
            found = list(provider_of(account.provider).discover(account))
            done.findings += discovered.reconcile(conn, account, found, actor, dry_run=dry_run)
        except AstraeusError as error:
            if only:
                raise
            done.errors[slug] = error
    return done


def _parents(conn: psycopg.Connection) -> list[str]:
    """Return the active accounts that were not themselves found below another."""
    return [
        row.slug
        for row in store.list_accounts(conn)
        if row.state == "active" and row.parent is None
    ]

"""Accounts as people add, test, pause and renew them. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from app.records import dagster
from app.records.connect import as_app
from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.accounts.store import AccountRow, Actor, NewAccount, State
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers import configuration
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.providers.registry import provider as provider_of
from astraeus_pipeline.settings import Settings


@dataclass(frozen=True)
class Form:
    """A new account as its form holds it; `settings` only what was entered."""

    slug: str
    provider: str
    name: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    reference: str = ""

    def read(self) -> NewAccount:
        """Return the account that is meant. Raises: ConfigError naming the field."""
        provider = provider_of(self.provider)
        return NewAccount(
            slug=self.slug.strip(),
            provider=self.provider,
            name=self.name.strip() or self.slug.strip(),
            config=configuration.read(provider, self.settings),
            credentials=sealed(provider, self.secrets, is_needed=not self.reference.strip()),
            credential_ref=self.reference.strip() or None,
        )


def sealed(
    provider: Provider, secrets: Mapping[str, str], *, is_needed: bool = True
) -> dict[str, SecretStr]:
    """Return the secrets that were entered, in a type that does not show them.

    Raises: ConfigError for one that the provider needs and that is empty.
    """
    entered = {name: SecretStr(value) for name, value in secrets.items() if value.strip()}
    for each in provider.credential_fields:
        if is_needed and each.required and each.name not in entered:
            raise ConfigError(f"{each.label} is empty.", hint=f"{provider.label} needs it.")
    return entered


def providers() -> dict[str, Provider]:
    """Return what can be added, by key."""
    return dict(PROVIDERS)


def test_new(form: Form) -> str:
    """Try the account before it is added; return whom its credentials belong to.

    Raises: ConfigError, ProviderError.
    """
    new = form.read()
    return provider_of(new.provider).check(store.preview_account(new)).summary


def add(form: Form, actor: str, *, is_tested: bool) -> str:
    """Add an account, tried before where asked. Raises: ConfigError, ProviderError."""
    new = form.read()
    found = test_new(form) if is_tested else None
    with as_app() as conn:
        store.add_account(conn, new, _ring(), Actor(actor))
    reached = f" Reached {found}." if found else ""
    return (
        f"Added {new.slug}.{reached} Ingest its days from its row; it counts from the next build."
    )


def test(slug: str, actor: str) -> str:
    """Try an account's credentials with the cheapest call. Raises: ConfigError, ProviderError."""
    with as_app() as conn:
        account = store.get_account(conn, slug, _ring())
        found = provider_of(account.provider).check(account)
        store.audit(conn, Actor(actor), "account.test", slug, {})
    return f"{slug} works: {found.summary}."


def rotate(slug: str, secrets: Mapping[str, str], actor: str) -> str:
    """Keep new credentials of an account, once they are tried.

    Raises: ConfigError, ProviderError.
    """
    with as_app() as conn:
        ring = _ring()
        account = store.get_account(conn, slug, ring)
        provider = provider_of(account.provider)
        entered = sealed(provider, secrets)
        if not entered:
            raise ConfigError("No secret was entered.", hint="Fill in at least one field.")
        provider.check(replace(account, open_secrets=lambda: entered))
        store.replace_credentials(conn, slug, entered, ring, Actor(actor))
    return f"{slug} has new credentials; they were tried before they were kept."


def set_state(slug: str, state: State, actor: str) -> str:
    """Pause or resume an account, or remove it with its credentials. Raises: ConfigError."""
    with as_app() as conn:
        store.set_state(conn, slug, state, Actor(actor))
    return {
        "paused": f"{slug} is paused: nothing is ingested until it is resumed.",
        "active": f"{slug} is ingested again.",
        "removed": f"{slug} is removed; its credentials are forgotten, its data stays.",
    }[state] + " This page follows with the next build."


def known(slug: str) -> AccountRow | None:
    """Return an account as it was entered, without secrets. Raises: DatabaseError."""
    with as_app() as conn:
        return next((row for row in store.list_accounts(conn) if row.slug == slug), None)


def datasets(slug: str) -> list[Dataset]:
    """Return what an account takes part in. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        account = store.get_account(conn, slug, _ring())
    return list(provider_of(account.provider).datasets(account))


def ingest(slug: str, dataset: Dataset, days: DayRange, actor: str) -> str:
    """Ask Dagster to ingest days again; return the backfill's id.

    Raises: ConfigError for an account or dataset that is not there, AstraeusError of Dagster.
    """
    with as_app() as conn:
        account = store.get_account(conn, slug, _ring())
        provider = provider_of(account.provider)
        if dataset not in provider.datasets(account):
            raise ConfigError(f"{slug} takes no part in {dataset}.")
        backfill = dagster.ingest(provider.tables[dataset].name, slug, days, actor)
        detail = {
            "dataset": dataset,
            "first": str(days.first),
            "last": str(days.last),
            "backfill": backfill,
        }
        store.audit(conn, Actor(actor), "account.ingest", slug, detail)
    return backfill


def command(slug: str, dataset: str, days: DayRange) -> str:
    """Return the command that does the same without Dagster's web server."""
    return (
        f"astraeus backfill --account {slug} --dataset {dataset}"
        f" --from {days.first} --to {days.last}"
    )


def _ring() -> KeyRing:
    return KeyRing.from_settings(Settings.from_env())

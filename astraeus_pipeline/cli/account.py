"""`astraeus account`: who is ingested."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr
from rich.markup import escape

from astraeus_pipeline.cli.context import actor, connected, key_ring
from astraeus_pipeline.cli.output import Json, console, print_json, print_records, report_error
from astraeus_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from astraeus_pipeline.providers.base import Provider

app = typer.Typer(no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The account's slug: its key in Dagster and in raw.")]
FromStdin = Annotated[
    bool, typer.Option("--secrets-from-stdin", help="Read credentials as a JSON object from stdin.")
]


@app.command()
def add(
    slug: Slug,
    provider: Annotated[str, typer.Option(help="aws or focus")],
    name: Annotated[str | None, typer.Option(help="Name for people; the slug if left out.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value of the provider's configuration; repeatable."),
    ] = None,
    credential_ref: Annotated[
        str | None,
        typer.Option(
            help="Instead of a secret: env:NAME (JSON), env:field=NAME, aws-profile:NAME, role:ARN."
        ),
    ] = None,
    secrets_from_stdin: FromStdin = False,
    ask_secrets: Annotated[
        bool, typer.Option("--ask-secrets", help="Ask for the credentials, hidden.")
    ] = False,
    test: Annotated[bool, typer.Option(help="Try the account before it is added.")] = True,
) -> None:
    """Add an account; it is tried first, and its Dagster partitions appear by themselves."""
    from astraeus_pipeline.accounts import store
    from astraeus_pipeline.providers.registry import provider as provider_of

    chosen = provider_of(provider)
    config = _config(chosen, setting or [])
    credentials = _credentials(chosen, from_stdin=secrets_from_stdin, ask=ask_secrets)
    new = store.NewAccount(slug, provider, name or slug, config, credentials, credential_ref)
    tried = store.preview_account(new)
    if test:
        console.print(f"Reached {escape(chosen.check(tried).summary)}.")
    with connected("app") as conn:
        store.add_account(conn, new, key_ring(), actor())
    since = (datetime.now(UTC).date().replace(day=1) - timedelta(days=60)).replace(day=1)
    console.print(f"Added {slug}. Next: `astraeus backfill --account {slug} --from {since}`.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the accounts, without their secrets."""
    from astraeus_pipeline.accounts import store

    with connected("app") as conn:
        rows = store.list_accounts(conn)
    records = [
        {
            "account": row.slug,
            "provider": row.provider,
            "name": row.name,
            "state": row.state,
            "credentials": "sealed" if row.has_credentials else row.credential_ref or "none",
            "reason": row.state_reason if row.state == "paused" else None,
        }
        for row in rows
    ]
    empty = "There are no accounts yet. Next: `astraeus account add`."
    print_records("Accounts", records, as_json=as_json, empty=empty)


@app.command()
def discover(
    slug: Annotated[
        str | None, typer.Argument(help="The account to look below; all active ones if left out.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find the accounts below others (AWS organizations, Azure subscriptions) and add new ones."""
    from astraeus_pipeline.orchestration.discovering import discover as look

    with connected("app") as conn:
        done = look(conn, key_ring(), actor(), slug, dry_run=dry_run)
    records = [
        {
            "account": each.slug,
            "name": each.name,
            "id": each.external_id,
            "below": each.parent,
            "result": each.outcome,
            "reason": each.reason,
        }
        for each in done.findings
    ]
    title = "Accounts that would be found" if dry_run else "Accounts found"
    empty = "Nothing lies below. An AWS payer needs `discover=true` in its configuration."
    print_records(title, records, as_json=as_json, empty=empty)
    for parent, error in done.errors.items():
        report_error(error)
        console.print(f"{parent} could not be asked; the others were.")
    if done.errors:
        raise typer.Exit(1)


@app.command()
def test(slug: Slug, as_json: Json = False) -> None:
    """Try an account's credentials with the cheapest call that proves them."""
    from astraeus_pipeline.accounts import store
    from astraeus_pipeline.providers.registry import provider as provider_of

    with connected("app") as conn:
        account = store.get_account(conn, slug, key_ring())
        found = provider_of(account.provider).check(account)
        store.audit(conn, actor(), "account.test", slug, {})
    if as_json:
        print_json({"account": slug, "summary": found.summary, **found.details})
    else:
        console.print(f"{slug} works: {escape(found.summary)}.")


@app.command()
def pause(slug: Slug) -> None:
    """Stop ingesting an account; its data stays."""
    _set_state(slug, "paused", "is paused; `astraeus account resume` lets it go on")


@app.command()
def resume(slug: Slug) -> None:
    """Ingest a paused account again."""
    _set_state(slug, "active", "is ingested again")


@app.command()
def remove(
    slug: Slug,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget an account's credentials and stop ingesting it; its data stays."""
    if not yes:
        typer.confirm(f"Remove {slug}? Its credentials are forgotten, its data stays.", abort=True)
    _set_state(slug, "removed", "is removed; its data stays")


@app.command("rotate-secret")
def rotate_secret(slug: Slug, secrets_from_stdin: FromStdin = False) -> None:
    """Enter new credentials for an account; they are tried before they are kept."""
    from dataclasses import replace

    from astraeus_pipeline.accounts import store
    from astraeus_pipeline.providers.registry import provider as provider_of

    ring = key_ring()
    with connected("app") as conn:
        account = store.get_account(conn, slug, ring)
        provider = provider_of(account.provider)
        credentials = _credentials(provider, from_stdin=secrets_from_stdin, ask=True)
        provider.check(replace(account, open_secrets=lambda: credentials))
        store.replace_credentials(conn, slug, credentials, ring, actor())
    console.print(f"{slug} has new credentials.")


def _set_state(slug: str, state: Any, sentence: str) -> None:
    from astraeus_pipeline.accounts import store

    with connected("app") as conn:
        store.set_state(conn, slug, state, actor())
    console.print(f"{slug} {sentence}.")


def _config(provider: Provider, settings: list[str]) -> dict[str, Any]:
    """Check key=value pairs against the provider's model; commas make lists where it wants them."""
    from astraeus_pipeline.providers import configuration

    given: dict[str, Any] = {}
    for pair in settings:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"{pair!r} is not key=value.", hint="Write --set key=value.")
        given[key] = value
    return configuration.read(provider, given)


def _credentials(provider: Provider, *, from_stdin: bool, ask: bool) -> dict[str, SecretStr]:
    """Read credentials from stdin or from hidden prompts, never from arguments."""
    if from_stdin:
        try:
            content = json.load(sys.stdin)
        except json.JSONDecodeError:
            raise ConfigError(
                "What came on stdin is no JSON object.", hint='Send {"field": "secret", ...}.'
            ) from None
        known = {field.name for field in provider.credential_fields}
        if not isinstance(content, dict) or set(content) - known:
            raise ConfigError(
                "The credentials have fields that the provider does not know.",
                hint=f"{provider.label} knows: {', '.join(sorted(known))}.",
            )
        return {name: SecretStr(str(value)) for name, value in content.items()}
    if not ask:
        return {}
    entered = {
        field.name: typer.prompt(field.label, hide_input=True, default="", show_default=False)
        for field in provider.credential_fields
    }
    return {name: SecretStr(value) for name, value in entered.items() if value}

"""`astraeus restore`: a backup into an empty installation."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astraeus_pipeline.cli import children, up
from astraeus_pipeline.cli.backup import DryRun, Jobs, Keys
from astraeus_pipeline.cli.context import actor, key_ring
from astraeus_pipeline.cli.output import Json, print_json, progress, tell
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.backup_manifest import Manifest
    from astraeus_pipeline.warehouse.engine import Database


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `astraeus backup` made.")],
    jobs: Jobs = 2,
    keys: Keys = None,
    without_keys: Annotated[
        bool,
        typer.Option(
            "--without-keys", help="Credentials of accounts will have to be entered anew."
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring a backup into an empty installation (ASTRAEUS_HOME or ASTRAEUS_DATABASE_URL).

    Overwrites nothing. Every byte is held against its checksum before anything is written, every
    table's rows are counted after. Cut off, run it again: it starts over.
    """
    from astraeus_pipeline.warehouse import embedded
    from astraeus_pipeline.warehouse import restore as restoring
    from astraeus_pipeline.warehouse.backup_manifest import Manifest
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.landing import LandingStore

    began = time.monotonic()
    settings, folder = Settings.from_env(), folder.expanduser().absolute()
    manifest = Manifest.read(folder)
    progress(_about(folder, manifest))
    _refuse_running(settings)
    found = _found_keys(settings, folder, keys, manifest, is_wanted=not without_keys)
    restoring.check_backup(folder, manifest, progress)
    is_made = settings.database_url is None and embedded.status(settings.home).version is None
    database = open_database(settings)
    restoring.check_target(database, manifest)
    store = LandingStore.from_settings(settings)
    if dry_run:
        where = f"It is whole. It would go into {database.where} and {store.root}."
        left = " The database server there was made for the check, and is empty." if is_made else ""
        progress(f"{where} Nothing of it was written.{left}")
        return
    _put_back_keys(settings, found)
    restoring.load_dump(database, folder, manifest, jobs, progress)
    if manifest.payloads.is_copied:
        restoring.load_payloads(store, folder, progress)
    restoring.note_restored(database, str(actor().name), str(folder), manifest.made_at)
    result = {
        "seconds": round(time.monotonic() - began, 1),
        "rows": sum(manifest.database.rows.values()),
        "payloads missing": restoring.missing(database, store),
        "accounts that open": None if without_keys else _opening(database),
    }
    if as_json:
        print_json(result)
        return
    tell(_restored(result, manifest))


def _refuse_running(settings: Settings) -> None:
    marks, _ = children.read_state(up.state_path(settings))
    alive = sorted(name for name, mark in marks.items() if mark.is_alive())
    if alive:
        raise ConfigError(
            f"Astraeus is up ({', '.join(alive)}).", hint="Run `astraeus stop` first."
        )


def _found_keys(
    settings: Settings, folder: Path, keys: Path | None, manifest: Manifest, *, is_wanted: bool
) -> dict[str, str]:
    """Return the saved keys, made sure that those in use will open what the backup sealed.

    Raises: ConfigError where they are missing, unless they are not wanted.
    """
    from astraeus_pipeline.accounts import key_backup
    from astraeus_pipeline.accounts.sealing import KeyRing, key_file

    if not is_wanted:
        return {}
    source = keys or folder.with_name(manifest.key_file or f"{folder.name}.keys")
    if source.exists():
        found = key_backup.read(source, settings.backup_passphrase)
    elif keys is not None:
        raise ConfigError(f"{keys} is not there.", hint="Name the file that the backup wrote.")
    else:
        found = {}
    ring = KeyRing.from_settings(settings) if settings.master_keys else key_backup.ring(found)
    if ring is None and key_file(settings.home).exists():
        ring = KeyRing.from_settings(settings)
    if ring is None or not set(manifest.keys) <= set(ring.ids()):
        raise ConfigError(
            f"The keys that seal the credentials of this backup are not in {source}"
            f"{' nor in ASTRAEUS_MASTER_KEYS' if settings.master_keys else ''}.",
            hint="Put the file of keys there or name it with --keys, or set ASTRAEUS_MASTER_KEYS;"
            " with --without-keys all else is restored and credentials are entered anew.",
        )
    return found


def _put_back_keys(settings: Settings, found: dict[str, str]) -> None:
    from astraeus_pipeline.accounts import key_backup

    if found:
        key_backup.put_back(settings.home, found)


def _opening(database: Database) -> str:
    """Count the accounts whose credentials open under the key ring in use."""
    from astraeus_pipeline.accounts import store

    ring, opened = key_ring(), 0
    with database.connect("app", autocommit=True) as conn:
        slugs = [row.slug for row in store.list_accounts(conn)]
        for slug in slugs:
            with suppress(AstraeusError):
                store.get_account(conn, slug, ring).open_secrets()
                opened += 1
    return f"{opened} of {len(slugs)}"


def _about(folder: Path, manifest: Manifest) -> str:
    rows = sum(manifest.database.rows.values())
    payloads = f"{manifest.payloads.files} files of the landing store"
    return (
        f"{folder}: made {manifest.made_at} by Astraeus {manifest.astraeus}, PostgreSQL"
        f" {manifest.database.server}, {rows:,} rows in {len(manifest.database.rows)} tables,"
        f" {payloads if manifest.payloads.is_copied else f'without the {payloads}'}."
    )


def _restored(result: dict[str, Any], manifest: Manifest) -> str:
    missing = (
        f" {result['payloads missing']} payloads that the ledger names are not in the store:"
        " their figures stand, their days cannot be loaded anew from them."
        if result["payloads missing"]
        else ""
    )
    opened = (
        f" Credentials of {result['accounts that open']} accounts open."
        if result["accounts that open"]
        else " Credentials are to be entered anew: `astraeus account rotate-secret`."
    )
    return (
        f"Restored after {result['seconds']} s: {result['rows']:,} rows, each table as it was at"
        f" {manifest.made_at}.{missing}{opened} Next: `astraeus doctor`, then `astraeus up`. What"
        " was ingested since is read again by `astraeus backfill`."
    )

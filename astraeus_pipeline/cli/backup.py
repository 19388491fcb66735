"""`astraeus backup`: database, landing store and key ring as of one moment."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astraeus_pipeline.cli.context import actor, key_ring, open_migrated
from astraeus_pipeline.cli.output import Json, print_json, progress, size, tell
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.backup_manifest import Manifest
    from astraeus_pipeline.warehouse.engine import Database
    from astraeus_pipeline.warehouse.landing import LandingStore

Jobs = Annotated[int, typer.Option(min=1, help="How many tables at a time.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and say what it would do.")]
Keys = Annotated[
    Path | None, typer.Option(help="The file of keys; DIR.keys unless said otherwise.")
]


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for this backup.")],
    jobs: Jobs = 2,
    keys: Keys = None,
    without_payloads: Annotated[
        bool,
        typer.Option("--without-payloads", help="The landing store is kept safe by other means."),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Save database, landing store and keys as of one moment, while ingestion goes on.

    DIR appears once the backup is whole. The keys that seal credentials go into a file beside it
    (DIR.keys, sealed where ASTRAEUS_BACKUP_PASSPHRASE is set): keep it elsewhere than DIR.
    """
    from astraeus_pipeline.warehouse import backup as making
    from astraeus_pipeline.warehouse.landing import LandingStore

    settings, folder = Settings.from_env(), folder.expanduser().absolute()
    key_file = keys or folder.with_name(f"{folder.name}.keys")
    _refuse_standing(folder, key_file)
    database, store = open_migrated(settings), LandingStore.from_settings(settings)
    needs = _check_space(database, store, folder, with_payloads=not without_payloads)
    if dry_run:
        progress(f"{needs} It would go to {folder}, the keys to {key_file}. Nothing was written.")
        return
    progress(needs)
    with making.alone(database):
        making.await_builds(database, progress)
        manifest = _made(
            settings, database, store, folder, key_file, jobs, with_payloads=not without_payloads
        )
    _note(database, folder, manifest)
    if as_json:
        print_json(_summary(folder, manifest))
        return
    tell(_told(folder, key_file, manifest))


def _made(
    settings: Settings,
    database: Database,
    store: LandingStore,
    folder: Path,
    key_file: Path,
    jobs: int,
    *,
    with_payloads: bool,
) -> Manifest:
    """Write the backup under another name, and give it its own once it is whole."""
    from importlib.metadata import version

    from astraeus_pipeline.accounts import key_backup
    from astraeus_pipeline.warehouse import backup as making
    from astraeus_pipeline.warehouse import backup_manifest

    began, made_at = time.monotonic(), datetime.now(UTC)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    facts, named = making.dump(database, partial, jobs, progress)
    payloads = making.copy_payloads(store, named, partial, progress, is_wanted=with_payloads)
    # After the dump: a key that sealed anything in it is in the ring by now, and never leaves it.
    ring, is_saved = key_ring(), settings.master_keys is None
    progress("Taking checksums.")
    manifest = backup_manifest.Manifest(
        made_at=made_at.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        astraeus=version("astraeus"),
        database=facts,
        payloads=payloads,
        files=backup_manifest.checksums(partial),
        keys=ring.ids(),
        key_file=key_file.name if is_saved else None,
    )
    manifest.write(partial)
    if is_saved:
        key_backup.save(settings.home, key_file, settings.backup_passphrase)
    if folder.exists():
        folder.rmdir()  # seen to be empty
    partial.rename(folder)
    return manifest


def _refuse_standing(folder: Path, key_file: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} stands already; nothing is overwritten.",
            hint='Name a new folder, such as "$(date +%F)" below where backups are kept.',
        )
    if key_file.exists():
        raise ConfigError(
            f"{key_file} stands already; nothing is overwritten.",
            hint="Move it to where keys are kept, or name another with --keys.",
        )
    if key_file.is_relative_to(folder):
        raise ConfigError(
            f"{key_file} is inside of the backup: who gets the one would have the other.",
            hint="Name a file outside of it.",
        )


def _check_space(
    database: Database, store: LandingStore, folder: Path, *, with_payloads: bool
) -> str:
    """Say how much there is to save. Raises: ConfigError where it does not fit."""
    from astraeus_pipeline.warehouse import backup as making
    from astraeus_pipeline.warehouse import payload_files

    rows = making.database_bytes(database)
    files = payload_files.listed(store) if with_payloads else {}
    payloads = sum(files.values())
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    # Dumps are compressed and leave indexes out: a third of the database is the usual upper end.
    if free < payloads + rows // 3:
        raise ConfigError(
            f"{place} has {size(free)} free; the database has {size(rows)}, the landing store"
            f" {size(payloads)}.",
            hint="Choose another place, or --without-payloads where the store is kept safe"
            " otherwise.",
        )
    return (
        f"The database has {size(rows)}, the landing store {size(payloads)} in {len(files)}"
        f" files; {size(free)} are free."
    )


def _note(database: Database, folder: Path, manifest: Manifest) -> None:
    from astraeus_pipeline.warehouse import backup as making

    making.note_made(
        database,
        str(actor().name),
        str(folder),
        seconds=manifest.seconds,
        rows=sum(manifest.database.rows.values()),
        payloads=manifest.payloads.files if manifest.payloads.is_copied else None,
        keys=manifest.key_file,
    )


def _told(folder: Path, key_file: Path, manifest: Manifest) -> str:
    dumped = sum(each for each, _ in manifest.files.values())
    kept = (
        f"The keys are in {key_file}: keep that file elsewhere, as with both anybody could use your"
        " cloud credentials."
        if manifest.key_file
        else "The keys are in ASTRAEUS_MASTER_KEYS: keep them safe by other means."
    )
    missing = (
        f" {manifest.payloads.missing} payloads that the ledger names are not in the store."
        if manifest.payloads.missing
        else ""
    )
    return (
        f"Whole after {manifest.seconds} s: {folder}, {sum(manifest.database.rows.values()):,} rows"
        f" ({size(dumped)}).{missing} {kept} Try it: `astraeus restore --dry-run {folder}` with"
        " ASTRAEUS_HOME at an empty folder."
    )


def _summary(folder: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "seconds": manifest.seconds,
        "rows": sum(manifest.database.rows.values()),
        "bytes": sum(each for each, _ in manifest.files.values()),
        "payloads": manifest.payloads.files,
        "payloads missing": manifest.payloads.missing,
        "keys": manifest.key_file,
    }

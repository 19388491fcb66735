"""`astraeus doctor`: what is wrong, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import typer

from astraeus_pipeline.cli.output import Json, console, print_json
from astraeus_pipeline.errors import AstraeusError, ConfigError, DatabaseError
from astraeus_pipeline.settings import Settings

Check = Callable[[Settings], str]


def doctor(as_json: Json = False) -> None:
    """Check this installation piece by piece; ends with 1 if something is wrong."""
    settings = Settings.from_env()
    findings = [_try(name, check, settings) for name, check in _CHECKS.items()]
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            mark = "[green]ok[/]   " if finding["ok"] else "[red]wrong[/]"
            console.print(f"{mark} {finding['check']}: {finding['says']}", soft_wrap=True)
    if not all(finding["ok"] for finding in findings):
        raise typer.Exit(1)


def _try(name: str, check: Check, settings: Settings) -> dict[str, object]:
    try:
        return {"check": name, "ok": True, "says": check(settings)}
    except AstraeusError as error:
        return {"check": name, "ok": False, "says": str(error)}


def _python(_: Settings) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise ConfigError(f"Python {version} is not supported.", hint="Use 3.11, 3.12 or 3.13.")
    return version


def _home(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True)
    probe = settings.home / ".writable"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{settings.home} cannot be written: {error.strerror}.", hint="Set ASTRAEUS_HOME."
        ) from None
    return str(settings.home)


def _database(settings: Settings) -> str:
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.migrate import is_migrated

    database = open_database(settings)
    with database.connect("admin") as conn:
        version = conn.info.parameter_status("server_version")
    if not is_migrated(database):
        raise DatabaseError(
            f"PostgreSQL {version} at {database.where} is not migrated.",
            hint="Run `astraeus db migrate`.",
        )
    return f"PostgreSQL {version} at {database.where}, migrated"


def _keys(settings: Settings) -> str:
    from astraeus_pipeline.accounts.sealing import KeyRing, key_file

    ring = KeyRing.from_settings(settings)
    path = key_file(settings.home)
    if settings.master_keys is None and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} is open to others.", hint=f"Run `chmod 600 {path}`.")
    source = "ASTRAEUS_MASTER_KEYS" if settings.master_keys else str(path)
    return f"{len(ring.keys)} keys in {source}"


def _landing(settings: Settings) -> str:
    from astraeus_pipeline.warehouse.landing import LandingStore

    store = LandingStore.from_settings(settings)
    try:
        with store.open(store.put("doctor", [b"doctor"], "jsonl")) as handle:
            is_same = handle.read() == b"doctor"
    except OSError as error:
        raise ConfigError(
            f"{store.root} cannot be used: {error}.", hint="Check ASTRAEUS_LANDING_URL."
        ) from None
    if not is_same:
        raise ConfigError(f"{store.root} gives back other bytes.", hint="Check its disk.")
    return store.root


def _manifest(_: Settings) -> str:
    from astraeus_pipeline.settings import PROJECT_ROOT

    path: Path = PROJECT_ROOT / "dbt_project" / "target" / "manifest.json"
    if not path.exists():
        raise ConfigError("The dbt project is not parsed.", hint="Run `make manifest`.")
    return "parsed"


_CHECKS: dict[str, Check] = {
    "python": _python,
    "home": _home,
    "database": _database,
    "key ring": _keys,
    "landing store": _landing,
    "dbt project": _manifest,
}

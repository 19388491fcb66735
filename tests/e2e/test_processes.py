"""Each process alone, as units and containers start it: it answers, and SIGTERM ends all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from astraeus_pipeline.cli.children import free_port
from astraeus_pipeline.probe import answers
from astraeus_pipeline.warehouse.engine import Database

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
# Units and containers give each a minute; a run that the daemon may just have started is
# interrupted.
END_SECONDS = 40


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    """Return an environment whose secrets are files."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    url = database.admin_url.set(drivername="postgresql").render_as_string(hide_password=False)
    (secrets / "ASTRAEUS_DATABASE_URL").write_text(f"{url}\n")
    (secrets / "astraeus_metrics_token").write_text("token-canary\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASTRAEUS_")}
    return {**kept, "ASTRAEUS_HOME": str(tmp_path), "ASTRAEUS_SECRETS_DIR": str(secrets)}


@pytest.fixture
def started(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, psutil.Popen]]:
    """Start all five side by side, from a folder that is not the repository's."""
    code, web, app, monitor = (str(free_port()) for _ in range(4))
    commands = {
        "code": ["code-server", "--port", code],
        "webserver": ["webserver", "--port", web, "--code-server", f"127.0.0.1:{code}"],
        "daemon": ["daemon", "--code-server", f"127.0.0.1:{code}"],
        "app": ["app", "--port", app],
        "monitor": ["monitor", "--port", monitor, "--host", "0.0.0.0"],
    }
    addresses = {
        "code": f"tcp://127.0.0.1:{code}",
        "webserver": f"http://127.0.0.1:{web}/server_info",
        "app": f"http://127.0.0.1:{app}/health/ready",
        "monitor": f"http://127.0.0.1:{monitor}/health/ready",
        "daemon": f"http://127.0.0.1:{monitor}/health/daemon",
    }
    processes = {name: _start(words, environment, tmp_path) for name, words in commands.items()}
    try:
        deadline = time.monotonic() + 120
        for name, address in addresses.items():
            while not answers(address):
                said = (tmp_path / f"{commands[name][0]}.log").read_text()[-2000:]
                assert processes[name].poll() is None, f"{name} ended: {said}"
                assert time.monotonic() < deadline, f"{name} does not answer: {said}"
                time.sleep(0.3)
        yield processes
    finally:
        for process in processes.values():
            for each in (
                [*process.children(recursive=True), process] if process.is_running() else []
            ):
                each.kill()
            process.wait()


def _start(words: list[str], environment: dict[str, str], folder: Path) -> psutil.Popen:
    with (folder / f"{words[0]}.log").open("wb") as log:
        return psutil.Popen(
            [sys.executable, "-m", "astraeus_pipeline.cli", *words],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def test_each_answers_alone_and_ends_with_all_that_it_started(
    started: dict[str, psutil.Popen], tmp_path: Path
) -> None:
    own = {name: process.children(recursive=True) for name, process in started.items()}
    for process in started.values():
        process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(list(started.values()), timeout=END_SECONDS)
    said = {path.name: path.read_text()[-500:] for path in tmp_path.glob("*.log")}
    assert not [name for name, process in started.items() if process in alive], said
    _, alive = psutil.wait_procs([each for some in own.values() for each in some], timeout=5)
    assert not alive
    for log in tmp_path.glob("*.log"):
        assert "canary" not in log.read_text()

"""Containers and units name commands, settings, ports and probes that are really ours."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import AliasChoices, SecretStr
from sqlalchemy import make_url

from app.assistant.settings import AssistantSettings
from app.auth.settings import AuthSettings
from app.health import HEALTH
from app.settings import AppSettings
from astraeus_pipeline import worker_probe
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.cli import app as cli
from astraeus_pipeline.monitoring import server
from astraeus_pipeline.settings import PROJECT_ROOT, FromEnvironment, Settings
from astraeus_pipeline.warehouse.housekeeping import Retention

CONTAINER = PROJECT_ROOT / "deploy" / "container"
SYSTEMD = PROJECT_ROOT / "deploy" / "systemd"
CONTAINERFILE = (CONTAINER / "Containerfile").read_text()
PROGRAM = "/opt/astraeus/.venv/bin/astraeus"
READERS: tuple[type[FromEnvironment], ...] = (
    *(Settings, AppSettings, AuthSettings, AssistantSettings, Retention),
)
# Of systemd's scale from 0 to 10: where it begins to call a service exposed is 5.
EXPOSURE = 2


def variables() -> Iterator[str]:
    """Return every variable that a setting is read from."""
    yield "ASTRAEUS_SECRETS_DIR"
    for reader in READERS:
        for name, field in reader.model_fields.items():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices):
                yield from (str(each) for each in alias.choices)
            else:
                yield str(alias or f"{reader.model_config['env_prefix']}{name.upper()}")


KNOWN = set(variables())


def understood(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return which of our commands these words are, and its options; click refuses others."""
    command: Any = typer.main.get_command(cli)
    path = []
    while hasattr(command, "commands"):
        path.append(words[0])
        command, words = command.commands[words[0]], words[1:]
    return " ".join(path), command.make_context(path[-1], list(words)).params


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: each
        for name, each in compose["services"].items()
        if each["image"].startswith("astraeus:")
    }


def test_each_container_runs_a_command_of_ours(ours: dict[str, dict[str, Any]]) -> None:
    commands = {}
    for name, service in ours.items():
        program, *words = service["command"]
        assert program == "astraeus"
        commands[name], _ = understood(words)
    assert commands == {
        "migrate": "db migrate",
        "app": "app",
        "code": "code-server",
        "webserver": "webserver",
        "daemon": "daemon",
        "worker": "worker",
        "monitor": "monitor",
    }


def test_probes_ask_ports_and_paths_that_are_served(
    ours: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    options = {name: understood(service["command"][1:])[1] for name, service in ours.items()}
    ports = {name: each["port"] for name, each in options.items() if "port" in each}
    monitored = {route.path for route in server.application(Settings(home=tmp_path)).routes}  # type: ignore[attr-defined] # all are Routes
    paths = {
        "app": {route.path for route in HEALTH},
        "monitor": monitored,
        "webserver": {"/server_info"},  # Dagster's; tests/e2e/test_processes.py asks it
        "code": {""},
    }
    for name, service in ours.items():
        if name in ("migrate", "worker"):
            continue
        *program, address = service["healthcheck"]["test"]
        assert program == ["CMD", "python", "-m", "astraeus_pipeline.probe"]
        found = re.fullmatch(r"(?:http|tcp)://([\w.]+):(\d+)(/.*)?", address)
        assert found, address
        asked = name if found[1] == "127.0.0.1" else found[1]
        assert int(found[2]) == ports[asked]
        assert (found[3] or "") in paths[asked]
    for name in ("webserver", "daemon"):
        assert options[name]["code_server"] == f"code:{ports['code']}"
    exposed = re.search(r"^EXPOSE (.*)$", CONTAINERFILE, re.M)
    assert exposed and {int(each) for each in exposed[1].split()} == set(ports.values())
    assert {name for name, each in ours.items() if "healthcheck" not in each} == {"migrate"}
    # tests/integration/test_celery.py asks it; it is the worker's own name where none is given.
    assert ours["worker"]["healthcheck"]["test"] == ["CMD", "python", "-m", worker_probe.__name__]
    assert (
        options["worker"]["name"]
        == inspect.signature(worker_probe.answers).parameters["name"].default
    )


def test_only_the_apps_port_is_published_and_only_here(compose: dict[str, Any]) -> None:
    published = {name: each.get("ports") for name, each in compose["services"].items()}
    [port] = published.pop("app")
    assert port == "127.0.0.1:${ASTRAEUS_PORT:-8501}:8501"
    assert set(published.values()) == {None}
    assert compose["networks"]["inside"]["internal"] is True
    reaching_out = {
        name for name, each in compose["services"].items() if "outside" in each["networks"]
    }
    assert reaching_out == {"app", "code", "worker"}


def test_containers_may_write_their_volume_alone_and_have_limits(
    compose: dict[str, Any], ours: dict[str, dict[str, Any]]
) -> None:
    for service in compose["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
        assert "privileged" not in service and "cap_add" not in service
    for service in ours.values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["home:/var/lib/astraeus"] and "user" not in service
    assert re.search(r"^USER 10001:10001$", CONTAINERFILE, re.M)
    assert "useradd --uid 10001" in CONTAINERFILE


def test_everything_waits_for_the_migration(ours: dict[str, dict[str, Any]]) -> None:
    waits = {name: set(each["depends_on"]) for name, each in ours.items()}
    for name in waits.keys() - {"migrate"}:
        reached: set[str] = set()
        while (
            following := {each for had in ({name} | reached) for each in waits.get(had, ())}
            - reached
        ):
            reached |= following
        assert {"migrate", "postgres"} <= reached, name
    for service in ours.values():
        for other, how in service["depends_on"].items():
            if how["condition"] == "service_healthy":
                assert other in ("postgres", "redis") or "healthcheck" in ours[other]


def test_containers_name_settings_that_exist(
    compose: dict[str, Any], ours: dict[str, dict[str, Any]]
) -> None:
    for service in ours.values():
        assert set(service["environment"]) <= KNOWN
    for name in compose["secrets"].keys() - {"postgres_password", "redis.conf"}:
        assert name.upper() in KNOWN, name
    text = (CONTAINER / "compose.yaml").read_text()
    told = (CONTAINER / ".env.example").read_text()
    for name in set(re.findall(r"\$\{(\w+)", text)):
        assert f"{name}=" in told, name
    image = set(re.findall(r"\b(ASTRAEUS_\w+)=", CONTAINERFILE))
    assert image and image <= KNOWN


def test_secrets_are_made_once_and_fit(compose: dict[str, Any], tmp_path: Path) -> None:
    script = shutil.copy(CONTAINER / "make-secrets", tmp_path)
    subprocess.run([script], check=True, capture_output=True)
    made = tmp_path / "secrets"
    assert {each.name for each in made.iterdir()} == {
        Path(each["file"]).name for each in compose["secrets"].values()
    }
    assert made.stat().st_mode & 0o777 == 0o700
    url = make_url((made / "astraeus_database_url").read_text())
    assert url.password == (made / "postgres_password").read_text()
    assert (url.host, url.database) == ("postgres", "astraeus")
    broker = make_url((made / "astraeus_celery_broker").read_text())
    assert f"requirepass {broker.password}\n" in (made / "redis.conf").read_text()
    keys = SecretStr((made / "astraeus_master_keys").read_text())
    assert KeyRing.from_settings(Settings(home=tmp_path, master_keys=keys))
    again = subprocess.run([script], check=False, capture_output=True, text=True)
    assert again.returncode == 1 and "secrets already" in again.stderr
    assert make_url((made / "astraeus_database_url").read_text()) == url


def test_the_image_is_made_of_files_that_are_there() -> None:
    ignored = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", CONTAINERFILE, re.M):
        *sources, _ = line.split()
        for source in sources:
            assert (PROJECT_ROOT / source).exists()
            assert f"!{source}" in ignored
    for forbidden in ("tests", "benchmarks", "evals", ".git", "shared"):
        assert f"!{forbidden}" not in ignored


def test_the_images_lock_is_a_part_of_the_lock() -> None:
    def entries(path: Path) -> dict[str, str]:
        blocks = re.split(r"\n(?=\S)", path.read_text().strip())
        return {block.split("\n")[0].rstrip(" \\"): block for block in blocks}

    whole, part = (
        entries(PROJECT_ROOT / "requirements.lock"),
        entries(CONTAINER / "requirements.lock"),
    )
    hashes: dict[str, set[str]] = {}
    for line, block in whole.items():
        hashes.setdefault(line.split(" ;")[0], set()).update(re.findall(r"sha256:\w+", block))
    for line, block in part.items():
        held = hashes.get(line.split(" ;")[0])
        assert held is not None, f"{line}: run `make lock`"
        assert set(re.findall(r"sha256:\w+", block)) <= held, line
    names = {line.split("==")[0].split("[")[0] for line in part}
    assert not names & {"pytest", "mypy", "moto", "playwright", "sqlfluff", "ruff"}
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    served = [*project["dependencies"], *project["optional-dependencies"]["celery"]]
    for wanted in served:
        assert re.split(r"[\[=<>]", wanted)[0] in names, f"{wanted}: run `make lock`"


def units() -> list[Path]:
    return sorted(SYSTEMD.glob("*.service"))


@pytest.mark.parametrize("unit", units(), ids=lambda each: each.stem)
def test_each_unit_runs_a_command_of_ours(unit: Path) -> None:
    text = unit.read_text()
    started = re.findall(r"^Exec\w+=-?(.*)$", text, re.M)
    assert started
    for line in started:
        words = line.replace("%i", "1")
        if words.startswith("/bin/sh"):
            inside = re.fullmatch(
                rf"/bin/sh -c 'exec {PROGRAM} backup \"(/var/backups/.*)\"'", words
            )
            assert inside
            assert understood(["backup", inside[1]])[0] == "backup"
            continue
        program, *rest = words.split()
        assert program == PROGRAM
        assert understood(rest)


def test_units_and_containers_run_the_same_processes(ours: dict[str, dict[str, Any]]) -> None:
    of_units = {
        understood(words.replace("%i", "1").split())[0]
        for unit in units()
        for words in re.findall(rf"^ExecStart={PROGRAM} (.*)$", unit.read_text(), re.M)
    }
    assert of_units == {understood(each["command"][1:])[0] for each in ours.values()}


def test_units_name_settings_that_exist() -> None:
    common = (SYSTEMD / "astraeus-.service.d" / "10-common.conf").read_text()
    for text in (common, *(unit.read_text() for unit in units())):
        assert set(re.findall(r"\b(ASTRAEUS_\w+)=", text)) <= KNOWN
    assert "LoadCredential=astraeus:" in common  # a folder's file x is the credential astraeus_x


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def readable_units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the units with a program that is there, for systemd's own tools."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on the PATH (Debian: apt-get install systemd)")
    folder = tmp_path_factory.mktemp("units") / "systemd"
    shutil.copytree(SYSTEMD, folder)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def test_systemd_understands_every_unit(readable_units: Path) -> None:
    files = [
        str(each)
        for each in readable_units.iterdir()
        if each.suffix in (".service", ".timer", ".target")
    ]
    done = _analyze("verify", "--man=no", *files)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", units(), ids=lambda each: each.stem)
def test_systemd_finds_no_unit_exposed(readable_units: Path, unit: Path) -> None:
    done = _analyze(
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={EXPOSURE * 10}",
        str(readable_units / unit.name),
    )
    assert done.returncode == 0, done.stdout[-300:]
    assert "Overall exposure level" in done.stdout

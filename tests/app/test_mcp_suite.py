"""MCP's official inspector and conformance suite on our servers, over both transports.

What no server of ours can show is listed here with why; the suite's own fixtures are added to a
server of the same making for what only they can show.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.assistant.servers import bearer, protocol, web
from app.assistant.tools.contract import READ, SYNC, Server
from app.assistant.tools.registry import of_server
from astraeus_pipeline.cli.children import free_port
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS
from tests.app.mcp_site import Site, issuing, serving
from tests.app.test_assistant_servers import ASKED, directly
from tests.fixtures.mcp_fixtures import add_fixtures

pytestmark = pytest.mark.integration
SERVERS: Final = get_args(Server)
SCOPES: Final = f"{READ} {SYNC}"
REVISIONS: Final = ("2025-11-25", "2026-07-28")
# A read of each server that says the same whoever transports it.
READS: Final[dict[Server, tuple[str, dict[str, Any]]]] = {
    "infrastructure": ("get_costs", ASKED),
    "cloud_sync": (
        "sync_resources",
        {"account": "acme", "dataset": "costs", "start": str(DAYS.first), "end": str(DAYS.end)},
    ),
    "llm_analytics": ("analyze_usage", {"start": str(DAYS.first), "end": str(DAYS.end)}),
}
# Without these names on a server, a scenario has nothing to look at: on ours it is no finding.
OF_FIXTURES: Final = ("tools-call-", "resources-read-", "resources-templates-", "prompts-get-")
OF_FIXTURES_TOO: Final = {
    "completion-complete",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "json-schema-2020-12",
    "logging-set-level",
    "resources-subscribe",
    "resources-unsubscribe",
    *(
        f"input-required-result-{name}"
        for name in (
            *("basic-elicitation", "basic-list-roots", "basic-sampling", "capability-check"),
            *("ignore-extra-params", "missing-input-response", "multi-round"),
            *("multiple-input-requests", "non-tool-request", "request-state", "result-type"),
            *("tampered-state", "validate-input"),
        )
    ),
}
# Checks within a scenario that want a fixture.
CHECKS_OF_FIXTURES: Final = {
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-server-no-log-without-loglevel",
}
_NO_SESSION: Final = "no sessions over HTTP: each request stands alone, so any process can answer"
_ASKS_NOTHING: Final = f"asks the client in the middle of a call, and there are {_NO_SESSION}"
# What no server of ours does, by revision and scenario.
NOT_OURS: Final[dict[tuple[str, str], str]] = {
    ("2025-11-25", "tools-call-sampling"): _ASKS_NOTHING,
    ("2025-11-25", "tools-call-elicitation"): _ASKS_NOTHING,
    ("2025-11-25", "elicitation-sep1034-defaults"): _ASKS_NOTHING,
    ("2025-11-25", "elicitation-sep1330-enums"): _ASKS_NOTHING,
    ("2025-11-25", "server-sse-multiple-streams"): _NO_SESSION,
    ("2025-11-25", "server-session-lifecycle"): _NO_SESSION,
    ("2025-11-25", "server-sse-polling"): _NO_SESSION,
    ("2026-07-28", "http-custom-header-server-validation"): "no argument is sent as a header",
}
# Pending with the suite's own reference server, too; the SDK compares the value with its spaces.
KNOWN_FAULTS: Final = {"sep-2243-server-accepts-whitespace-header-value"}
# Nothing of ours changes while somebody listens.
NO_SUBSCRIPTIONS: Final = {
    "sep-2575-server-sends-subscription-ack",
    "sep-2575-server-tags-subscription-id",
    "sep-2575-server-honors-notification-filter",
    "sep-2575-server-sends-prompts-list-changed-on-subscription",
    "sep-2575-server-sends-tools-list-changed-on-subscription",
}
# A schema that some client cannot read ends it with an error.
STRICT: Final = ("--protocol-era", "modern", "--method", "tools/list", "--strict")
_RUN: Final = re.compile(r"server-(.+?)-[0-9]{4}-[0-9]{2}-[0-9]{2}T.*")


@dataclass(frozen=True)
class Tools:
    """The two programs, with their node."""

    folder: Path
    scratch: Path

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        found = {"conformance": "conformance", "inspector": "mcp-inspector"}[program]
        command = [
            str(self.folder / "bin" / "node"),
            str(self.folder / "node_modules/.bin" / found),
        ]
        return subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "MCP_CATALOG_PATH": str(self.scratch / "mcp.json")},
            cwd=self.scratch,
        )

    def inspect(self, *words: str) -> Any:
        """Return what the inspector got, as JSON; it must have gone well."""
        done = self.run("inspector", "--cli", "--format", "json", *words)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)["result"]

    def conform(self, url: str, revision: str) -> dict[str, list[dict[str, Any]]]:
        """Return the suite's checks by scenario, as it keeps them; extensions left out."""
        kept = self.scratch / f"{url.rpartition('/')[2]}-{url.split(':')[2][:5]}-{revision}"
        words = ("server", "--url", url, "--requirements", revision, "--output-dir", str(kept))
        done = self.run("conformance", *words)
        found: dict[str, list[dict[str, Any]]] = {}
        for path in kept.glob("*/checks.json"):
            if named := _RUN.fullmatch(path.parent.name):
                found[named[1]] = json.loads(path.read_text())
        assert found, done.stderr[-2000:]
        return {name: each for name, each in found.items() if not name.startswith("tasks-")}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    if shutil.which("bash") is None:
        pytest.skip("bash is not on the PATH")
    script = Path(__file__).parents[2] / "deploy" / "mcp-suite"
    found = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"no inspector and conformance suite: {found.stderr.strip().splitlines()[-1:]}")
    return Tools(Path(found.stdout.strip()), tmp_path_factory.mktemp("mcp"))


class Bearing:
    """Gives every request a token for its server: neither program can bear one to all of them."""

    def __init__(self, app: ASGIApp, issuer: str, url: str) -> None:
        self._app, self._issuer, self._url = app, issuer, url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = scope["path"].rpartition("/")[2]
            site = Site(self._issuer, f"{self._url}/mcp/{name}")
            token = site.token("s-admin", scope=SCOPES)
            bears = (b"authorization", f"Bearer {token}".encode())
            scope = {**scope, "headers": [*scope["headers"], bears]}
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def urls(marts: Database) -> Iterator[dict[str, str]]:
    """Return where our servers are, by name, and `fixtures`: one with the suite's, too."""
    with issuing() as issuer:
        with marts.connect("app", autocommit=True) as conn:
            conn.execute(
                "update app.users set issuer = %s, subject = 's-admin'"
                " where email = 'admin@example.org'",
                [issuer],
            )
        ports = {"ours": free_port(), "fixtures": free_port()}
        bases = {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}
        known = bearer.Issuer(issuer)
        ours = web.application(known, bases["ours"])
        more = web.application(
            known, bases["fixtures"], lambda name, who: add_fixtures(protocol.build(name, who))
        )
        with (
            serving(Bearing(ours, issuer, bases["ours"]), ports["ours"]),
            serving(Bearing(more, issuer, bases["fixtures"]), ports["fixtures"]),
        ):
            yield {
                **{name: f"{bases['ours']}/mcp/{name}" for name in SERVERS},
                "fixtures": f"{bases['fixtures']}/mcp/infrastructure",
            }


def amiss(revision: str, scenario: str, checks: list[dict[str, Any]], *, has_fixtures: bool) -> Any:
    """Return what is wrong with a scenario's checks; None where all is well, or not ours."""
    wants_fixtures = scenario.startswith(OF_FIXTURES) or scenario in OF_FIXTURES_TOO
    if (revision, scenario) in NOT_OURS or (wants_fixtures and not has_fixtures):
        return None
    excused = KNOWN_FAULTS | NO_SUBSCRIPTIONS
    if not has_fixtures:
        excused |= CHECKS_OF_FIXTURES
    bad = [
        (each["id"], each["status"], each.get("errorMessage"))
        for each in checks
        if each["status"] not in ("SUCCESS", "INFO") and each["id"] not in excused
    ]
    # That messages are of the right form says nothing of whether the thing itself was tried.
    tried = [
        each["id"]
        for each in checks
        if each["status"] == "SUCCESS" and not each["id"].startswith("wire-schema")
    ]
    return bad or (None if tried else "nothing was tried")


def test_the_conformance_suite_has_nothing_to_say(tools: Tools, urls: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs: dict[tuple[str, str], Future[Any]] = {
            (name, revision): pool.submit(tools.conform, url, revision)
            for name, url in urls.items()
            for revision in REVISIONS
        }
    found = {key: run.result() for key, run in runs.items()}
    said = {
        (*key, scenario): words
        for key, scenarios in found.items()
        for scenario, checks in scenarios.items()
        if (words := amiss(key[1], scenario, checks, has_fixtures=key[0] == "fixtures"))
    }
    assert said == {}
    for revision in REVISIONS:
        # Each scenario of the revision was run, and each excuse is of one that was.
        names = found["fixtures", revision].keys()
        assert all(names == found[server, revision].keys() for server in SERVERS)
        assert {name for of, name in NOT_OURS if of == revision} <= names
    assert len(found["fixtures", "2026-07-28"]) >= 40
    assert len(found["fixtures", "2025-11-25"]) >= 33
    both = {name for of in REVISIONS for name in found["fixtures", of]}
    assert both >= OF_FIXTURES_TOO
    # Without the fixtures they do fail, so that what passes above is of them.
    alone = found["llm_analytics", "2026-07-28"]
    by_name = [name for name in alone if name.startswith(OF_FIXTURES)]
    assert len(by_name) == 14
    for name in by_name:
        assert any(each["status"] == "FAILURE" for each in alone[name]), name


def test_the_inspector_gets_the_same_over_stdio_and_http(
    tools: Tools, urls: dict[str, str]
) -> None:
    told = {name: value for name, value in os.environ.items() if name.startswith("ASTRAEUS_")}
    told |= {"ASTRAEUS_USER": "admin@example.org", "ASTRAEUS_MCP_SCOPES": SCOPES}
    told["PYTHONPATH"] = str(Path(__file__).parents[2])
    # It hands on none of its own environment.
    env = [word for name, value in told.items() for word in ("-e", f"{name}={value}")]

    def both(name: Server, *words: str) -> list[Any]:
        command = (sys.executable, "-m", "app.assistant.servers", name, *env)
        http = ("--transport", "http", "--server-url", urls[name])
        return [tools.inspect(*where, *words) for where in (command, http)]

    def compare(name: Server) -> None:
        tool, asked = READS[name]
        words = ("--method", "tools/call", "--tool-name", tool, "--tool-args-json")
        answers = both(name, "--protocol-era", "legacy", *words, json.dumps(asked))
        expected = directly("admin", tool, asked, SCOPES)
        assert [each["structuredContent"] for each in answers] == [expected, expected]
        listed = tools.inspect("--transport", "http", "--server-url", urls[name], *STRICT)
        assert {each["name"] for each in listed["tools"]} == of_server(name).keys()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compare, SERVERS))
    over_stdio, over_http = both("infrastructure", *STRICT)
    assert over_stdio["tools"] == over_http["tools"]

"""A secret that goes in comes out nowhere: not in logs, tables, runs, payloads, metrics, backups.

Each secret is one that is nowhere else; what it is for fails, at a server that repeats in its
refusal all that it was sent. Then everything that was written is read for it.
"""

from __future__ import annotations

import base64
import json
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from typer.testing import CliRunner

from app.auth import store
from astraeus_pipeline.accounts.sealing import new_key
from astraeus_pipeline.cli import app
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.monitoring.exporter import WarehouseCollector
from astraeus_pipeline.orchestration.backfilling import Backfill
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import ROLES, Database
from tests.app.conftest import TODAY
from tests.app.gated import browser, form_of
from tests.fixtures.canaries import canary, files, forms, leaks, tables
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration
ENVIRONMENT = {
    "ASTRAEUS_BACKUP_PASSPHRASE": canary("passphrase"),
    "ASTRAEUS_METRICS_TOKEN": canary("metrics"),
    "ASTRAEUS_OIDC_CLIENT_SECRET": canary("oidc"),
    "ASTRAEUS_LLM_OPENAI_API_KEY": "sk-" + canary("llm"),
}
KEY, AWS, CHANNEL = canary("admin"), canary("aws"), canary("channel")
PASSWORD, LINK = canary("password"), canary("link")


class Repeating(BaseHTTPRequestHandler):
    """Refuses everything, and says what it was sent: some do."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        sent = f"Refused: {self.path} {dict(self.headers)} {body}"
        said = {"error": {"message": sent, "code": "invalid_api_key"}, "message": sent}
        answer = json.dumps(said).encode()
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Lived:
    """An installation in which all that has a secret was tried, and what was printed meanwhile."""

    database: Database
    settings: Settings
    backup: Path
    printed: list[str] = field(default_factory=list)

    def run(self, *words: str, said: str = "") -> None:
        """Run a command; whatever it prints, and the traceback that it ends with, is kept."""
        done = CliRunner().invoke(app, words, input=said)
        self.printed.append(done.output)
        if done.exception is not None:
            self.printed.append("".join(traceback.format_exception(done.exception)))

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Yield all that was written, but for the key ring itself."""
        yield "what was printed", "\n".join(self.printed).encode()
        home = self.settings.home
        yield from files(home, self.backup.parent, but=[home / "keys"])
        with self.database.connect("admin", autocommit=True) as conn:
            yield from tables(conn)
        yield "metrics", generate_latest(WarehouseCollector(self.settings, lambda: self.database))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Repeating) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def lived(
    module_database: Database, address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lived]:
    home, saved = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("saved") / "monday"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "ASTRAEUS_MASTER_KEYS": new_key()}.items():
            patch.setenv(name, value)
        with installed(module_database, home) as settings:
            store.forget()
            made = Lived(module_database, settings, saved)
            use_secrets(made, address)
            yield made
        store.forget()


def use_secrets(made: Lived, address: str) -> None:
    sent = json.dumps({"admin_key": KEY})
    place = ("--set", f"base_url=http://{address}")
    # As people do, in wrong ways too: into the wrong field, as something that is no JSON.
    llm = ("account", "add", "llm", "--provider", "openai", "--secrets-from-stdin")
    made.run(*llm, said=f"{KEY}\n")
    made.run(*llm, said=f'{{"{KEY}": 1}}')
    made.run(*llm, *place, said=sent)
    made.run(*llm, *place, "--no-test", said=sent)
    made.run(
        *("account", "add", "cloud", "--provider", "aws", "--secrets-from-stdin", "--no-test"),
        *("--set", f"endpoint_url=http://{address}"),
        said=json.dumps({"access_key_id": "AKIDOFTESTS", "secret_access_key": AWS}),
    )
    made.run("account", "test", "llm")
    made.run("account", "test", "cloud")
    made.run("account", "rotate-secret", "llm", "--secrets-from-stdin", said=sent)
    url = f"json://user:{CHANNEL}@{address}/hook\n"
    made.run("alert", "channel", "add", "hook", "--kind", "webhook", said=url)
    made.run("alert", "channel", "test", "hook")
    made.run("alert", "channel", "list", "--json")
    backfill = Backfill(made.settings, made.database)
    known = backfill.accounts()
    for slug in known:
        days = DayRange(TODAY.replace(day=1), TODAY.replace(day=1))
        done = backfill.ingest(slug, known[slug][0], known[slug][1][0], days)
        made.printed.append(str(done))
        assert done.error
    assert {provider.key for provider, _ in known.values()} <= PROVIDERS.keys() and len(known) >= 1
    backfill.instance.dispose()
    client = browser("192.0.2.77")
    hidden = form_of(client.get("/signin"))
    fields = {**hidden, "email": "ana@example.org", "password": PASSWORD}
    made.printed.append(client.post("/signin", data=fields).text)
    made.printed.append(client.get(f"/signin/link?t={LINK}").headers.get("location", ""))
    for words in (("doctor", "--json"), ("status", "--json"), ("keys", "rotate"), ("db", "status")):
        made.run(*words)
    made.run("backup", str(made.backup))


def secrets_of(lived: Lived) -> dict[str, str]:
    database = lived.database
    return {
        **ENVIRONMENT,
        "key of the account": KEY,
        "secret of the cloud": AWS,
        "password of the channel": CHANNEL,
        "password typed": PASSWORD,
        "link": LINK,
        "password of the database": str(database.admin_url.password),
        **{f"password of {role}": database.password(role) for role in ROLES},
        "master key": str(lived.settings.master_keys.get_secret_value()),  # type: ignore[union-attr] # set above
    }


def test_what_is_secret_is_nowhere(lived: Lived) -> None:
    places = list(lived.places())
    names = {name for name, _ in places}
    assert {"app.accounts", "dagster.event_logs", "raw.deliveries", "app.audit_log"} <= names
    assert any("monday" in name and name.endswith("unpacked") for name in names)
    assert leaks(secrets_of(lived), places) == []


def test_the_secrets_were_used_and_refused(lived: Lived) -> None:
    """Or there would be nothing to find."""
    with lived.database.connect("app", autocommit=True) as conn:
        kept = conn.execute(
            "select count(*) from app.accounts where length(sealed_credentials) > 50"
        ).fetchone()
        channels = conn.execute("select count(*) from app.alert_channels").fetchone()
    assert (kept, channels) == ((2,), (1,))
    with lived.database.connect("admin", autocommit=True) as conn:
        failed = conn.execute(
            "select count(*) from dagster.event_logs where dagster_event_type = 'STEP_FAILURE'"
        ).fetchone()
    assert failed is not None and failed[0] >= 2


@pytest.mark.parametrize("form", forms("x" * 40))
def test_a_leak_of_each_form_is_found(lived: Lived, form: str) -> None:
    told = forms(KEY)[form].decode()
    if form.startswith("base64"):
        filler = b"\x00" * int(form[-1])
        told = base64.b64encode(filler + KEY.encode() + b" and more").decode()
    with lived.database.connect("admin") as conn:
        conn.execute(
            "insert into app.audit_log (actor, action, subject, detail)"
            " values ('x', 'x', 'x', jsonb_build_object('a', %s::text))",
            [f"before {told} after"],
        )
        [(place, content)] = [each for each in tables(conn) if each[0] == "app.audit_log"]
        conn.rollback()
    assert leaks({"key": KEY}, [(place, content)])

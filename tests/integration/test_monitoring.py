"""Metrics and health: what is told, to whom, and what is said when the database is away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.testclient import TestClient

from app import measures
from astraeus_pipeline.cli import doctor_upkeep
from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.errors import AstraeusError, DatabaseError
from astraeus_pipeline.monitoring import server
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse import audit, ddl, housekeeping, operations
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import add_focus_account

pytestmark = pytest.mark.integration
DEPLOY = PROJECT_ROOT / "deploy" / "monitoring"
NAME = re.compile(r"\bastraeus_[a-z_]+")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    url = database.admin_url.render_as_string(hide_password=False)
    return Settings(home=tmp_path, database_url=SecretStr(url))


def samples(client: TestClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_facts_of_the_warehouse_are_told(database: Database, settings: Settings) -> None:
    add_focus_account(database, settings, "acme", settings.home / "bills")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    with database.connect("loader", autocommit=True) as conn:
        conn.execute(
            "insert into raw.deliveries (account_id, provider, dataset, first_day, last_day,"
            " source, source_name, fetched_at, rows, state, requests, request_cost_usd)"
            " select 'acme', 'focus', 'costs', %(day)s, %(day)s, 'api', 'test', now(), told.*"
            " from (values (7, 'loaded', 3, 0.03), (0, 'failed', 1, 0.01)) as told",
            {"day": yesterday},
        )
        conn.execute(
            "insert into raw.partitions (account_id, provider, dataset, usage_date, billing_period,"
            " delivery_id, rows, state) select account_id, provider, dataset, first_day,"
            " date_trunc('month', first_day), id, rows, 'loaded' from raw.deliveries"
            " where state = 'loaded'"
        )
    with database.connect("app") as conn:
        audit.note(conn, "test", "backup.made", "somewhere")
    told = samples(TestClient(server.application(settings)))

    def of(name: str, **labels: str) -> float:
        return told[f"astraeus_{name}", tuple(sorted(labels.items()))]

    feed = {"provider": "focus", "account": "acme", "dataset": "costs"}
    kind = {"provider": "focus", "dataset": "costs"}
    assert of("database_up") == 1
    assert of("deliveries_total", **kind, state="loaded") == 1
    assert of("delivered_rows_total", **kind, state="loaded") == 7
    assert of("api_requests_total", **kind, state="failed") == 1
    assert of("api_requests_usd_total", **kind, state="loaded") == pytest.approx(0.03)
    assert (of("feed_age_days", **feed), of("feed_rows", **feed)) == (1, 7)
    assert of("feed_held_days", **feed) == 0
    assert datetime.now(UTC).timestamp() - of("backup_timestamp_seconds") < 60
    assert of("disk_bytes", kind="free") > 0 and of("database_bytes") > 0
    assert of("database_connections", kind="limit") >= of("database_connections", kind="used") > 0


def test_dashboard_and_alerts_name_only_what_is_there(settings: Settings) -> None:
    with measures.query("marts"), measures.page("costs", "ann@example.org"):
        pass  # as in a process that has drawn a page
    answers = TestClient(server.application(settings)).get("/metrics").text
    answers += server.exposed(measures.REGISTRY).body.decode()
    families = set(re.findall(r"^# TYPE (\S+)", answers, re.M))
    there = {name + suffix for name in families for suffix in ("", "_bucket", "_count", "_sum")}
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expression in asked for name in NAME.findall(expression)}
    assert named and named <= there, named - there
    # And whatever is told is shown somewhere, or alerts.
    shown = {re.sub("_(bucket|count|sum)$", "", name) for name in named}
    facts = {name for name in families if name.startswith("astraeus_")}
    assert facts - shown == {"astraeus_scrape_seconds"}
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_metrics_want_the_token_where_one_is_set(settings: Settings) -> None:
    guarded = settings.model_copy(update={"metrics_token": SecretStr("canary")})
    client = TestClient(server.application(guarded))
    for wrong in ({}, {"authorization": "Bearer canar"}, {"authorization": "Basic canary"}):
        assert client.get("/metrics", headers=wrong).status_code == 404
    assert client.get("/metrics", headers={"authorization": "Bearer canary"}).status_code == 200
    assert client.get("/health/live").status_code == 200


def test_health_tells_life_from_readiness(database: Database, settings: Settings) -> None:
    client = TestClient(server.application(settings))
    assert client.get("/health/ready").json() == {"state": "ready"}
    silent = client.get("/health/daemon")
    assert silent.status_code == 503 and "sensor" in silent.json()["why"]
    lost = SecretStr("postgresql://somebody:canary@127.0.0.1:1/none")
    away = TestClient(server.application(settings.model_copy(update={"database_url": lost})))
    assert away.get("/health/live").status_code == 200
    answer = away.get("/health/ready")
    assert answer.status_code == 503 and "refused" in answer.json()["why"]
    assert "canary" not in answer.text
    told = samples(away)
    assert told["astraeus_database_up", ()] == 0
    assert not [name for name, _ in told if name == "astraeus_deliveries_total"]


def test_an_embedded_database_that_was_stopped_is_not_started_by_a_question(tmp_path: Path) -> None:
    home = Settings(home=tmp_path, database_url=None)
    with pytest.raises(DatabaseError, match="does not run"):
        server.check_ready(home)
    assert not (tmp_path / "db" / "data").exists()


def test_silence_is_told_by_daemon() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    beats = dict.fromkeys(operations.DAEMONS, now)
    assert operations.silent(beats, now) == []
    beats["SENSOR"] = now - timedelta(minutes=6)
    del beats["SCHEDULER"]
    assert operations.silent(beats, now) == ["SCHEDULER", "SENSOR"]


@pytest.fixture
def waiting(database: Database) -> Iterator[Any]:
    with database.connect("app") as conn:
        conn.execute("lock table app.accounts in access exclusive mode")
        yield conn


def test_a_connection_that_sits_in_its_transaction_is_found(
    database: Database, waiting: Any
) -> None:
    with database.connect("admin", autocommit=True) as conn:
        [found] = operations.stuck(conn, 0)
        assert (found.pid, found.role) == (waiting.info.backend_pid, "astraeus_app")
        assert found.state.startswith("idle in transaction")
        assert operations.stuck(conn, 15) == []


def test_months_ahead_are_counted_by_table(database: Database) -> None:
    with database.connect("loader", autocommit=True) as conn:
        today = datetime.now(UTC).date()
        made = housekeeping.make_months(conn, today)
        assert housekeeping.make_months(conn, today) == made  # nothing more to do
        ahead = operations.months_ahead(conn)
        assert len(ahead) == made and set(ahead.values()) == {2}


def test_doctor_says_what_is_wrong_and_what_to_do(database: Database, settings: Settings) -> None:
    add_focus_account(database, settings, "acme", settings.home / "bills")
    with database.connect("dagster", autocommit=True) as conn:
        # As Dagster makes them, as far as they are asked.
        conn.execute(
            "create table dagster.daemon_heartbeats (daemon_type text, timestamp timestamp)"
        )
        conn.execute("create table dagster.runs (status text, create_timestamp timestamp)")
        long_ago = "(now() at time zone 'UTC') - interval '2 hours'"
        conn.execute(
            f"insert into dagster.daemon_heartbeats values ('SENSOR', {long_ago})".encode()
        )
        conn.execute(f"insert into dagster.runs values ('QUEUED', {long_ago})".encode())
    with database.connect("loader", autocommit=True) as conn:
        ddl.ensure_months(conn, FOCUS_COSTS, [datetime.now(UTC).date()])
        conn.execute(
            "insert into raw.partitions (account_id, provider, dataset, usage_date,"
            " billing_period, rows, state) values ('acme', 'focus', 'costs', current_date,"
            " current_date, 5, 'loaded')"
        )
    with database.connect("app", autocommit=True) as conn:
        conn.execute(
            "insert into app.audit_log (at, actor, action, subject)"
            " values (now() - interval '5 days', 'x', 'backup.made', 'y')"
        )
        conn.execute(
            "insert into app.checkpoints (thread_id, checkpoint_id, checkpoint)"
            " values ('gone', '1', '{}')"
        )
    wrong = {}
    for name, check in doctor_upkeep.CHECKS.items():
        try:
            check(settings)
        except AstraeusError as error:
            wrong[name] = error
    assert set(wrong) - {"disk"} == {"partitions", "queue", "daemon", "checkpoints", "backup"}
    assert all(error.hint for error in wrong.values())
    assert "5 days ago" in wrong["backup"].message
    assert "120 minutes" in wrong["queue"].message
    assert "scheduler" in wrong["daemon"].message and " since 20" in wrong["daemon"].message
    assert "focus_costs" in wrong["partitions"].message

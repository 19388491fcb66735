"""Housekeeping: what is old goes, what a number leads back to stays, a dry run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from astraeus_pipeline.accounts import key_backup, sealing, store
from astraeus_pipeline.cli import app
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError, StoreError
from astraeus_pipeline.orchestration import run_events
from astraeus_pipeline.orchestration.housekeeping import keep_house, prune_runs
from astraeus_pipeline.orchestration.partitions import DAYS, key_of, range_tags
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import backup, housekeeping, sessions, users
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.housekeeping import Retention
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.charges import fetched
from tests.fixtures.estate import add_account, installed
from tests.fixtures.object_stores import s3

pytestmark = pytest.mark.integration
TODAY = datetime.now(UTC).date()
LONG_AGO = timedelta(days=400)


@dataclass
class House:
    """An installation and a Dagster instance that is nobody else's."""

    database: Database
    settings: Settings
    instance: dg.DagsterInstance

    def ask(self, query: str, *values: Any) -> list[Any]:
        with self.database.connect("admin", autocommit=True) as conn:
            cursor = conn.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def keep(self, *, is_dry: bool = False) -> dict[str, int]:
        done = keep_house(self.settings, self.database, self.instance, "test", is_dry=is_dry)
        return {each.name: each.gone for each in done}


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in (
        *("SESSION", "CHECKPOINT", "RUN", "PAYLOAD", "LINE_ITEM"),
        *("CHAT", "AUDIT", "ATTEMPT"),
    ):
        monkeypatch.delenv(f"ASTRAEUS_KEEP_{name}_DAYS", raising=False)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield House(database, Settings(home=tmp_path, landing_url=None), instance)


def fill(house: House) -> dict[str, str]:
    """Put in what is old and what is not; return ids of what must stay."""
    with house.database.connect("app", autocommit=True) as conn:
        user = users.add(conn, "ana@example.org", "Ana", "analyst", actor="test")
        sessions.begin(conn, user.id, "password", token="old")
        sessions.begin(conn, user.id, "password", token="live")
        ended, live = sessions.key_of("old"), sessions.key_of("live")
        conn.execute(
            "update app.sessions set created_at = now() - %(ago)s, last_seen_at = now() - %(ago)s,"
            " expires_at = now() - %(ago)s where key = %(key)s",
            {"ago": LONG_AGO, "key": ended},
        )
        conn.execute(
            "insert into app.sign_in_attempts (email, address, at)"
            " values ('a', 'b', now() - %s), ('a', 'b', now())",
            [LONG_AGO],
        )
        threads = {name: str(uuid4()) for name in ("old", "recent", "waiting")}
        for name, status, ago in (
            ("old", "complete", LONG_AGO),
            ("recent", "complete", timedelta(days=1)),
            ("waiting", "awaiting_approval", LONG_AGO),
        ):
            conn.execute(
                "insert into app.chat_messages (session_id, user_id, role, status, created_at)"
                " values (%s, %s, 'assistant', %s, now() - %s)",
                [threads[name], user.id, status, ago],
            )
            for table, more in (
                ("checkpoints (thread_id, checkpoint_id, checkpoint)", "'1', '{}'"),
                ("checkpoint_blobs (thread_id, channel, version, type)", "'c', '1', 't'"),
                (
                    "checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)",
                    "'1', 't', 0, 'c', ''",
                ),
            ):
                conn.execute(f"insert into app.{table} values (%s, {more})", [threads[name]])
        message = conn.execute("select id from app.chat_messages limit 1").fetchone()
        assert message is not None
        conn.execute(
            "insert into app.chat_attachments (message_id, user_id, name, media_type, sha256,"
            " content, reading, expires_at) values (%s, %s, 'n', 't', %s, '', '{\"lines\": []}',"
            " now() - interval '1 minute')",
            [message[0], user.id, "0" * 64],
        )
    return {"live": live, **threads}


def test_what_is_old_goes_and_the_rest_stays(house: House) -> None:
    ids = fill(house)
    expected = {
        "sessions that ended": 1,
        "sign-in links": 0,
        "sign-in attempts": 1,
        "expired attachments": 1,
        "threads that the assistant remembers": 1,
        "runs of Dagster": 0,
        "events of runs that stay": 0,
        "results of asset checks": 0,
    }
    assert house.keep(is_dry=True) == expected
    assert house.ask("select count(*) from app.sessions") == [(2,)]
    assert house.keep() == expected
    assert house.keep() == dict.fromkeys(expected, 0)
    assert house.ask("select key from app.sessions") == [(ids["live"],)]
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        left = house.ask(f"select thread_id from app.{table} order by 1")
        assert left == sorted([(ids["recent"],), (ids["waiting"],)])
    # Off unless asked for: threads and the audit log stay whole.
    assert house.ask("select count(*) from app.chat_messages") == [(3,)]
    [line] = house.ask(
        "select detail from app.audit_log where action = 'housekeeping.done' order by id limit 1"
    )
    assert line[0]["sessions that ended"] == 1
    # The next months' leaves are there, and autovacuum comes early to what is updated in place.
    assert house.ask("select to_regclass(%s)::text", f"raw.focus_costs_{TODAY:%Y_%m}") != [(None,)]
    [(options,)] = house.ask(
        "select reloptions from pg_class where oid = 'raw.partitions'::regclass"
    )
    assert options == ["autovacuum_vacuum_scale_factor=0.02"]


def test_nothing_goes_beside_a_backup(house: House) -> None:
    fill(house)
    with backup.alone(house.database):
        assert house.keep() == {}
    assert house.ask("select count(*) from app.sessions") == [(2,)]


def test_a_store_that_is_away_holds_up_nothing_else(house: House) -> None:
    fill(house)
    with s3() as bucket:
        away = {"landing_url": "s3://landing/payloads", "landing_options": bucket.options}
    with pytest.raises(StoreError, match="does not answer"):
        keep_house(house.settings.model_copy(update=away), house.database, house.instance, "test")
    assert house.ask("select count(*) from app.sessions") == [(1,)]
    assert house.ask("select to_regclass(%s)::text", f"raw.focus_costs_{TODAY:%Y_%m}") != [(None,)]
    noted = house.ask("select detail from app.audit_log where action = 'housekeeping.done'")
    assert [line["sessions that ended"] for (line,) in noted] == [1]


def test_payloads_go_only_if_asked_and_never_those_that_something_stands_from(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = LandingStore.from_settings(house.settings)
    day = DayRange(TODAY, TODAY)
    shared = landing.put("shared", [b"in both"], "csv")
    manifests, parts = {}, {}
    for name in ("superseded", "standing", "recent"):
        parts[name] = landing.put(name, [name.encode()], "csv")
        description = replace(fetched(day), parts=(parts[name], shared), source_name=name)
        manifests[name] = landing.put_manifest(description)
    with house.database.connect("loader", autocommit=True) as conn:
        for name, ago in (("superseded", 400), ("standing", 400), ("recent", 1)):
            conn.execute(
                "insert into raw.deliveries (account_id, provider, dataset, first_day, last_day,"
                " source, source_name, fetched_at, finished_at, payload_uri, state)"
                " values ('acme', 'focus', 'costs', %(day)s, %(day)s, 'api', %(name)s, now(),"
                " now() - make_interval(days => %(ago)s), %(uri)s, 'loaded')",
                {"day": TODAY, "name": name, "ago": ago, "uri": manifests[name].uri},
            )
        conn.execute(
            "insert into raw.partitions (account_id, provider, dataset, usage_date,"
            " billing_period, delivery_id, state) select account_id, provider, dataset, first_day,"
            " first_day, id, 'loaded' from raw.deliveries where source_name = 'standing'"
        )

    def stored(uri: str) -> bool:
        return landing.objects.exists(uri)

    assert "superseded payloads" not in house.keep()
    monkeypatch.setenv("ASTRAEUS_KEEP_PAYLOAD_DAYS", "365")
    assert house.keep(is_dry=True)["superseded payloads"] == 2
    assert stored(parts["superseded"].uri)
    assert house.keep()["superseded payloads"] == 2
    assert not stored(parts["superseded"].uri) and not stored(manifests["superseded"].uri)
    for uri in (*(parts[name].uri for name in ("standing", "recent")), shared.uri):
        assert stored(uri)
    assert house.ask("select count(*) from raw.deliveries") == [(3,)]


def test_runs_go_but_for_those_that_something_stands_from(house: House, tmp_path: Path) -> None:
    @dg.asset
    def first() -> None: ...

    @dg.asset
    def second() -> None: ...

    runs = {
        name: dg.materialize([each], instance=house.instance).run_id
        for name, each in (("stands", first), ("goes", first), ("last", first), ("other", second))
    }
    (tmp_path / "dagster" / "storage" / runs["goes"]).mkdir(parents=True)

    def prune(days: int, *, is_dry: bool = False) -> int:
        return prune_runs(house.settings, house.instance, {runs["stands"]}, days, is_dry=is_dry)

    assert prune(90) == 0
    assert prune(-1, is_dry=True) == 1
    assert prune(-1) == 1
    left = set(house.instance.get_run_ids())
    assert left == {runs["stands"], runs["last"], runs["other"]}
    assert not (tmp_path / "dagster" / "storage" / runs["goes"]).exists()
    assert house.instance.get_latest_materialization_event(first.key) is not None


def test_a_run_that_stays_keeps_what_says_that_partitions_stand(house: House) -> None:
    accounts = dg.DynamicPartitionsDefinition(name="accounts")
    house.instance.add_dynamic_partitions("accounts", ["acme"])

    @dg.asset(
        partitions_def=dg.MultiPartitionsDefinition({"account": accounts, "day": DAYS}),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("is_whole", asset="costs")],
    )
    def costs() -> Iterator[Any]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    days = [TODAY - timedelta(days=ago) for ago in (4, 3, 2)]
    runs = [
        dg.materialize([costs], instance=house.instance, tags=range_tags("acme", window)).run_id
        for window in (DayRange(days[0], days[1]), DayRange(days[0], days[2]))
    ]
    keys = {str(key_of("acme", day)) for day in days}
    assert house.instance.get_materialized_partitions(costs.key) == keys
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert run_events.whole_runs(house.instance, datetime.now(UTC) - timedelta(days=1)) == []
    assert run_events.whole_runs(house.instance, tomorrow) == runs
    # The second run read the first day again and found it as it was.
    stands = {
        runs[0]: {str(key_of("acme", days[0]))},
        runs[1]: keys - {str(key_of("acme", days[0]))},
    }
    would = run_events.thin(house.instance, stands, is_dry=True)
    assert run_events.whole_runs(house.instance, tomorrow) == runs
    assert run_events.thin(house.instance, stands, is_dry=False) == would > 20
    assert run_events.thin(house.instance, stands, is_dry=False) == 0
    assert run_events.whole_runs(house.instance, tomorrow) == []
    assert house.instance.get_materialized_partitions(costs.key) == keys
    for run in runs:
        left = house.instance.get_records_for_run(run).records
        assert {str(each.partition_key) for each in left} == stands[run]
        assert house.instance.get_run_by_id(run) is not None

    assert run_events.clear_checks(house.instance, tomorrow, is_dry=True) == 1
    assert run_events.clear_checks(house.instance, tomorrow, is_dry=False) == 1
    assert run_events.clear_checks(house.instance, tomorrow, is_dry=False) == 0
    check = dg.AssetCheckKey(costs.key, "is_whole")
    storage = house.instance.event_log_storage
    assert storage.get_latest_asset_check_execution_by_key([check])[check].run_id == runs[1]


def test_runs_that_the_ledger_names_are_told(house: House) -> None:
    with house.database.connect("loader", autocommit=True) as conn:
        for run in ("stands", "superseded"):
            conn.execute(
                "insert into raw.deliveries (account_id, provider, dataset, first_day, last_day,"
                " source, source_name, fetched_at, state, dagster_run_id) values ('acme', 'focus',"
                " 'costs', %(day)s, %(day)s, 'api', 'test', now(), 'loaded', %(run)s)",
                {"day": TODAY, "run": run},
            )
        conn.execute(
            "insert into raw.partitions (account_id, provider, dataset, usage_date,"
            " billing_period, delivery_id, state) select account_id, provider, dataset, first_day,"
            " first_day, id, 'loaded' from raw.deliveries where dagster_run_id = 'stands'"
        )
    with house.database.connect("app", autocommit=True) as conn:
        assert housekeeping.standing_days(conn) == {"stands": {("acme", TODAY)}}


def test_short_retention_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAEUS_KEEP_PAYLOAD_DAYS", "3")
    with pytest.raises(ConfigError, match=r"ASTRAEUS_KEEP_PAYLOAD_DAYS.*30"):
        Retention.from_env()


def test_key_rotation_is_rehearsed(database: Database, tmp_path: Path) -> None:
    """The command, the former key thrown away, and a backup's keys put back beside the new ones."""
    canary = {"key": SecretStr("canary")}
    with installed(database, tmp_path) as settings:
        add_account(database, settings, store.NewAccount("acme", "aws", "Acme", {}, canary))
        before = sealing.key_file(tmp_path).read_text().split()
        key_backup.save(tmp_path, tmp_path / "saved", None)
        answer = CliRunner().invoke(app, ["keys", "rotate"])
        assert answer.exit_code == 0 and "1 accounts" in answer.output
        newest, *former = sealing.key_file(tmp_path).read_text().split()
        assert former == before
        sealing.key_file(tmp_path).write_text(f"{newest}\n")
        with database.connect("app", autocommit=True) as conn:
            ring = sealing.KeyRing.from_settings(settings)
            assert store.get_account(conn, "acme", ring).open_secrets() == canary
            key_backup.put_back(tmp_path, key_backup.read(tmp_path / "saved", None))
            wider = sealing.KeyRing.from_settings(settings)
            assert wider.keys == (*sealing.KeyRing.parse(before[0]).keys, *ring.keys)
            assert store.get_account(conn, "acme", wider).open_secrets() == canary

"""The page "Accounts": figures equal SQL, secrets go in and never out, changes are audited."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

from app.components import access, formats
from app.queries import periods
from app.records import accounts as records
from app.records import dagster
from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, forget
from tests.app.test_pages import metric, run
from tests.fixtures.estate import write_month

pytestmark = pytest.mark.integration


def sql(database: Database, query: str, *values: Any) -> Any:
    with database.connect("admin", autocommit=True) as conn:
        row = conn.execute(query, values).fetchone()
    return None if row is None else row[0]


def audited(database: Database, action: str) -> Any:
    return sql(
        database,
        "select actor || ' ' || subject || ' ' || detail from app.audit_log where action = %s"
        " order by id desc limit 1",
        action,
    )


def table(at: AppTest, column: str) -> Any:
    return next(each.value for each in at.dataframe if column in each.value)


def test_one_row_per_account_to_the_cent(marts: Database) -> None:
    at = run("accounts")
    assert not at.exception and not at.error
    rows = table(at, "Tie-out")
    assert list(rows["Account"]) == ["Acme", "Beta"]
    month = periods.period("Month to date", THROUGH)
    for slug, cost, currency in zip(("acme", "beta"), rows["Cost"], rows["Cur."], strict=True):
        assert cost == sql(
            marts,
            "select sum(billed_cost) from marts.fct_daily_costs where account_id = %s"
            " and billing_currency = %s and usage_date >= %s",
            *(slug, currency, month.first),
        )
    assert metric(at, "Active") == "2" and metric(at, "Late") == "0"
    assert list(table(at, "Fetched")["Result"].iloc[0]) == ["Loaded"]


def heat(at: AppTest) -> str:
    return next(each.value for each in at.html if "Days of each account" in each.value)


def test_the_heatmap_has_a_letter_for_every_day_and_says_what_is_late(marts: Database) -> None:
    drawn = heat(run("accounts"))
    assert drawn.count("<td") == 2 * 45
    assert ">F</td>" in drawn and ">E</td>" in drawn
    assert "Missing" not in drawn
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.fct_freshness set state = 'missing', is_gap = true"
            " where account_id = 'acme' and usage_date = %s",
            [THROUGH - timedelta(days=5)],
        )
        conn.execute(
            "update marts.fct_freshness set held_back = 'refused'"
            " where account_id = 'beta' and usage_date = %s",
            [THROUGH - timedelta(days=4)],
        )
    forget()
    drawn = heat(run("accounts"))
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.fct_freshness set state = 'estimated', is_gap = false"
            " where state = 'missing'"
        )
        conn.execute("update marts.fct_freshness set held_back = null")
    forget()
    assert f'title="Missing, {formats.day(THROUGH - timedelta(days=5))}">M</td>' in drawn
    assert f'title="Refused, {formats.day(THROUGH - timedelta(days=4))}">R</td>' in drawn


def test_filters_and_the_open_row_come_from_the_address(marts: Database) -> None:
    at = run("accounts", open="beta")
    assert any(each.value == "Beta" for each in at.subheader)
    assert list(table(run("accounts", provider="Beta"), "Tie-out")["Account"]) == ["Beta"]
    at = run("accounts", open="gone")
    assert not at.exception and "gone" in at.warning[0].value


def add_form(at: AppTest) -> AppTest:
    at.button(key="add_account").click().run()
    return at.selectbox(key="a_provider").set_value("focus").run()


def test_an_account_is_tested_and_added_and_its_secret_stays_inside(
    marts: Database, tmp_path: Path
) -> None:
    write_month(tmp_path / "bill.csv", {THROUGH: ["1"]})
    at = add_form(run("accounts"))
    at.text_input(key="a_slug").set_value("gamma")
    at.text_input(key="a_set_url").set_value(str(tmp_path))
    at.text_input(key="a_secret_focus_azure_sas_token").set_value("sv=hush-hush").run()
    at.button(key="a_test").click().run()
    assert not at.exception
    assert "Reached" in at.success[0].value, at.error
    at.button(key="a_save").click().run()
    assert not at.exception and "Added gamma" in at.success[0].value
    assert "a_secret_focus_azure_sas_token" not in at.session_state
    sealed = sql(marts, "select sealed_credentials from app.accounts where slug = 'gamma'")
    assert sealed and b"hush" not in bytes(sealed)
    line = audited(marts, "account.add")
    assert "gamma" in line and "admin@example.org" in line and "hush" not in line
    with marts.connect("app", autocommit=True) as conn:
        ring = KeyRing.from_settings(Settings.from_env())
        opened = store.get_account(conn, "gamma", ring).open_secrets()
    assert opened["azure_sas_token"].get_secret_value() == "sv=hush-hush"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("a_slug", "Not A Slug", "cannot be an account"),
        ("a_slug", "acme", "already an account"),
        ("a_slug", "", "cannot be an account"),
        ("a_set_url", "", "url"),
        ("a_set_url", "/does/not/exist", "/does/not/exist"),
        ("a_set_url", "s3://", "names no bucket"),
        ("a_name", "nul \0 byte", "does not take one of these values"),
    ],
)
def test_bad_input_is_a_sentence(
    marts: Database, tmp_path: Path, field: str, value: str, said: str
) -> None:
    write_month(tmp_path / "bill.csv", {THROUGH: ["1"]})
    at = add_form(run("accounts"))
    at.text_input(key="a_slug").set_value("delta")
    at.text_input(key="a_set_url").set_value(str(tmp_path))
    at.text_input(key=field).set_value(value).run()
    at.button(key="a_save").click().run()
    assert not at.exception
    assert any(said in each.value.replace("\\", "") for each in at.error), at.error
    assert sql(marts, "select count(*) from app.accounts where slug = 'delta'") == 0


def test_every_provider_has_a_form(marts: Database) -> None:
    at = add_form(run("accounts"))
    for key in records.providers():
        at.selectbox(key="a_provider").set_value(key).run()
        assert not at.exception, key


def test_an_account_is_paused_resumed_and_removed(marts: Database) -> None:
    at = run("accounts", open="beta")
    at.button(key="account_pause").click().run()
    assert "paused" in at.success[0].value
    assert sql(marts, "select state from app.accounts where slug = 'beta'") == "paused"
    at.button(key="account_pause").click().run()
    assert sql(marts, "select state from app.accounts where slug = 'beta'") == "active"
    assert "beta" in audited(marts, "account.paused")
    with marts.connect("app", autocommit=True) as conn:
        new = store.NewAccount("omega", "focus", "Omega", {"url": "/x"}, {})
        store.add_account(conn, new, KeyRing.from_settings(Settings.from_env()), store.Actor("t"))
    with pytest.raises(ConfigError):
        records.rotate("omega", {}, "ann")
    records.set_state("omega", "removed", "ann")
    assert "omega" in audited(marts, "account.removed")


def test_who_may_not_is_refused_in_the_callback(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = run("accounts", open="beta", who="budget_owner")
    keys = [each.key for each in at.button]
    assert "account_pause" not in keys and "add_account" not in keys
    monkeypatch.setattr(access, "may", lambda permission: True)  # as if it were drawn
    at = run("accounts", open="beta", who="budget_owner")
    at.button(key="account_pause").click().run()
    assert "may not do this" in at.error[0].value
    assert sql(marts, "select state from app.accounts where slug = 'beta'") == "active"


class _Dagster(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[Any]] = []
    answers: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append(json.loads(body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": type(self).answers.pop(0)}).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Dagster]]:
    _Dagster.asked.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), _Dagster)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("ASTRAEUS_DAGSTER_URL", f"http://127.0.0.1:{server.server_port}")
    yield _Dagster
    server.shutdown()


def progress(done: int, failed: int, status: str) -> dict[str, Any]:
    counts = {
        "numPartitionsTargeted": 2,
        "numPartitionsInProgress": 2 - done - failed,
        "numPartitionsMaterialized": done,
        "numPartitionsFailed": failed,
    }
    return {
        "partitionBackfillOrError": {
            "__typename": "PartitionBackfill",
            "status": status,
            "numPartitions": 2,
            "assetBackfillData": {"assetBackfillStatuses": [counts]},
            "runs": [{"id": "r-1", "status": "SUCCESS"}],
        }
    }


def test_days_are_asked_of_dagster_and_watched(marts: Database, web: type[_Dagster]) -> None:
    days = DayRange(DAYS.last - timedelta(days=1), DAYS.last)
    web.answers[:] = [
        {"launchPartitionBackfill": {"__typename": "LaunchBackfillSuccess", "backfillId": "b1"}},
        progress(1, 0, "REQUESTED"),
        progress(2, 0, "COMPLETED_SUCCESS"),
        progress(1, 1, "COMPLETED_FAILED"),
        {"launchPartitionBackfill": {"__typename": "PythonError", "message": "no such key"}},
    ]
    assert records.ingest("acme", "costs", days, "ann (app)") == "b1"
    asked = web.asked[0]["variables"]["params"]
    assert asked["assetSelection"] == [{"path": ["raw", "focus_costs"]}]
    assert asked["partitionNames"] == [f"acme|{day}" for day in days]
    assert str(days.first) in audited(marts, "account.ingest")
    now = dagster.progress("b1")
    assert (now.is_over, now.share) == (False, 0.5)
    assert dagster.progress("b1").is_good
    assert not dagster.progress("b1").is_good
    with pytest.raises(AstraeusError, match="no such key"):
        records.ingest("acme", "costs", days, "ann (app)")
    with pytest.raises(ConfigError, match="takes no part"):
        records.ingest("acme", "resources", days, "ann (app)")


def test_without_dagster_the_command_is_shown(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASTRAEUS_DAGSTER_URL", raising=False)
    at = run("accounts", open="acme")
    at.button(key="account_ingest").click().run()
    at.button(key="i_start").click().run()
    assert not at.exception
    assert "does not know where Dagster is" in at.error[0].value.replace("\\", "")
    assert any("astraeus backfill --account acme --dataset costs" in each.value for each in at.code)


def test_an_empty_installation_lets_the_first_account_be_added(empty: Database) -> None:
    at = run("accounts")
    assert not at.exception
    assert "No costs have been ingested yet" in at.info[0].value
    at.button(key="add_account").click().run()
    assert not at.exception and at.selectbox(key="a_provider").options


def test_what_went_wrong_is_said_with_what_to_do_next(marts: Database) -> None:
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into marts.fct_reconciliations (check_name, account_id, grain, usage_date,"
            " first_day, last_day, currency, cost_type, left_amount, right_amount, residual, state)"
            " values ('control_total', 'acme', 'day', %(day)s, %(day)s, %(day)s, 'USD',"
            " 'billed_cost', 10.123, 9, 1.123, 'blocked')",
            {"day": THROUGH},
        )
        copied = conn.execute(
            "insert into marts.fct_deliveries select one.* from (select to_jsonb(newest) || %s"
            " as line from marts.fct_deliveries as newest where account_id = 'acme'"
            " order by delivery_id desc limit 1) as copied,"
            " jsonb_populate_record(null::marts.fct_deliveries, copied.line) as one",
            [Jsonb({"delivery_id": 10**6, "state": "failed", "reason": "*Key* expired"})],
        )
    forget()
    at = run("accounts")
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute("delete from marts.fct_reconciliations where state = 'blocked'")
        conn.execute("delete from marts.fct_deliveries where delivery_id = 1000000")
    forget()
    assert copied.rowcount == 1 and not at.exception and not at.error
    assert metric(at, "Not tying out") == "1"
    assert any(each.value == "Acme" for each in at.subheader)  # the one that needs a look
    assert any("\\*Key\\* expired" in each.value for each in at.markdown)
    assert any("Test the connection" in each.value for each in at.caption)
    residuals = next(each.value for each in at.table if "Residual" in each.value)
    assert residuals["Residual"].tolist() == ["1.123 USD"]

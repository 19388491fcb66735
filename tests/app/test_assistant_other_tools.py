"""Tools that reach beyond the marts: days ingested again, credentials, changes, use of models."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import genai_prices
import pytest

from app.assistant import pass_rates
from app.assistant.render import receipt
from app.assistant.tools.contract import BUDGETS, SCOPES, SYNC, TRIAGE, Scope, ToolResult, acting
from app.assistant.tools.registry import TOOLS
from app.auth import store
from app.queries.compiler import Statement
from app.records import accounts
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import AstraeusError, ConfigError, ForbiddenError
from astraeus_pipeline.orchestration import alerting
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import alert_rules, chat_messages
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, ask, sign_in, user_of
from tests.app.test_accounts_page import web  # noqa: F401 - a fixture, Dagster's stand-in
from tests.fixtures.estate import write_month
from tests.fixtures.parsed import parsed_for, run_dbt

pytestmark = pytest.mark.integration
ASKED: Final = {"account": "acme", "dataset": "costs", "start": DAYS.last, "end": DAYS.end}
NOW: Final = datetime.now(UTC)


def call(name: str, who: str = "admin", /, **arguments: Any) -> ToolResult:
    found = store.live(user_of(who)["session"])
    assert found is not None
    with acting(Scope.of(found, SCOPES)):
        return TOOLS[name].run(arguments)


def count(database: Database, action: str) -> int:
    with database.connect("app") as conn:
        row = conn.execute(
            "select count(*) from app.audit_log where action = %s", [action]
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_days_are_ingested_again_only_when_that_is_said(
    marts: Database,
    web: Any,  # noqa: F811
) -> None:
    web.answers[:] = [
        {"launchPartitionBackfill": {"__typename": "LaunchBackfillSuccess", "backfillId": "b7"}},
        {"launchPartitionBackfill": {"__typename": "PythonError", "message": "no such key"}},
    ]
    planned = call("sync_resources", **ASKED)
    [row] = planned.rows
    assert (row["state"], row["days"]) == ("planned", 1) and "backfill_id" not in row
    assert not web.asked and count(marts, "account.ingest") == 0
    [row] = call("sync_resources", **ASKED, dry_run=False).rows
    assert (row["state"], row["backfill_id"]) == ("requested", "b7")
    assert web.asked[0]["variables"]["params"]["partitionNames"] == [f"acme|{DAYS.last}"]
    assert count(marts, "account.ingest") == 1
    with pytest.raises(AstraeusError, match="no such key"):
        call("sync_resources", **ASKED, dry_run=False)
    tomorrow = NOW.date() + timedelta(days=1)
    for wrong, told in (
        ({"account": "acm"}, "Did you mean 'acme'?"),
        ({"dataset": "cost"}, "Did you mean 'costs'?"),
        ({"start": THROUGH - timedelta(days=93)}, "more than 92 days"),
        ({"end": tomorrow + timedelta(days=1)}, "has not come yet"),
    ):
        with pytest.raises(ConfigError) as refused:
            call("sync_resources", **{**ASKED, **wrong}, dry_run=False)
        assert told in str(refused.value)
    # Whatever scopes are granted: the role must allow it.
    for who in ("viewer", "analyst", "budget_owner"):
        for name in ("sync_resources", "validate_credentials"):
            with pytest.raises(ForbiddenError, match=SYNC):
                call(name, who, **(ASKED if name == "sync_resources" else {"account": "acme"}))
    sign_in(marts, "half", "admin", Grant("account", "beta"))
    with pytest.raises(ConfigError, match="There are: beta"):
        call("sync_resources", "half", **ASKED, dry_run=False)


def test_credentials_are_tried_and_never_told(marts: Database) -> None:
    account = accounts.known("acme")
    assert account is not None
    folder = Path(str(account.config["url"]))
    write_month(folder / "bill.csv", {DAYS.last: ["1.00"]})
    [row] = call("validate_credentials", account="ACME").rows
    assert (
        row["account"] == "acme" and row["works"] is True and "acme works" in str(row["identity"])
    )
    assert count(marts, "account.test") == 1
    shutil.rmtree(folder)
    [row] = call("validate_credentials", account="acme").rows
    assert row["works"] is False and row["problem"]
    ring = Settings.from_env().master_keys
    assert ring is None or ring.get_secret_value() not in str(row)


@pytest.fixture
def incident(marts: Database) -> str:
    return add_incident(marts, "a7", "acme")


def add_incident(marts: Database, anomaly_id: str, account: str) -> str:
    """Add an unexpected cost of an account, and return its id."""
    values = {
        **{"anomaly_id": anomaly_id, "series_key": f"s {anomaly_id}", "scope": "service"},
        **{"provider": "focus", "account_id": account},
        **{"sub_account_id": "s-1", "service_name": "Service B"},
        **{"billing_currency": "USD", "method": "m1", "start_date": str(THROUGH)},
        **{"end_date": str(THROUGH), "flagged_days": 1, "peak_date": str(THROUGH)},
        **{"peak_cost": 90.5, "expected_cost": 20, "lower_cost": 15, "upper_cost": 25},
        **{"excess_cost": 65.5, "score": 9.5, "reason": "spike", "severity": "high"},
        "drivers": [],
    }
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into intermediate.anomaly_incidents select one.* from jsonb_populate_record("
            "null::intermediate.anomaly_incidents, %s::jsonb) as one",
            [json.dumps(values)],
        )
    return anomaly_id


def test_findings_are_acknowledged_by_who_sees_them_and_may(marts: Database, incident: str) -> None:
    with marts.connect("app", autocommit=True) as conn:
        rule = NewRule(
            name="Dear days",
            kind="cost_amount",
            amount=Decimal(1),
            billing_currency="USD",
            filters={"account": ["acme"]},
            starts_on=THROUGH,
        )
        alert_rules.add_rule(conn, rule, "ann")
        alerting.look(conn, None, NOW)
    sign_in(marts, "of-beta", "budget_owner", Grant("account", "beta"))
    with pytest.raises(ConfigError, match="There is no unexpected cost"):
        call("acknowledge_anomaly", "of-beta", anomaly_id=incident)
    for who in ("viewer", "analyst"):
        with pytest.raises(ForbiddenError, match=TRIAGE):
            call("acknowledge_anomaly", who, anomaly_id=incident)
    result = call("acknowledge_anomaly", "budget_owner", anomaly_id=incident, note="Looking")
    assert result.rows[0]["state"] == "acknowledged" and receipt(result)
    assert call("acknowledge_anomaly", anomaly_id=incident).rows[0]["excess_cost"] == Decimal(
        "65.5"
    )
    assert [row["anomaly_id"] for row in call("get_anomalies", state="Acknowledged").rows] == ["a7"]
    assert count(marts, "anomaly.acknowledged") == 2
    [breach, *_] = call("get_alerts").rows
    for who, asked in (("of-beta", str(breach["breach_id"])), ("admin", "nothing")):
        with pytest.raises(ConfigError, match="There is no crossed threshold"):
            call("acknowledge_alert", who, breach_id=asked)
    result = call("acknowledge_alert", breach_id=breach["breach_id"], note="Seen")
    assert receipt(result) == "The alert is acknowledged."
    with marts.connect("app") as conn:
        said = conn.execute(
            "select state, state_note, state_by from app.alerts where breach_id = %s",
            [breach["breach_id"]],
        ).fetchone()
    assert said == ("acknowledged", "Seen", "admin@example.org")
    assert count(marts, "alert.acknowledged") == 1


def test_budgets_are_entered_and_changed_within_what_is_seen(marts: Database) -> None:
    sign_in(marts, "bo", "budget_owner", Grant("account", "beta"))
    beta = [{"dimension": "account", "values": ["BETA"]}]
    given = {"name": "Beta", "amount": "100.50", "currency": "eur"}
    with pytest.raises(ForbiddenError, match=BUDGETS):
        call("create_budget", "analyst", **given)
    with pytest.raises(ForbiddenError, match="not within"):
        call("create_budget", "bo", **given)
    with pytest.raises(ConfigError, match="no account 'acme'"):
        foreign = [{"dimension": "account", "values": ["acme"]}]
        call("create_budget", "bo", **given, filters=foreign)
    assert count(marts, "budget.add") == 0
    made = call("create_budget", "bo", **given, filters=beta, warn_at_percent=[50])
    assert made.rows[0]["budget_amount"] == Decimal("100.5") and "Added" in str(receipt(made))
    assert made.params["filters"] == [{"dimension": "account", "values": ["beta"]}]
    call("create_budget", **{**given, "name": "All", "currency": "USD"})
    [row] = call("get_budgets", "bo").rows
    assert (row["name"], row["budget_amount"]) == ("Beta", Decimal("100.5"))
    with pytest.raises(ConfigError, match="There are: Beta"):
        call("change_budget", "bo", budget="All", amount=1)
    changed = call("change_budget", "bo", budget="beta", amount=200, owner="Bo")
    assert changed.rows[0]["amount_before"] == Decimal("100.5")
    [row] = call("get_budgets", "bo").rows
    assert (row["budget_amount"], row["owner"]) == (Decimal(200), "Bo")
    with marts.connect("app") as conn:
        shares = conn.execute(
            "select distinct share from app.budget_thresholds inner join app.budgets"
            " on budgets.id = budget_id where name = 'Beta' order by 1"
        ).fetchall()
    assert [share for (share,) in shares] == [Decimal("0.5"), Decimal(1)]  # what was left out stays
    with pytest.raises(ConfigError, match="nothing to change"):
        call("change_budget", budget="All")


def attempt(number: int, model: str, outcome: str = "answered", **more: Any) -> dict[str, Any]:
    return {
        **{"number": number, "at": NOW, "provider": "openai", "model": model, "tier": "fast"},
        **{"outcome": outcome, "latency_ms": 100 * number},
        **more,
    }


def test_use_of_models_is_ones_own_or_everybodys(
    marts: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pass_rates, "RESULTS", tmp_path)
    tokens = {"input_tokens": 1000, "output_tokens": 500, "cost_usd": Decimal("0.00125")}
    asked = {
        "admin@example.org": [attempt(1, "gpt-5-mini", **tokens)],
        "viewer@example.org": [
            attempt(1, "gpt-5-mini", "failed"),
            attempt(2, "gpt-5", **{**tokens, "cost_usd": Decimal("0.00625")}),
        ],
    }
    with marts.connect("app", autocommit=True) as conn:
        for email, attempts in asked.items():
            begun = chat_messages.begin(conn, email, uuid4(), "?", {})
            for each in attempts:
                chat_messages.add_attempt(conn, begun.message_id, each)
    mine = call("analyze_usage", "viewer")
    assert {row["model"]: row["calls"] for row in mine.rows} == {"gpt-5": 1, "gpt-5-mini": 1}
    assert mine.totals["cost_usd"] == Decimal("0.00625") and mine.unit["cost_usd"] == "USD"
    assert mine.totals["unpriced_calls"] == 1 and any("not known" in each for each in mine.notes)
    # Not zero: what failed has no known cost.
    assert [row["cost_usd"] for row in mine.rows] == [Decimal("0.00625"), None]
    assert "viewer@example.org" in mine.sql
    whole = call("analyze_usage", group_by=["user", "day"])
    assert {(row["user"], row["day"], row["calls"]) for row in whole.rows} == {
        ("admin@example.org", NOW.date(), 1),
        ("viewer@example.org", NOW.date(), 2),
    }
    assert whole.totals["cost_usd"] == Decimal("0.0075") and whole.totals["calls"] == 3
    assert [row["failed_calls"] for row in whole.rows] == [1, 0]
    with pytest.raises(ConfigError, match="no group of source assistant 'meter'"):
        call("analyze_usage", group_by=["meter"])
    billed = call("analyze_usage", source="billed", group_by=["model", "day"])
    # Beside the bills, of which there are none here: by list price, labelled, never added to them.
    assert billed.rows == [] and billed.totals == {
        "assistant_estimated_cost USD": Decimal("0.0075")
    }
    assert any("own 3 calls" in each and "(1 of them" in each for each in billed.notes)
    assert "fct_assistant_usage" in billed.sql and "USD" in billed.unit.values()
    sign_in(marts, "of-acme", "viewer", Grant("account", "acme"))
    assert call("analyze_usage", "of-acme", source="billed").totals == {}
    marted = Statement(
        "select provider, model, calls, unpriced_calls, input_tokens::bigint as input_tokens,"
        " estimated_cost, cost_basis, billing_currency, is_vendor_ingested"
        " from marts.fct_assistant_usage order by model",
        (),
    )
    assert ask(marted, "of-acme") == []
    told = {"cost_basis": "estimated", "billing_currency": "USD", "is_vendor_ingested": False}
    assert [dict(row) for row in ask(marted)] == [
        {
            **{"provider": "openai", "model": model, "calls": calls, "unpriced_calls": unpriced},
            **{"input_tokens": 1000, "estimated_cost": Decimal(cost), **told},
        }
        for model, calls, unpriced, cost in (
            ("gpt-5", 1, 0, "0.00625"),
            ("gpt-5-mini", 2, 1, "0.00125"),
        )
    ]
    tested = ("test", "--select", "fct_assistant_usage", "assistant_usage_equals_calls")
    results = run_dbt(parsed_for(marts), tmp_path / "target", tested).results
    states = [each.status for each in results if each.node.resource_type == "test"]
    assert states == ["pass"] * 6

    other = call("optimize_models")
    row = next(each for each in other.rows if each["other_model"] == "claude-haiku-4-5")
    usage = genai_prices.Usage(input_tokens=1000, output_tokens=500)
    price = genai_prices.calc_price(usage, "claude-haiku-4-5", provider_id="anthropic").total_price
    assert row["model"] == "gpt-5" and row["estimated_cost_usd"] == price
    assert row["change_abs"] == price - Decimal("0.00625") and row["pass_rate"] is None
    assert any("gpt-5-mini: some of its calls have no known cost" in each for each in other.notes)
    assert any("Estimates" in each and "not known" in each for each in other.notes)
    report = {
        "machine": {"model": "anthropic/claude-haiku-4-5"},
        "taken_at": "2026-11-29T10:00:00Z",
    }
    content = json.dumps({**report, "options": {"answers": 544, "passed": 531}})
    (tmp_path / "assistant-anthropic-claude-haiku-4-5.json").write_text(content)
    other = call("optimize_models")
    rates = {each["other_model"]: each["pass_rate"] for each in other.rows}
    assert rates["claude-haiku-4-5"] == Decimal("97.6") and rates["claude-sonnet-4-5"] is None
    assert any("97.6 % of 544 answers" in each and "2026-11-29" in each for each in other.notes)

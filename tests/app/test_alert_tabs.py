"""The tabs beside budgets: alerts, anomalies, savings, rules; what people say lands, audited."""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from app.components import access, formats
from app.components.rule_form import LABELS
from app.queries import allocation as queries
from app.queries import periods
from app.records import alerts as raised
from app.records import allocation, rules, triage
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.orchestration import alerting
from astraeus_pipeline.warehouse import alert_channels, alert_rules
from astraeus_pipeline.warehouse.alert_channels import Channel
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, ask, forget, sign_in
from tests.app.test_budgets_page import audited, sql, table
from tests.app.test_pages import metric, run

pytestmark = pytest.mark.integration
START = THROUGH - timedelta(days=4)


@pytest.fixture(scope="module")
def busy(marts: Database) -> Iterator[Database]:
    """An anomaly, two alerts of which one message is dead, and a rule."""
    incident = {
        **{"anomaly_id": "a1", "series_key": "s1", "scope": "service", "provider": "focus"},
        **{"account_id": "acme", "sub_account_id": "s-1", "service_name": "Service B"},
        **{"billing_currency": "USD", "method": "m1", "start_date": str(START)},
        **{"end_date": str(THROUGH), "flagged_days": 3, "peak_date": str(START)},
        **{"peak_cost": 90.5, "expected_cost": 20, "lower_cost": 15, "upper_cost": 25},
        **{"excess_cost": 123.45, "score": 9.5, "reason": "spike", "severity": "high"},
        "drivers": [{"service_name": "Service B", "usage_type": "<b>x</b>", "excess_cost": 1.5}],
    }
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into intermediate.anomaly_incidents select one.* from jsonb_populate_record("
            "null::intermediate.anomaly_incidents, %s::jsonb) as one",
            [json.dumps(incident)],
        )
        conn.execute(
            "insert into intermediate.anomaly_scores (series_key, scope, provider, account_id,"
            " service_name, billing_currency, usage_date, method, actual_cost, expected_cost,"
            " lower_cost, upper_cost, score, reason) select 's1', 'service', 'focus', 'acme',"
            " 'Service B', 'USD', day, 'm1', 30, 20, 15, 25, 1, case when day >= %s then 'spike'"
            " end from generate_series(%s::date, %s::date, '1 day') as day",
            [START, START - timedelta(days=20), THROUGH],
        )
        finding = {
            **{"recommendation_id": "r1", "kind": "unattached_volume", "provider": "aws"},
            **{"action": "delete_volume", "account_id": "acme", "resource_id": "vol-1"},
            **{"resource_type": "ec2:volume", "first_seen": str(START), "confidence": "high"},
            **{"last_seen": str(THROUGH), "saving_source": "unknown_cost"},
            "evidence": {"size_gb": 500.0, "saved_share": 1.0, "caveat": "A <i>claim</i>."},
        }
        conn.execute(
            "insert into intermediate.recommendation_log select one.* from jsonb_populate_record("
            "null::intermediate.recommendation_log, %s::jsonb) as one",
            [json.dumps(finding)],
        )
    with marts.connect("app", autocommit=True) as conn:
        channel = Channel(
            str(uuid.uuid4()), "ops", "slack", "slack://***", datetime.now(UTC), b"sealed"
        )
        alert_channels.add_channel(conn, channel, "ann")
        new = NewRule(
            name="Dear days",
            kind="cost_amount",
            amount=Decimal(1),
            billing_currency="USD",
            filters={"account": ["acme"]},
            channels=["ops"],
            owner="ann",
            starts_on=THROUGH - timedelta(days=1),
        )
        alert_rules.add_rule(conn, new, "ann")
        alerting.look(conn, None, datetime.now(UTC))
        conn.execute(
            "update app.alert_deliveries set state = 'dead', last_error = 'No such *channel*.',"
            " attempts = 16 where id = (select id from app.alert_deliveries limit 1)"
        )
    forget()
    yield marts


def test_alerts_say_whom_they_reached_and_why_not(busy: Database) -> None:
    at = run("budgets", tab="Alerts")
    assert not at.exception and not at.error
    rows = table(at, "Messages")
    count = sql(busy, "select count(*) from app.alerts where state = 'open'")
    assert len(rows) == count >= 2 and metric(at, "Open alerts") == str(count)
    assert metric(at, "Given up") == "1"
    assert set(rows["Messages"]) == {"ops: given up", "ops: waiting"}
    dead = sql(
        busy,
        "select i.alert_id::text from app.alert_delivery_items i join app.alert_deliveries d"
        " on d.id = i.delivery_id where d.state = 'dead' limit 1",
    )
    at = run("budgets", tab="Alerts", alert=dead)
    assert any("No such \\*channel\\*. (16 attempts)" in each.value for each in at.caption)
    shown = next(each for each in raised.listed("All", None) if each.alert.id == dead)
    assert raised.costs_of(shown.alert)["account"] == ["acme"]
    assert raised.listed("All", ["beta"]) == []


def test_an_alert_is_acknowledged_with_a_note(busy: Database) -> None:
    at = run("budgets", tab="Alerts")
    wanted = raised.listed("Open", None)[0].alert.id
    at.text_input(key=f"alert_note_{wanted}").set_value("known").run()
    at.button(key=f"alert_acknowledged_{wanted}").click().run()
    assert "acknowledged" in at.success[0].value
    said = (
        "select state || ' ' || state_note || ' ' || state_by from app.alerts where id::text = %s"
    )
    assert sql(busy, said, wanted) == "acknowledged known admin@example.org"
    assert audited(busy, "alert.acknowledged") is not None
    at = run("budgets", tab="Alerts", alert_state="All")
    dead = next(each for each in raised.listed("All", None) if each.fates[0].state == "dead")
    at = run("budgets", tab="Alerts", alert_state="All", alert=dead.alert.id)
    at.button(key="alert_retry").click().run()
    assert "1 messages leave again" in at.success[0].value


def test_an_anomaly_shows_its_band_and_keeps_what_is_said(busy: Database) -> None:
    at = run("budgets", tab="Anomalies")
    assert not at.exception and not at.error
    assert list(table(at, "Impact")["Impact"]) == [Decimal("123.45")]
    assert metric(at, "Impact in USD") == formats.card(Decimal("123.45"), "USD")
    drivers = next(each.value for each in at.table if "Share" in each.value)
    assert drivers["Resource or usage"].iloc[0] == "\\<b\\>x\\</b\\>"
    [link] = [each.proto.body for each in at.get("html") if "same days in Costs" in each.proto.body]
    wanted = f"costs?period=Custom&dates={START}&dates={THROUGH}&by=Region&ccy=USD&basis=Effective"
    assert f"{wanted}&account=acme&service=Service+B" in html.unescape(link)
    at.button(key="explained_a1").click().run()
    assert "The note is empty" in at.error[0].value
    at.text_input(key="note_a1").set_value("A load test").run()
    at.button(key="explained_a1").click().run()
    assert "explained" in at.success[0].value
    said = (
        "select state || ' ' || note || ' ' || said_by from app.anomaly_feedback order by id desc"
    )
    assert sql(busy, said) == "explained A load test admin@example.org"
    assert audited(busy, "anomaly.explained") is not None
    at = run("budgets", tab="Anomalies")
    assert "Nothing unexpected" in at.info[0].value
    at = run("budgets", tab="Anomalies", anomaly_state="Explained", account="beta")
    assert "Nothing unexpected" in at.info[0].value


def test_an_anomaly_is_given_to_who_sees_it(busy: Database) -> None:
    sign_in(busy, "eve", "budget_owner", Grant("account", "beta"))
    sign_in(busy, "amy", "budget_owner", Grant("provider", "focus"))
    with pytest.raises(ConfigError, match="does not see the account acme"):
        triage.assign("a1", "eve@example.org", "ann")
    with pytest.raises(ConfigError, match="no user"):
        triage.assign("a1", "nobody@example.org", "ann")
    assert "amy@example.org" in triage.assignable("acme")
    at = run("budgets", tab="Anomalies", anomaly_state="All", assignee="Nobody")
    assert not at.exception and not at.error
    at.selectbox(key="assign_a1_None").set_value("amy@example.org").run()
    assert "amy@example.org looks after" in at.success[0].value.replace("\\", "")
    assert not any("Impact" in each.value for each in at.dataframe)  # nobody's no more
    found = audited(busy, "anomaly.assigned")
    assert found == ("admin@example.org", {"old": None, "new": "amy@example.org"})
    at = run("budgets", tab="Anomalies", anomaly_state="All", who="amy", assignee="Me")
    assert list(table(at, "Impact")["Whose"]) == ["amy@example.org"]
    at = run("budgets", tab="Anomalies", anomaly_state="All", assignee="Me")
    assert "Nothing unexpected" in at.info[0].value
    triage.assign("a1", None, "ann")
    assigned = "select assigned_to, assigned_by from marts.fct_cost_anomalies"
    with busy.connect("operator") as conn:
        assert conn.execute(f"{assigned} where anomaly_id = 'a1'").fetchone() == (None, "ann")


def test_a_saving_without_a_price_stays_unknown_and_is_dismissed_with_a_reason(
    busy: Database,
) -> None:
    at = run("budgets", tab="Savings", kind="unattached_volume")
    assert not at.exception and not at.error
    rows = table(at, "Saving")
    assert len(rows) == 1 and rows["Saving"].isna().all()
    wanted = "r1"
    at.button(key=f"saving_say_{wanted}").click().run()
    assert "The reason is empty" in at.error[0].value
    at.text_input(key=f"saving_note_{wanted}").set_value("kept for the audit").run()
    at.button(key=f"saving_say_{wanted}").click().run()
    assert "dismissed" in at.success[0].value
    state = "select state from marts.fct_recommendations where recommendation_id = %s"
    assert sql(busy, state, wanted) == "dismissed"
    assert audited(busy, "recommendation.dismissed") is not None


def rule_form(**values: str) -> AppTest:
    at = run("budgets", tab="Rules")
    at.button(key="add_rule").click().run()
    texts = {"name": "Growth", "cost_amount_amount": "100", **values}
    for name, value in texts.items():
        at.text_input(key=f"n_{name}").set_value(value)
    return at.run()


def test_a_rule_is_back_tested_then_added_changed_paused_and_removed(busy: Database) -> None:
    at = rule_form()
    assert not at.exception
    daily = (
        "select count(*) from (select usage_date from marts.fct_daily_costs where billing_currency"
        " = 'USD' and usage_date >= current_date - 90 group by 1 having sum(effective_cost) > 100)"
        " as days"
    )
    assert f"would have fired {sql(busy, daily)} times in 90 days" in "".join(
        each.value for each in at.markdown
    )
    assert sql(busy, "select count(*) from app.alert_rules where name like 'back-test%%'") == 0
    at.button(key="n_save").click().run()
    assert not at.exception and "Added the rule Growth" in at.success[0].value
    assert audited(busy, "alert_rule.add") is not None
    at = run("budgets", tab="Rules", rule="Growth")
    at.button(key="rule_edit").click().run()
    at.text_input(key="e_Growth_cost_amount_amount").set_value("250").run()
    at.button(key="e_save").click().run()
    assert "Changed the rule Growth" in at.success[0].value
    assert sql(busy, "select amount from app.alert_rules where name = 'Growth'") == 250
    found = audited(busy, "alert_rule.change")
    assert found is not None and found[1]["before"]["amount"] == "100"
    at.button(key="rule_pause").click().run()
    assert sql(busy, "select is_active from app.alert_rules where name = 'Growth'") is False
    at.button(key="rule_edit").click().run()
    at.button(key="e_remove").click().run()
    assert "Removed the rule" in at.success[0].value


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": ""}, "has no name"),
        ({"name": "Dear days"}, "already a rule"),
        ({"cost_amount_amount": "much"}, "The amount cannot be"),
        ({"cost_amount_amount": "-1"}, "negative"),
        ({"from": "22:00"}, "one end only"),
        ({"from": "late", "until": "07:00"}, "The beginning of quiet hours"),
        ({"zone": "Europe"}, "no time zone"),
        ({"zone": "../../etc/passwd"}, "no time zone"),
        ({"digest_at": "noon"}, "The time of the digest"),
        ({"name": "nul \0 byte"}, "does not take one of these values"),
    ],
)
def test_bad_input_of_a_rule_is_a_sentence(
    busy: Database, values: dict[str, str], said: str
) -> None:
    at = rule_form(**values)
    assert not at.exception
    at.button(key="n_save").click().run()
    assert not at.exception
    assert any(said in each.value.replace("\\", "") for each in at.error), at.error
    standing = "select count(*) from app.alert_rules where name = 'Growth' and removed_at is null"
    assert sql(busy, standing) == 0


def test_every_kind_of_rule_has_a_form(busy: Database) -> None:
    at = rule_form()
    for kind in at.selectbox(key="n_kind").options:
        at.selectbox(key="n_kind").set_value(_kind(kind)).run()
        assert not at.exception, kind


def _kind(label: str) -> str:
    return next(key for key, each in LABELS.items() if each == label)


def test_what_an_allocation_rule_would_move_is_told_to_the_cent(busy: Database) -> None:
    days = periods.period("30 days", THROUGH)
    expected = sql(
        busy,
        "select sum(billed_cost) from marts.fct_daily_costs where billing_currency = 'USD'"
        " and service_name = 'Service B' and usage_date between %s and %s",
        *(days.first, days.last),
    )
    at = run("budgets", tab="Rules")
    assert metric(at, "Without team") == "100.0%"
    at.button(key="add_allocation").click().run()
    at.text_input(key="n_al_name").set_value("Bees")
    at.text_area(key="n_al_when").set_value("service_name = *ice b")
    at.text_input(key="n_al_value_value").set_value("hive").run()
    assert not at.exception
    moved = next(each.value for each in at.table if "Team now" in each.value)
    assert moved.iloc[0].tolist() == ["nobody", formats.money(expected, "USD")]
    at.button(key="n_al_save").click().run()
    assert "Added the allocation rule Bees" in at.success[0].value
    assert audited(busy, "allocation_rule.add") is not None
    [rule] = allocation.listed()
    assert allocation.spelt(rule) == ("service_name = *ice b", "hive")
    form = allocation.Form("team", "Two", "tag:team = *", "shares", "a = 0.5\nb = 0.5")
    allocation.add(form, 1, "ann")
    allocation.move(rule.id, 1, "ann")
    allocation.change(rule.id, form, "ann")
    assert [each.name for each in allocation.listed()] == ["Two", "Two"]
    allocation.remove(rule.id, "ann")
    assert audited(busy, "allocation_rule.remove") is not None


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (allocation.Form("team", "X", "nonsense", "value", "a"), "is no condition"),
        (allocation.Form("team", "X", "colour = red", "value", "a"), "colour"),
        (allocation.Form("team", "X", "", "shares", "a = 0.4"), "sum to exactly 1"),
        (allocation.Form("team", "X", "", "shares", "a = many"), "cannot be used"),
        (allocation.Form("team", "", "", "value", "a"), "cannot be used"),
        (allocation.Form("team", "X", "", "value", " "), "is empty"),
        (allocation.Form("team", "X", "", "value", "a", THROUGH, START), "lies before"),
    ],
)
def test_bad_input_of_an_allocation_rule_is_a_sentence(form: allocation.Form, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        form.read()


def test_patterns_are_those_of_the_marts(busy: Database) -> None:
    patterns = ["*ice b", "SERVICE ?", "100%", "a_b", "back\\slash"]
    for pattern in patterns:
        mart = sql(
            busy,
            "select translate(replace(replace(replace(lower(btrim(%(p)s)), '\\', '\\\\'), '%%',"
            " '\\%%'), '_', '\\_'), '*?', '%%_')".replace("%(p)s", "%s"),
            pattern,
        )
        assert queries.like_pattern(pattern) == mart
    days = periods.period("30 days", THROUGH)
    rows = ask(queries.compile_moves("team", {"region_id": ["eu-?"]}, [], days, "USD", "billed"))
    assert sum(row["cost"] for row in rows) > 0


def test_who_may_not_changes_nothing_on_any_tab(
    busy: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = run("budgets", tab="Rules", who="viewer")
    assert not {"add_rule", "rule_pause", "add_allocation"} & {each.key for each in quiet.button}
    monkeypatch.setattr(access, "may", lambda permission: True)  # as if it were drawn
    at = run("budgets", tab="Rules", who="viewer")
    at.button(key="rule_pause").click().run()
    assert "may not do this" in at.error[0].value
    assert sql(busy, "select bool_and(is_active) from app.alert_rules where removed_at is null")
    assert rules.channels()[0].shown_as == "slack://***"


def test_values_that_no_form_offers_are_refused(busy: Database) -> None:
    with pytest.raises(ConfigError, match="no kind"):
        rules.add(rules.Form("X", "nonsense"), "ann")
    with pytest.raises(ConfigError, match="cannot be narrowed"):
        rules.add(rules.Form("X", "budget", filters={"service": ["a"]}), "ann")


def test_who_sees_one_account_can_enter_nothing_that_tells_of_the_rest(busy: Database) -> None:
    sign_in(busy, "bee", "budget_owner", Grant("account", "beta"))
    with busy.connect("app", autocommit=True) as conn:  # a rule of the other account
        assert [rule.name for rule in alert_rules.list_rules(conn)] == ["Dear days"]
    at = run("budgets", tab="Rules", who="bee")
    assert not at.exception
    assert "No rule yet: nothing raises alerts." in [each.value for each in at.caption]
    at.button(key="add_rule").click().run()
    at.text_input(key="n_name").set_value("Sly")
    at.text_input(key="n_cost_amount_amount").set_value("1").run()
    assert not any("would have fired" in each.value for each in at.markdown)
    at.button(key="n_save").click().run()
    assert "You see account beta alone" in at.error[0].value
    at = run("budgets", who="bee")
    at.button(key="add_budget").click().run()
    at.text_input(key="b_name").set_value("Sly")
    at.text_input(key="b_amount").set_value("1").run()
    assert not any("Used" in each.value for each in at.table if "State" in each.value)
    at.button(key="save_budget").click().run()
    assert "You see account beta alone" in at.error[0].value
    at = run("budgets", tab="Alerts", who="bee", alert_state="All")
    assert "No alert in this state" in at.info[0].value
    for name in ("budgets", "alert_rules"):
        assert sql(busy, f"select count(*) from app.{name} where name = 'Sly'") == 0

"""From marts to mails: the same numbers as SQL, once per period and channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from astraeus_pipeline.accounts.sealing import KeyRing, new_key
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.alerts.journal import Journal
from astraeus_pipeline.cli import summary
from astraeus_pipeline.contracts import FOCUS_COSTS, money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import RowBatch
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.orchestration import alert_channels, summarising
from astraeus_pipeline.orchestration.summary_sending import Sender, Sent
from astraeus_pipeline.summaries import message
from astraeus_pipeline.summaries.figures import Figures, Savings, Scope
from astraeus_pipeline.warehouse import (
    allocation_rules,
    anomaly_scores,
    budgets,
    cost_summaries,
    forecast_runs,
    summary_figures,
    summary_outbox,
)
from astraeus_pipeline.warehouse.build_lock import no_build
from astraeus_pipeline.warehouse.cost_summaries import NewSummary
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse
from tests.fixtures.receivers import Received, mail_address, mail_server, webhook

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
WEEK: Final = DayRange(date(2026, 11, 9), date(2026, 11, 15))
BEFORE: Final = DayRange(date(2026, 11, 2), date(2026, 11, 8))
YEAR: Final = DayRange(date(2025, 11, 10), date(2025, 11, 16))
MONDAY: Final = datetime(2026, 11, 16, 7, tzinfo=UTC)
WEDNESDAY: Final = MONDAY + timedelta(days=2)
MODELS: Final = (
    "+fct_daily_allocated_costs",
    "+dim_accounts",
    "+fct_cost_anomalies",
    "+fct_forecasts",
    "+fct_budget_status",
)
BY_TAG: Final = {"dimension": "team", "name": "Tag", "effect": {"tag": "team"}}
SUPPORT: Final = {
    "dimension": "team",
    "name": "Support",
    "conditions": {"service_name": "support"},
    "effect": {"shares": {"shop": "0.3", "data": "0.7"}},
}
# `other` lacks the last two days of the week.
LOADS: Final = (
    ("acme", DayRange(date(2025, 11, 10), date(2025, 11, 16))),
    ("acme", DayRange(date(2026, 8, 1), TODAY - timedelta(days=1))),
    ("other", DayRange(date(2026, 8, 1), date(2026, 11, 13))),
)


def bill(day: date, account_id: str) -> Iterator[dict[str, Any]]:
    wave = (day.toordinal() * 37) % 11 - 5
    tags = {team: json.dumps({"Team": team}) for team in ("shop", "data")}
    spike = 400 if day == date(2026, 11, 11) and account_id == "acme" else 0
    yield charge(day, f"{100 + wave + spike}.005", tags=tags["shop"], sub_account_id="web")
    yield charge(day, f"{60 - wave}.335", service_name="Storage", tags=tags["data"])
    if account_id == "acme":
        yield charge(day, "0.000000000000000001", service_name="Queues", tags=tags["data"])
        yield charge(day, "7.77", billing_currency="EUR", tags=tags["shop"])
        if day.weekday() == 2:
            yield charge(day, "33.10", service_name="Support", charge_category="Purchase")


def bill_of(account_id: str, days: DayRange) -> list[RowBatch]:
    return [batch([each for day in days for each in bill(day, account_id)])]


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        for account, days in LOADS:
            read = partial(bill_of, account, days)
            with made.database.connect("loader", autocommit=True) as conn:
                stored = payload(f"{account} {days}")
                described = fetched(days, account)
                load(conn, FOCUS_COSTS, described, stored, read, OPTIONS)
        with made.database.connect("app", autocommit=True) as conn:
            conn.execute(
                "insert into app.accounts (slug, provider, name, created_at)"
                " values ('acme', 'focus', 'Acme', '2025-11-01'),"
                " ('other', 'focus', 'Other', '2026-08-01')"
            )
            rules = [allocation_rules.parse(rule) for rule in (SUPPORT, BY_TAG)]
            allocation_rules.replace_all(conn, rules, "ann")
            for name, filters in (("All", {}), ("Shop", {"team": ["shop"]})):
                new = budgets.NewBudget(
                    name=name,
                    period="month",
                    billing_currency="USD",
                    amount=Decimal(1000),
                    filters=filters,
                    starts_on=date(2026, 10, 1),
                    owner="ann",
                )
                budgets.add(conn, new, "ann")
        made.dbt("seed")
        made.build("--select", *MODELS)
        with made.database.connect("dbt", autocommit=True) as conn:
            anomaly_scores.score_changes(conn)
            forecast_runs.forecast_changes(conn)
        yield made


@pytest.fixture
def mail() -> Iterator[Received]:
    with mail_server() as received:
        yield received


@pytest.fixture
def sender(marts: Warehouse, tmp_path: Path) -> Iterator[Sender]:
    yield Sender(
        marts.database,
        KeyRing.parse(new_key()),
        Journal(tmp_path / "accepted"),
        "https://costs.acme.test",
        lease=timedelta(0),
    )
    with marts.database.connect("app", autocommit=True) as conn:
        for table in ("summary_deliveries", "cost_summary_channels", "cost_summaries"):
            conn.execute(f"delete from app.{table}".encode())
        conn.execute("delete from app.alert_channels")


def add(sender: Sender, ports: dict[str, int], **more: Any) -> None:
    """Add a weekly summary of account acme, unless told otherwise, and its channels."""
    made: dict[str, Any] = {
        "name": "Costs",
        "filters": {"account": ["acme"]},
        "channels": list(ports),
        **more,
    }
    with sender.database.connect("app", autocommit=True) as conn:
        for name, port in ports.items():
            alert_channels.add(conn, sender.ring, name, parse("email", mail_address(port)), "ann")
        new = NewSummary(
            period="week",
            billing_currency="USD",
            owner="ann",
            starts_on=WEEK.first,
            **made,
        )
        cost_summaries.add_summary(conn, new, "ann")


def rows(sender: Sender) -> list[tuple[Any, ...]]:
    with sender.database.connect("app", autocommit=True) as conn:
        return [
            (each.channel, each.state, each.attempts) for each in summary_outbox.deliveries(conn)
        ]


def figures(marts: Warehouse, scope: Scope, days: DayRange = WEEK) -> Figures:
    with marts.database.connect("app", autocommit=True) as conn, no_build(conn):
        return summary_figures.collect(conn, "Costs", "week", scope, days, MONDAY)


FINAL_DAY = (
    "(account_id, usage_date) in (select account_id, usage_date from marts.fct_freshness"
    " where dataset = 'costs' and state in ('final', 'invoiced'))"
)


def total(marts: Warehouse, days: DayRange, where: str, mart: str = "fct_daily_costs") -> Decimal:
    ((cost,),) = marts.ask(
        f"select coalesce(sum(effective_cost), 0) from marts.{mart} where usage_date between"
        f" '{days.first}' and '{days.last}' and billing_currency = 'USD' and {where}",
        "app",
    )
    return Decimal(cost)


def text(letter: Message) -> str:
    (plain,) = [part for part in letter.walk() if part.get_content_type() == "text/plain"]
    return plain.get_payload(decode=True).decode()  # type: ignore[union-attr]


def test_figures_are_the_marts_to_the_last_decimal(marts: Warehouse) -> None:
    said = figures(marts, Scope("USD"))
    assert (
        said.cost == total(marts, WEEK, "true") == money.total(each.cost for each in said.stacked)
    )
    assert said.before.against_cost == total(marts, BEFORE, "true")
    assert said.year_before.against_cost == total(marts, YEAR, "true") > 0
    assert said.open_cost == total(marts, WEEK, f"not (is_final or {FINAL_DAY})") > 0
    services = marts.ask(
        "select service_name, sum(effective_cost) filter (where usage_date >= '2026-11-09'),"
        " sum(effective_cost) filter (where usage_date < '2026-11-09') from marts.fct_daily_costs"
        " where usage_date between '2026-11-02' and '2026-11-15' and billing_currency = 'USD'"
        " group by 1 order by 2 desc",
        "app",
    )
    assert [(each.service_name, each.cost, each.before) for each in said.services] == services
    assert said.rest is None
    moved = marts.ask(
        "select account_id, service_name, sum(effective_cost"
        " * case when usage_date < '2026-11-09' then -1 else 1 end) from marts.fct_daily_costs"
        " where billing_currency = 'USD' and usage_date between '2026-11-02' and '2026-11-15'"
        " group by 1, 2 order by 3 desc",
        "app",
    )
    movers = [*said.movers_up, *reversed(said.movers_down)]
    assert [(each.account_id, each.service_name, each.change) for each in movers] == [
        row for row in moved if row[2] != 0
    ]
    assert said.other_currencies == ["EUR"]
    assert said.data_through == date(2026, 11, 13)
    ((late),) = said.late
    assert (late.account_id, late.missing) == ("other", (date(2026, 11, 14), date(2026, 11, 15)))


def test_a_month_is_compared_with_as_many_days_of_the_one_before(marts: Warehouse) -> None:
    october, september = (DayRange.of_month(date(2026, month, 1)) for month in (10, 9))
    with marts.database.connect("app", autocommit=True) as conn:
        said = summary_figures.collect(conn, "Costs", "month", Scope("USD"), october, MONDAY)
    assert said.cost == total(marts, october, "true")
    assert (len(said.before.days), said.before.against) == (30, september)
    assert said.before.cost == total(marts, said.before.days, "true")
    assert said.before.against_cost == total(marts, september, "true")
    assert said.year_before.against_cost is None
    changes = money.total(each.change for each in said.services if each.change is not None)
    assert changes == said.before.change
    assert len(message.pictures(said)) == 2


def test_what_else_is_told_is_what_its_marts_say(marts: Warehouse) -> None:
    said = figures(marts, Scope("USD"))
    assert said.budgets is not None
    assert [each.name for each in said.budgets] == ["All", "Shop"]
    assert [(each.actual_cost, each.state) for each in said.budgets] == marts.ask(
        "select actual_cost, state from marts.fct_budget_status"
        " where period_start = '2026-11-01' order by name",
        "app",
    )
    assert said.forecast is not None
    assert [(said.forecast.forecast_cost, said.forecast.booked_cost)] == marts.ask(
        "select sum(forecast_cost), sum(booked_cost) from marts.fct_forecasts"
        " where scope = 'account' and billing_currency = 'USD' and month = '2026-11-01'",
        "app",
    )
    assert said.anomalies
    assert [each.excess_cost for each in said.anomalies] == [
        row[0]
        for row in marts.ask(
            "select excess_cost from marts.fct_cost_anomalies where kind = 'cost'"
            " and state = 'open' and scope = 'service' and billing_currency = 'USD'"
            " and start_date <= '2026-11-15' and end_date >= '2026-11-09' order by 1 desc limit 5",
            "app",
        )
    ]


def test_a_team_sees_what_it_bears_and_nothing_else(marts: Warehouse) -> None:
    said = figures(marts, Scope("USD", team="shop"))
    mart = "fct_daily_allocated_costs"
    assert said.cost == total(marts, WEEK, "team = 'shop'", mart)
    assert said.before.against_cost == total(marts, BEFORE, "team = 'shop'", mart)
    assert {each.service_name for each in said.services} == {"Compute", "Support"}
    assert [each.name for each in said.budgets or ()] == ["Shop"]
    assert said.anomalies is None and said.savings is None
    parts = [figures(marts, Scope("USD", team=team)).cost for team in ("shop", "data")]
    assert money.total(each for each in parts if each is not None) == total(marts, WEEK, "true")
    nobody = figures(marts, Scope("USD", team="nobody"))
    assert (nobody.cost, nobody.services, nobody.late) == (0, [], ())


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ({"provider": ["Acme"]}, "account_id = 'acme'"),
        (
            {"account": ["acme", "other"], "sub_account": ["No sub account"]},
            "sub_account_id is null",
        ),
        ({"service": ["Compute"], "region": ["No region"]}, "service_name = 'Compute'"),
        ({"category": ["Other"], "charge": ["Purchase"]}, "charge_category = 'Purchase'"),
        ({"account": ["nobody"]}, "false"),
    ],
)
def test_filters_mean_what_they_mean_on_the_costs_page(
    marts: Warehouse, filters: dict[str, list[str]], where: str
) -> None:
    said = figures(marts, Scope("USD", filters=filters))
    if where == "false":
        assert (said.cost, said.before.against_cost, said.forecast) == (None, None, None)
        return
    assert said.cost == total(marts, WEEK, where)
    assert said.before.against_cost == total(marts, BEFORE, where)
    assert money.total(each.cost for each in said.stacked) == said.cost
    assert [each.name for each in said.budgets or ()] == []
    knows_anomalies = filters.keys() <= {"provider", "account", "sub_account", "service"}
    assert (said.anomalies is not None) == knows_anomalies


def test_savings_are_added_up_only_where_they_may_be(marts: Warehouse) -> None:
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "create table marts.fct_recommendations as select * from (values"
            " ('acme', null, 'eu', 'open', 10.5, 'USD', true),"
            " ('acme', null, 'eu', 'open', 99, 'USD', false),"  # overlaps the one above
            " ('acme', null, 'eu', 'open', null, null, false),"
            " ('acme', null, 'eu', 'open', 7, 'EUR', true),"
            " ('other', null, 'eu', 'open', 1.25, 'USD', true),"
            " ('acme', null, 'us', 'dismissed', 500, 'USD', false)) as every (account_id,"
            " sub_account_id, region_id, state, monthly_saving, billing_currency, counts_in_total)"
        )
        conn.execute("grant select on marts.fct_recommendations to astraeus_app")
    every = Savings(Decimal("11.75"), counted=2, open=5, unknown=1, other_currencies=1)
    assert figures(marts, Scope("USD")).savings == every
    acme = Scope("USD", filters={"account": ["acme"], "region": ["eu"]})
    assert figures(marts, acme).savings == replace(
        every, monthly_saving=Decimal("10.5"), counted=1, open=4
    )
    assert figures(marts, Scope("USD", filters={"service": ["Compute"]})).savings is None
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute("drop table marts.fct_recommendations")
    assert figures(marts, Scope("USD")).savings is None


def test_one_mail_in_three_runs_with_the_figures_of_sql(
    marts: Warehouse, sender: Sender, mail: Received
) -> None:
    add(sender, {"mail": mail.port})
    assert [sender.send_due(MONDAY).sent for _ in range(3)] == [1, 0, 0]
    (letter,) = mail.mails
    cost = money.spelled(total(marts, WEEK, "account_id = 'acme'"), "USD")
    assert letter["Subject"].startswith(f"Weekly costs: Costs, 2026-11-09 to 2026-11-15: {cost}, +")
    said = text(letter)
    assert f"{cost}, effective cost" in said
    assert "https://costs.acme.test/costs?period=Custom&dates=2026-11-09&dates=2026-11-15" in said
    assert sum(part.get_content_type() == "image/png" for part in letter.walk()) == 2
    assert "X-Astraeus-Repeat" not in letter


def test_a_summary_waits_for_bills_until_wednesday_and_says_what_is_missing(
    sender: Sender, mail: Received
) -> None:
    add(sender, {"mail": mail.port}, filters={})
    waits = sender.send_due(MONDAY)
    assert (waits.sent, mail.mails) == (0, [])
    assert waits.waiting["Costs"].endswith("other: missing 2026-11-14 to 2026-11-15")
    assert sender.send_due(WEDNESDAY).sent == 1
    (letter,) = mail.mails
    assert letter["Subject"].startswith("Incomplete: ")
    assert "other: missing 2026-11-14 to 2026-11-15" in text(letter)


def test_killed_between_claim_and_answer_it_is_sent_once_more_as_a_repeat(
    sender: Sender, mail: Received
) -> None:
    class Killed(BaseException):
        pass

    def die(at: str) -> None:
        if at == "accepted":
            raise Killed

    add(sender, {"mail": mail.port})
    with pytest.raises(Killed):
        replace(sender, observe=die).send_due(MONDAY)
    assert rows(sender) == [("mail", "sending", 1)]
    done = [sender.send_due(MONDAY) for _ in range(2)]
    assert [(each.recovered, each.sent) for each in done] == [(1, 1), (0, 0)]
    first, second = mail.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert (first["X-Astraeus-Repeat"], second["X-Astraeus-Repeat"]) == (None, "possible")


def test_killed_after_the_answer_was_noted_it_is_not_sent_again(
    sender: Sender, mail: Received
) -> None:
    class Killed(BaseException):
        pass

    def die(at: str) -> None:
        if at == "noted":
            raise Killed

    add(sender, {"mail": mail.port})
    with pytest.raises(Killed):
        replace(sender, observe=die).send_due(MONDAY)
    done = sender.send_due(MONDAY)
    assert (done.recovered, done.sent, len(mail.mails)) == (1, 0, 1)
    assert rows(sender) == [("mail", "sent", 1)]
    assert sender.journal.keys() == []


def test_refusals_are_tried_again_thrice_and_hold_back_no_other(
    sender: Sender, mail: Received
) -> None:
    with mail_server() as broken:
        broken.refusals = ["451 not now"] * 5
        add(sender, {"a broken one": broken.port, "mail": mail.port})
        done = [sender.send_due(MONDAY + timedelta(days=day)) for day in range(4)]
        assert broken.refused == 3
    assert rows(sender) == [("a broken one", "dead", 3), ("mail", "sent", 1)]
    assert [(each.sent, each.failed, each.dead) for each in done] == [
        (1, 1, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0, 0, 0),
    ]


def test_what_is_dead_is_seen(sender: Sender, mail: Received) -> None:
    mail.refusals = ["550 no such team"]
    add(sender, {"mail": mail.port})
    with sender.database.connect("app", autocommit=True) as conn:
        assert summarising.evaluate(conn).passed
        assert sender.send_due(MONDAY).dead == 1
        result = summarising.evaluate(conn)
    assert not result.passed
    assert "Costs of 2026-11-09 to mail: dead after 1 attempts" in str(result.description)
    assert sender.send_due(MONDAY) == Sent()


def test_two_passes_at_once_send_once(sender: Sender, mail: Received) -> None:
    add(sender, {"mail": mail.port})
    with (
        sender.database.connect("app", autocommit=True) as conn,
        summary_outbox.pass_lock(conn) as is_mine,
    ):
        assert is_mine
        assert sender.send_due(MONDAY).is_busy
    assert sender.send_due(MONDAY).sent == 1


def test_older_periods_and_paused_summaries_stay_unsent_and_one_may_be_sent_at_once(
    sender: Sender, mail: Received
) -> None:
    add(sender, {"mail": mail.port}, filters={})
    assert sender.send_due(MONDAY - timedelta(days=7)) == Sent()
    with sender.database.connect("app", autocommit=True) as conn:
        cost_summaries.set_active(conn, "Costs", False, "ann")
        assert sender.send_due(WEDNESDAY) == Sent()
        cost_summaries.set_active(conn, "Costs", True, "ann")
    assert sender.send_due(MONDAY, at_once="Costs").sent == 1
    assert sender.send_due(WEDNESDAY).sent == 0
    with pytest.raises(ConfigError, match="no summary"):
        sender.send_due(MONDAY, at_once="Nobody's")


def test_other_channels_get_the_text_and_the_exact_figures(
    marts: Warehouse, sender: Sender
) -> None:
    with webhook() as hook:
        with sender.database.connect("app", autocommit=True) as conn:
            address = parse("webhook", f"json://127.0.0.1:{hook.port}/costs")
            alert_channels.add(conn, sender.ring, "hook", address, "ann")
        add(sender, {}, channels=["hook"])
        assert sender.send_due(MONDAY).sent == 1
    (post,) = hook.posts
    told = post["summary"]
    assert Decimal(told["cost"]) == total(marts, WEEK, "account_id = 'acme'")
    assert Decimal(told["before"]["cost"]) == total(marts, BEFORE, "account_id = 'acme'")
    assert (post["key"], told["is_complete"]) == (hook.ids[0], True)


def test_commands_add_show_send_and_remove(
    marts: Warehouse,
    sender: Sender,
    mail: Received,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = new_key()
    url = marts.database.admin_url.render_as_string(hide_password=False)
    for name, value in {"DATABASE_URL": url, "HOME": str(tmp_path), "MASTER_KEYS": key}.items():
        monkeypatch.setenv(f"ASTRAEUS_{name}", value)
    with marts.database.connect("app", autocommit=True) as conn:
        address = parse("email", mail_address(mail.port))
        alert_channels.add(conn, KeyRing.parse(key), "mail", address, "ann")

    def run(*words: str) -> str:
        result = CliRunner().invoke(summary.app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    run("add", "Shop", "--channel", "mail", "--currency", "USD", "--team", "Shop")
    cost = money.spelled(total(marts, WEEK, "team = 'shop'", "fct_daily_allocated_costs"), "USD")
    assert f"{cost}, effective cost" in run("preview", "Shop", "--of", "2026-11-11")
    page = tmp_path / "page.html"
    run("preview", "Shop", "--of", "2026-11-11", "--html", str(page))
    assert page.read_text().count("data:image/png;base64,") == 2
    assert mail.mails == []
    run("pause", "Shop")
    assert "0 sent" in run("send", "Shop")
    run("resume", "Shop")
    assert "1 sent" in run("send", "Shop")
    assert "0 sent" in run("send", "Shop")
    (told,) = json.loads(run("list", "--json"))
    assert [each["state"] for each in told["deliveries"]] == ["sent"]
    run("remove", "Shop")
    assert "None yet" in run("list")
    said = summarising.summarising_asset()()
    assert said.metadata["sent"] == 0

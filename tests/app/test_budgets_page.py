"""The page "Budgets and alerts": figures to the cent, changes that are kept and audited."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.components import access, formats
from app.records import budgets as records
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import budgets
from astraeus_pipeline.warehouse.budgets import NewBudget
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, forget
from tests.app.test_pages import metric, run

pytestmark = pytest.mark.integration
MONTH = THROUGH.replace(day=1)


@pytest.fixture(scope="module")
def managed(marts: Database) -> Iterator[Database]:
    """Budgets that are over, and on track, of two currencies."""
    with marts.connect("app", autocommit=True) as conn:
        for name, amount, currency, filters in (
            ("Everything", "1", "USD", {}),
            ("Beta in euros", "1000000", "EUR", {"account_id": ["beta"]}),
            ("[x](http://e.vil) *B*", "90000", "USD", {"service_name": ["Service B"]}),
        ):
            new = NewBudget(
                name=name,
                period="month",
                amount=Decimal(amount),
                billing_currency=currency,
                starts_on=MONTH,
                filters=filters,
                owner="ann",
            )
            budgets.add(conn, new, "ann")
    forget()
    yield marts


def sql(database: Database, query: str, *values: Any, role: Any = "admin") -> Any:
    with database.connect(role, autocommit=True) as conn:
        row = conn.execute(query, values).fetchone()
    return None if row is None else row[0]


def audited(database: Database, action: str) -> tuple[Any, ...] | None:
    with database.connect("admin") as conn:
        return conn.execute(
            "select actor, detail from app.audit_log where action = %s order by id desc limit 1",
            [action],
        ).fetchone()


def table(at: AppTest, column: str) -> Any:
    return next(each.value for each in at.dataframe if column in each.value)


def test_the_table_is_the_status_to_the_cent(managed: Database) -> None:
    at = run("budgets")
    assert not at.exception and not at.error
    rows = table(at, "Budget")
    assert (rows["Budget"].iloc[0], rows["State"].iloc[0]) == ("Everything", ["Over"])
    for name, actual in zip(rows["Budget"], rows["Actual"], strict=True):
        expected = sql(
            managed, "select actual_cost from marts.fct_budget_status where name = %s", name
        )
        assert actual == expected > 0
    spent = sql(
        managed,
        "select sum(effective_cost) from marts.fct_daily_costs where billing_currency = 'USD'"
        " and usage_date >= %s",
        MONTH,
    )
    assert rows["Actual"].iloc[0] == spent
    assert (metric(at, "Budgets"), metric(at, "Over"), metric(at, "On track")) == ("3", "1", "2")
    # the worst is shown in detail: what is left of it, in words
    facts = next(each.value for each in at.table if "Left" in list(each.value.iloc[:, 0]))
    left = dict(facts.itertuples(index=False))["Left"]
    assert left == formats.money(Decimal(1) - spent, "USD")


def test_the_address_names_a_budget_and_says_what_it_cannot(managed: Database) -> None:
    wanted = sql(managed, "select id from app.budgets where name = 'Beta in euros'")
    at = run("budgets", budget=str(wanted), burn="Cumulative")
    assert any("Beta in euros" in each.value for each in at.subheader)
    assert not at.warning
    at = run("budgets", budget="404", tab="Nonsense")
    assert not at.exception
    assert "404" in at.warning[0].value and "Nonsense" in at.warning[0].value


def test_names_are_text_and_never_markup(managed: Database) -> None:
    wanted = sql(managed, "select id from app.budgets where name like '[x]%%'")
    at = run("budgets", budget=str(wanted))
    assert any("\\[x\\]" in each.value for each in at.subheader)


def open_form(at: AppTest) -> AppTest:
    return at.button(key="add_budget").click().run()


def test_a_budget_is_previewed_then_added_and_audited(managed: Database) -> None:
    at = open_form(run("budgets"))
    at.text_input(key="b_name").set_value("Shop")
    at.text_input(key="b_amount").set_value("1,000.50").run()
    assert not at.exception
    preview = next(each.value for each in at.table if "State" in each.value)
    assert len(preview) >= 2  # the running month and at least one before it
    assert sql(managed, "select count(*) from app.budgets where name like 'preview%%'") == 0
    assert sql(managed, "select count(*) from app.audit_log where actor = 'preview'") == 0
    at.button(key="save_budget").click().run()
    assert not at.exception and not at.error
    assert "Added the budget Shop" in at.success[0].value
    amount = sql(
        managed,
        "select amount from app.budget_amounts join app.budgets on budgets.id = budget_id"
        " where name = 'Shop'",
    )
    assert amount == Decimal("1000.50")
    found = audited(managed, "budget.add")
    assert found is not None and found[1]["name"] == "Shop" and found[0] == "admin@example.org"
    assert "Shop" in list(table(run("budgets"), "Budget")["Budget"])


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("b_amount", "a lot", "The amount cannot be"),
        ("b_amount", "-5", "no amount to spend"),
        ("b_amount", "1e999", "The amount cannot be"),
        ("b_amount", "NaN", "The amount cannot be"),
        ("b_name", "", "has no name"),
        ("b_name", "Everything", "There is a budget"),
        ("b_name", "nul \0 byte", "does not take one of these values"),
    ],
)
def test_bad_input_is_a_sentence(managed: Database, field: str, value: str, said: str) -> None:
    at = open_form(run("budgets"))
    at.text_input(key="b_name").set_value("Another")
    at.text_input(key="b_amount").set_value("5")
    at.text_input(key=field).set_value(value).run()
    assert not at.exception
    at.button(key="save_budget").click().run()
    assert not at.exception
    assert any(said in each.value.replace("\\", "") for each in at.error), at.error
    assert sql(managed, "select count(*) from app.budgets where name = 'Another'") == 0


def test_bad_thresholds_and_days_are_sentences(managed: Database) -> None:
    form = records.Form("X", "5", "USD", "month", "effective", MONTH)
    for change, said in (
        ({"actual": ["many"]}, "A threshold cannot be"),
        ({"actual": ["2000%"]}, "A threshold cannot be"),
        ({"actual": ["80%", "80"]}, "named twice"),
        ({"starts_on": MONTH.replace(day=2)}, "not the first day"),
        ({"currency": "dollars"}, "no currency"),
        ({"filters": {"nonsense": ["x"]}}, "A filter cannot be"),
    ):
        with pytest.raises(ConfigError, match=said):
            records.add(records.Form(**{**form.__dict__, **change}), "ann")


def test_a_budget_is_changed_ended_and_removed(managed: Database) -> None:
    records.add(records.Form("Short", "5", "USD", "month", "effective", MONTH), "ann")
    forget()
    wanted = sql(managed, "select id from app.budgets where name = 'Short'")
    at = run("budgets", budget=str(wanted))
    at.button(key=f"edit_budget_{wanted}").click().run()
    at.text_input(key=f"e{wanted}_amount").set_value("7")
    at.text_input(key=f"e{wanted}_owner").set_value("bob").run()
    at.button(key=f"e{wanted}_save").click().run()
    assert not at.exception and "Changed the budget Short" in at.success[0].value
    newest = "select amount from app.budget_amounts where budget_id = %s order by id desc limit 1"
    assert sql(managed, newest, wanted) == 7
    assert sql(managed, "select owner from app.budgets where id = %s", wanted) == "bob"
    at.button(key=f"edit_budget_{wanted}").click().run()
    at.button(key=f"e{wanted}_end").click().run()
    assert "ends on" in at.success[0].value
    assert sql(managed, "select ends_on from app.budgets where id = %s", wanted) is not None
    at.button(key=f"edit_budget_{wanted}").click().run()
    at.button(key=f"e{wanted}_remove").click().run()
    assert not at.exception and "Removed the budget" in at.success[0].value
    assert sql(managed, "select is_active from app.budgets where id = %s", wanted) is False
    assert audited(managed, "budget.remove") is not None


def test_who_may_not_is_refused_in_the_callback(
    managed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "add_budget" not in [each.key for each in run("budgets", who="analyst").button]
    monkeypatch.setattr(access, "may", lambda permission: True)  # as if it were drawn
    at = open_form(run("budgets", who="analyst"))
    at.text_input(key="b_name").set_value("Forbidden")
    at.text_input(key="b_amount").set_value("5").run()
    at.button(key="save_budget").click().run()
    assert not at.exception
    assert "may not do this" in at.error[0].value
    assert sql(managed, "select count(*) from app.budgets where name = 'Forbidden'") == 0

"""The pages as a person meets them: figures to the cent, filters in the URL, plain failures."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.components import formats
from app.queries import periods
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, ask, forget, user_of

pytestmark = pytest.mark.integration
ENTRY = str(Path(__file__).parents[2] / "app" / "streamlit_app.py")


def run(page: str | None = None, /, *, who: str = "admin", **params: str | list[str]) -> AppTest:
    """Run a page as who is signed in: a role's name, or a person of `sign_in`."""
    at = AppTest.from_file(ENTRY, default_timeout=60)
    at.user = user_of(who)
    for name, value in params.items():
        at.query_params[name] = value
    at.run()
    if page:
        at.switch_page(f"views/{page}.py").run()
    return at


def total(database: Database, currency: str, first: object, last: object) -> Decimal:
    with database.connect("operator") as conn:
        row = conn.execute(
            "select sum(billed_cost) from marts.fct_daily_costs where billing_currency = %s"
            " and usage_date between %s and %s",
            [currency, first, last],
        ).fetchone()
    assert row is not None
    return Decimal(row[0])


def metric(at: AppTest, label: str) -> str:
    return next(each.value for each in at.metric if each.label == label)


def test_an_account_whose_payer_is_billed_is_not_late(marts: Database) -> None:
    member = '{"account_id": "member", "dataset": "resources"}'
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into marts.dim_accounts (account_id, provider, account_name, state,"
            " blocked_days, valid_from, is_current)"
            " values ('member', 'aws', 'Member', 'active', 0, now(), true)"
        )
        forget()
        assert any("member** is behind" in each.value for each in run().markdown)
        conn.execute(
            "insert into marts.fct_freshness select one.* from (select to_jsonb(days) || %s::jsonb"
            " as line from marts.fct_freshness as days limit 1) as copied,"
            " jsonb_populate_record(null::marts.fct_freshness, copied.line) as one",
            [member],
        )
        forget()
        at = run()
        conn.execute("delete from marts.dim_accounts where account_id = 'member'")
        conn.execute("delete from marts.fct_freshness where account_id = 'member'")
    forget()
    assert any("All well" in each.value for each in at.markdown)
    states = next(each.value for each in at.table if "Held back" in each.value)
    assert "billed elsewhere" in set(states["Data through"])


def test_the_dashboard_shows_the_month_to_the_cent(marts: Database) -> None:
    at = run()
    assert not at.exception
    month = periods.period("Month to date", THROUGH)
    expected = total(marts, "USD", month.first, month.last)
    assert metric(at, "Month to date") == formats.card(expected, "USD")
    assert any(formats.money(expected, "USD") in caption.value for caption in at.caption)
    assert any("All well" in each.value for each in at.markdown)
    weeks = total(marts, "USD", THROUGH - timedelta(days=27), THROUGH)
    providers = next(each.value for each in at.dataframe if "Cost (USD)" in each.value)
    assert sum(providers["Cost (USD)"], Decimal(0)) == weeks
    assert list(providers["Provider"]) == ["Acme"]
    assert any(each.value == f"Total {formats.money(weeks, 'USD')}." for each in at.caption)


def test_card_table_footer_export_and_sql_agree(marts: Database) -> None:
    from app.queries import tables
    from app.queries.compiler import CostQuery, compile_costs
    from app.queries.export import as_csv

    at = run("costs")
    assert not at.exception
    month = periods.period("Month to date", THROUGH)
    expected = total(marts, "USD", month.first, month.last)
    assert metric(at, periods.spell(month)) == formats.exact(expected, "USD")
    assert any(f"Total {formats.money(expected, 'USD')} in" in each.value for each in at.caption)
    shown = at.dataframe[-1].value
    assert sum(shown["Cost (USD)"], Decimal(0)) == expected
    groups = tables.compare(
        "provider", ask(compile_costs(CostQuery(month, "USD", group_by=("provider",)))), None
    )
    lines = list(csv.DictReader(io.StringIO(as_csv(groups, "Provider", "USD", expected))))
    assert (
        sum(Decimal(line["cost"]) for line in lines[:-1]) == Decimal(lines[-1]["cost"]) == expected
    )


def test_months_are_final_though_no_charge_is_marked(marts: Database) -> None:
    days = periods.period("30 days", THROUGH)
    update = "update marts.dim_accounts set final_through = %s where account_id = 'acme'"
    said = []
    with marts.connect("dbt", autocommit=True) as conn:
        [before] = conn.execute(
            "select final_through from marts.dim_accounts where account_id = 'acme'"
        ).fetchall()
        try:
            for final_through in (None, DayRange.of_month(days.last).last):
                conn.execute(update, [final_through])
                forget()
                at = run("costs", account="acme", period="30 days")
                said.append(metric(at, "Not final yet"))
                dates = [f"{days.first}", f"{days.last}"]
                trace = run("trace", account="acme", of_account="acme", of_dates=dates)
                assert metric(trace, "Not final yet") == said[-1]
        finally:
            conn.execute(update, before)
            forget()
    some, none = (Decimal(each.removesuffix("%")) for each in said)
    assert some > none == 0


def test_filters_come_from_the_url(marts: Database) -> None:
    at = run("costs", ccy="EUR", basis="List")
    assert not at.exception
    month = periods.period("Month to date", THROUGH)
    assert metric(at, periods.spell(month)) == formats.exact(
        total(marts, "EUR", month.first, month.last), "EUR"
    )
    assert any(each.value.startswith("List cost in EUR") for each in at.caption)
    at.selectbox(key="by").set_value("Service").run()
    assert len(at.dataframe[-1].value) == 11


def test_every_grouping_and_period_is_drawn(marts: Database) -> None:
    at = run("costs")
    for by in at.selectbox(key="by").options:
        at.selectbox(key="by").set_value(by).run()
        assert not at.exception, by
        assert not at.error, by
    for period in periods.PRESETS:
        at.segmented_control(key="period").set_value(period).run()
        assert not at.exception, period
    assert len(DAYS) > 60


def test_filters_are_the_address_and_what_it_cannot_be_is_said(marts: Database) -> None:
    at = run("costs", by="Nonsense", service="Service C", ccy="USD", region="eu-1")
    assert not at.exception
    assert "by: Nonsense" in at.warning[0].value
    assert "service" not in at.warning[0].value
    assert list(at.dataframe[-1].value["Provider"]) == ["Acme"]
    assert at.query_params["service"] == "Service C"
    at.button(key="chip_service").click().run()
    assert "service" not in at.query_params
    assert at.query_params["by"] == "Service"
    assert len(at.dataframe[-1].value) == 10  # service A has no region
    at.button(key="dismiss_lost").click().run()
    assert not at.warning


def test_a_comparison_with_days_before_the_first_is_not_made(marts: Database) -> None:
    at = run("costs", cmp="Last year")
    assert "have no data" in at.warning[0].value
    month = periods.period("Month to date", THROUGH)
    assert next(each.delta for each in at.metric if each.label == periods.spell(month)) == ""
    at = run("costs", period="30 days", cmp="Previous period")
    assert not at.warning
    at = run("costs", period="Custom", dates="2001-01-01/2001-01-02")
    assert not at.exception


def test_a_click_filters_and_groups_by_what_lies_below(marts: Database) -> None:
    def page() -> None:
        import streamlit as st

        from app.components import filters
        from app.queries.catalog import DIMENSIONS

        if "by" not in st.session_state:
            st.session_state.ccy = "USD"
            filters.drill(DIMENSIONS["provider"], "Acme")
            filters.drill(DIMENSIONS["service"], "Other")
        st.text(
            f"{st.session_state.by} {st.session_state.provider} {'service' in st.session_state}"
        )

    at = AppTest.from_function(page)
    at.user = user_of("viewer")
    assert at.run().text[0].value == "Service ['Acme'] False"


def test_every_chart_style_and_grain_is_drawn(marts: Database) -> None:
    at = run("costs", by="Service", period="90 days")
    for style in at.segmented_control(key="chart").options:
        for grain in at.segmented_control(key="grain").options:
            at.segmented_control(key="chart").set_value(style)
            at.segmented_control(key="grain").set_value(grain).run()
            assert not at.exception
            assert not at.error


def test_an_empty_installation_says_how_to_begin(empty: Database) -> None:
    for page in (None, "costs"):
        at = run(page)
        assert not at.exception
        assert "No costs have been ingested yet" in at.info[0].value


def test_a_database_that_does_not_answer_is_a_plain_sentence(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = marts.admin_url.set(port=1)
    monkeypatch.setenv("ASTRAEUS_DATABASE_URL", gone.render_as_string(hide_password=False))
    forget()
    at = run()
    forget()
    assert not at.exception
    assert "The database did not answer" in at.error[0].value
    assert marts.admin_url.password is None or marts.admin_url.password not in at.error[0].value

"""The pages as a person meets them: figures to the cent, filters in the URL, plain failures."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.components import formats
from app.queries import periods
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, forget

pytestmark = pytest.mark.integration
ENTRY = str(Path(__file__).parents[2] / "app" / "streamlit_app.py")


def run(page: str | None = None, **params: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=60)
    for name, value in params.items():
        at.query_params[name] = value
    at.run()
    if page:
        at.switch_page(f"views/{page}.py").run()
    return at


def total(database: Database, currency: str, first: object, last: object) -> Decimal:
    with database.connect("reader") as conn:
        row = conn.execute(
            "select sum(billed_cost) from marts.fct_daily_costs where billing_currency = %s"
            " and usage_date between %s and %s",
            [currency, first, last],
        ).fetchone()
    assert row is not None
    return Decimal(row[0])


def metric(at: AppTest, label: str) -> str:
    return next(each.value for each in at.metric if each.label == label)


def test_the_dashboard_shows_the_month_to_the_cent(marts: Database) -> None:
    at = run()
    assert not at.exception
    month = periods.period("Month to date", THROUGH)
    expected = total(marts, "USD", month.first, month.last)
    assert metric(at, "Month to date") == formats.card(expected, "USD")
    assert any(formats.exact(expected, "USD") in caption.value for caption in at.caption)
    assert metric(at, "Days held back") == "0"


def test_card_table_footer_export_and_sql_agree(marts: Database) -> None:
    from app.components.cache import ask
    from app.queries import tables
    from app.queries.compiler import CostQuery, compile_costs
    from app.queries.export import as_csv

    at = run("costs")
    assert not at.exception
    month = periods.period("Month to date", THROUGH)
    expected = total(marts, "USD", month.first, month.last)
    assert metric(at, "Total") == formats.exact(expected, "USD")
    assert any(f"Total {formats.exact(expected, 'USD')}" in each.value for each in at.caption)
    shown = at.dataframe[-1].value
    assert sum(shown["Cost (USD)"], Decimal(0)) == expected
    groups = tables.compare(
        "provider", ask(compile_costs(CostQuery(month, "USD", group_by=("provider",)))), None
    )
    lines = list(csv.DictReader(io.StringIO(as_csv(groups, "Provider", "USD", expected))))
    assert (
        sum(Decimal(line["cost"]) for line in lines[:-1]) == Decimal(lines[-1]["cost"]) == expected
    )


def test_filters_come_from_the_url(marts: Database) -> None:
    at = run("costs", ccy="EUR", basis="List")
    assert not at.exception
    month = periods.period("Month to date", THROUGH)
    assert metric(at, "Total") == formats.exact(total(marts, "EUR", month.first, month.last), "EUR")
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
        at.selectbox(key="period").set_value(period).run()
        assert not at.exception, period
    assert len(DAYS) > 60


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

"""Bad input in every field and every part of an address: no traceback, no 5xx, no other's row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.queries import periods
from app.queries.catalog import DIMENSIONS, METRICS
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.orchestration import alerting
from astraeus_pipeline.warehouse import alert_rules, budgets
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.budgets import NewBudget
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, forget, sign_in, user_of
from tests.app.hostile import DAYS, fuzzed, shown, texts
from tests.app.test_pages import ENTRY, run

pytestmark = pytest.mark.integration

# Every key that any page reads, with what it takes; the names are a public interface.
EVERYWHERE: Final[dict[str, tuple[str, ...]]] = {
    "ccy": ("USD", "EUR"),
    "basis": tuple(each.label for each in METRICS.values()),
    "provider": ("Acme", "Hidden Ltd"),
    "account": ("acme", "beta"),
    "nobody_knows": ("this",),
}
PAGES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "dashboard": {},
    "costs": {
        "period": periods.PRESETS,
        "dates": (str(THROUGH), str(THROUGH.replace(day=1)), *DAYS),
        "grain": ("Day", "Week", "Month"),
        "by": tuple(each.label for each in DIMENSIONS.values()),
        "cmp": periods.COMPARISONS,
        "chart": ("Stacked", "Lines", "Running total"),
        "category": ("Compute",),
        "service": ("Service B", "Hidden service"),
        "sub_account": ("s-1", "Hidden sub"),
        "region": ("eu-1", "Hidden region"),
        "charge": ("Usage",),
        "team": ("shop", "Hidden team"),
        "cost_center": ("Unallocated",),
        "tag": ("costcenter", "env"),
        "tagged": ("r&d", "Untagged", "Hidden"),
        "views": ("true",),
    },
    "resources": {
        "status": ("Active", "Gone", "All"),
        "type": ("ec2:instance",),
        "region": ("eu-1", "Hidden region"),
        "q": ("web", "i-shared"),
        "tag": ("Team", "Hidden"),
        "sort": ("Name", "Newest"),
        "page": ("1", "2", "99"),
        "resource": ("acme/i-001", "beta/i-shared", "acme/", "/"),
    },
    "trace": {
        "of_dates": (str(THROUGH), *DAYS),
        "of_service": ("Service B", "Hidden service"),
        "of_region": ("eu-1", "Hidden region"),
        "of_tag": ("costcenter", "env"),
        "of_tagged": ("r&d", "Untagged", "Hidden"),
        "delivery": ("1", "2", "3", "4"),
    },
    "budgets": {
        "tab": ("Budgets", "Alerts", "Anomalies", "Savings", "Rules"),
        "budget": ("1", "2"),
        "alert": ("00000000-0000-0000-0000-000000000000",),
        "alert_state": ("Open", "All"),
        "anomaly": ("acme", "beta"),
        "anomaly_state": ("Open", "All"),
        "assignee": ("Me", "Nobody"),
        "saving": ("acme", "beta"),
        "saving_state": ("All",),
        "kind": ("unattached_volume",),
        "rule": ("Rule of acme", "Rule of Hidden"),
        "dimension": ("Team", "Environment"),
    },
    "accounts": {"open": ("acme", "beta")},
    "admin": {
        "tab": ("People", "Sessions", "Audit log"),
        "kind": ("Sign-ins",),
        "person": ("admin@example.org",),
    },
}
PEOPLE: Final = ("admin", "acme-viewer", "shop-owner")


OWNERS: Final = {"acme": "acme", "beta": "Hidden"}


def incident(account: str, name: str) -> dict[str, Any]:
    return {
        **{"anomaly_id": account, "series_key": account, "scope": "service", "provider": "focus"},
        **{"account_id": account, "service_name": f"Service of {name}", "method": "m1"},
        **{"billing_currency": "USD", "start_date": str(THROUGH), "end_date": str(THROUGH)},
        **{"flagged_days": 1, "peak_date": str(THROUGH), "peak_cost": 9, "expected_cost": 2},
        **{"lower_cost": 1, "upper_cost": 3, "excess_cost": 7, "score": 9, "reason": "spike"},
        **{"severity": "high", "drivers": [{"service_name": name, "excess_cost": 1.5}]},
    }


def finding(account: str, name: str) -> dict[str, Any]:
    return {
        **{"recommendation_id": account, "kind": "unattached_volume", "provider": "aws"},
        **{"action": "delete_volume", "account_id": account, "resource_id": f"vol of {name}"},
        **{"resource_type": "ec2:volume", "first_seen": str(THROUGH), "confidence": "high"},
        **{"last_seen": str(THROUGH), "saving_source": "unknown_cost", "evidence": {"x": name}},
    }


@pytest.fixture(scope="module")
def tenants(marts: Database) -> Iterator[Database]:
    """Return marts in which all that only the second account has is called Hidden."""
    with marts.connect("dbt", autocommit=True) as conn:
        for mart in ("fct_daily_costs", "fct_daily_allocated_costs", "fct_charges"):
            conn.execute(
                f"update marts.{mart} set region_id = 'Hidden region', sub_account_id = 'Hidden"
                " sub', service_name = case service_name when 'Service K' then 'Hidden service'"
                " else service_name end where account_id = 'beta'".encode()
            )
        conn.execute(
            "update marts.dim_accounts set account_name = 'Hidden Ltd' where account_id = 'beta'"
        )
        conn.execute(
            "update marts.dim_resources set resource_name = 'Hidden machine', region_id = 'Hidden"
            " region', tags = '{\"Hidden\": \"Hidden\"}' where account_id = 'beta'"
        )
        conn.execute(
            "update marts.fct_daily_allocated_costs set team = 'shop' where account_id = 'acme'"
            " and service_name = 'Service B'"
        )
        for account, name in OWNERS.items():
            conn.execute(
                "insert into intermediate.anomaly_incidents select one.* from"
                " jsonb_populate_record(null::intermediate.anomaly_incidents, %s::jsonb) as one",
                [json.dumps(incident(account, name))],
            )
            conn.execute(
                "insert into intermediate.recommendation_log select one.* from"
                " jsonb_populate_record(null::intermediate.recommendation_log, %s::jsonb) as one",
                [json.dumps(finding(account, name))],
            )
    with marts.connect("app", autocommit=True) as conn:
        for account, name in OWNERS.items():
            first = THROUGH.replace(day=1)
            filters = {"account_id": [account]}
            new = NewBudget(f"Budget of {name}", "month", Decimal(9), "USD", first, filters=filters)
            budgets.add(conn, new, "ann")
            rule = NewRule(
                name=f"Rule of {name}",
                kind="cost_amount",
                amount=Decimal(1),
                billing_currency="USD" if account == "acme" else "EUR",
                filters={"account": [account]},
                owner="ann",
                starts_on=THROUGH - timedelta(days=1),
            )
            alert_rules.add_rule(conn, rule, "ann")
        alerting.look(conn, None, datetime.now(UTC))
    sign_in(marts, "acme-viewer", "analyst", Grant("account", "acme"))
    sign_in(marts, "shop-owner", "budget_owner", Grant("team", "shop"))
    forget()
    yield marts


@st.composite
def addresses(draw: st.DrawFn, page: str) -> dict[str, list[str]]:
    """Return parameters: some that the page reads, with what they take or with anything."""
    known = {**EVERYWHERE, **PAGES[page]}
    keys = draw(st.lists(st.sampled_from(list(known)), max_size=6, unique=True))
    address = {}
    for key in keys:
        value = st.one_of(st.sampled_from(known[key]), texts)
        address[key] = draw(st.lists(value, min_size=1, max_size=2))
    return address


def open_page(page: str, who: str, address: dict[str, list[str]]) -> AppTest:
    """Open a page by its address in a fresh session, as a link does."""
    at = AppTest.from_file(ENTRY, default_timeout=60)
    at.user = user_of(who)
    at.query_params = dict(address)
    at._page_hash = page_hash(page)
    return at.run()


@cache
def page_hash(page: str) -> str:
    at = run()
    at.switch_page(f"views/{page}.py")
    return at._page_hash


def check(at: AppTest, who: str) -> None:
    assert not at.exception, [each.value for each in at.exception]
    for each in at.error:
        assert "unexpected" not in each.value and "did not answer" not in each.value, each.value
    if who != "admin":
        told = shown(at)
        assert "Hidden" not in told and "beta" not in told.lower()


@pytest.mark.parametrize("page", PAGES)
def test_no_address_breaks_a_page_or_shows_what_is_not_theirs(tenants: Database, page: str) -> None:
    people = PEOPLE if page != "admin" else ("admin",)

    @fuzzed(5)
    @given(address=addresses(page), who=st.sampled_from(people))
    def tried(address: dict[str, list[str]], who: str) -> None:
        check(open_page(page, who, address), who)

    tried()


# Each form: its page's address, the button that opens it, and those that send it.
FORMS: Final[dict[str, tuple[str, dict[str, list[str]], str, tuple[str, ...]]]] = {
    "account": ("accounts", {}, "add_account", ()),
    "budget": ("budgets", {"tab": ["Budgets"]}, "add_budget", ("save_budget",)),
    "budget again": (
        *("budgets", {"tab": ["Budgets"]}, "edit_budget_1"),
        ("e1_save", "e1_end"),
    ),
    "rule": ("budgets", {"tab": ["Rules"]}, "add_rule", ("n_save",)),
    "allocation": ("budgets", {"tab": ["Rules"]}, "add_allocation", ("n_al_save",)),
    "person": ("admin", {"tab": ["People"]}, "Add a person", ("Add and make a link",)),
    "anomaly": (
        *("budgets", {"tab": ["Anomalies"], "anomaly_state": ["All"], "anomaly": ["acme"]}, ""),
        ("explained_acme", "dismissed_acme", "acknowledged_acme", "open_acme"),
    ),
    "alert": (
        *("budgets", {"tab": ["Alerts"], "alert_state": ["All"]}, ""),
        ("alert_acknowledged_", "alert_resolved_", "alert_open_"),
    ),
    "saving": (
        *("budgets", {"tab": ["Savings"], "saving_state": ["All"], "saving": ["acme"]}, ""),
        ("saving_say_acme",),
    ),
    "audit": ("admin", {"tab": ["Audit log"]}, "", ()),
    "costs": ("costs", {"period": ["Custom"]}, "", ()),
    "trace": ("trace", {}, "", ()),
    "resources": ("resources", {}, "", ()),
}
days: Final = st.one_of(
    st.sampled_from([date.min, date.max, date(1969, 12, 31), THROUGH, date(2024, 2, 29)]),
    st.dates(),
)


def fill(at: AppTest, draw: st.DataObject, standing: set[str]) -> None:
    """Put anything that a client could send into each field that has come with the form."""
    for field in (*at.text_input, *at.text_area):
        if field.id not in standing:
            field.set_value(draw.draw(texts))
    for number in at.number_input:
        if number.id not in standing:
            number.set_value(draw.draw(st.sampled_from([-(2**53), -1, 0, 1, 7, 2**53])))
    for picked in at.date_input:
        if picked.id not in standing:
            chosen = draw.draw(st.lists(days, min_size=1, max_size=2))
            picked.set_value(tuple(chosen) if picked.proto.is_range else chosen[0])
    for choice in at.selectbox:
        if choice.id not in standing and not choice.disabled:
            choice.select_index(draw.draw(st.integers(0, len(choice.options) - 1)))


def press(at: AppTest, name: str) -> None:
    """Click the button of that key, label or beginning of a key, if it is there."""
    for button in at.button:
        is_like = name.endswith("_") and (button.key or "").startswith(name)
        if name and (is_like or name in (button.key, button.label)):
            button.click().run()
            return


@pytest.mark.parametrize("form", FORMS)
def test_no_value_breaks_a_form(tenants: Database, form: str) -> None:
    page, address, opener, senders = FORMS[form]

    @fuzzed(2)
    @given(draw=st.data())
    def tried(draw: st.DataObject) -> None:
        at = open_page(page, "admin", address)
        standing = {each.id for each in (*at.selectbox, *at.multiselect)}
        if opener:
            standing |= {each.id for each in (*at.text_input, *at.date_input)}
            press(at, opener)
        check(at, "admin")
        fill(at, draw, standing)
        at.run()
        check(at, "admin")
        for sender in senders:
            press(at, sender)
            check(at, "admin")

    tried()


def test_what_is_looked_for_is_there_to_be_found(tenants: Database) -> None:
    for page, address in (
        ("dashboard", {}),
        ("costs", {"ccy": ["EUR"], "by": ["Region"]}),
        ("resources", {"q": ["Hidden"]}),
        ("trace", {}),
        *(("budgets", {"tab": [tab]}) for tab in PAGES["budgets"]["tab"]),
        ("accounts", {}),
    ):
        assert "Hidden" in shown(open_page(page, "admin", address)), (page, address)
        mine = open_page(page, "acme-viewer", address)
        check(mine, "acme-viewer")
        assert "acme" in shown(mine).lower(), (page, address)

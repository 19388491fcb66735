"""Every way out of the app against the rows of the marts, filtered and summed without SQL."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import store
from app.auth.principal import Principal
from app.components import formats
from app.components.cache import ask_for
from app.queries import listings, periods, tables
from app.queries.catalog import DIMENSIONS, METRICS, Tag
from app.queries.compiler import CostQuery, compile_costs, compile_members
from app.queries.export import as_csv
from app.queries.seen_by import as_seen_by
from app.queries.trace import spelled
from app.queries.workbook import workbook
from app.records import views
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.saved_views import EVERYBODY
from tests.app.conftest import DAYS, forget, sign_in, user_of
from tests.app.hostile import fuzzed, shown
from tests.app.test_pages import metric, run
from tests.fixtures.parsed import parsed_for, run_dbt

pytestmark = pytest.mark.integration
TAG: Final = Tag("costcenter", ("Cost-Center", "CostCenter", "cost_center", "user:cost_center"))
# What each service is tagged with under that key, whatever its spelling; see conftest.TAGS.
VALUES: Final = {"Service B": "r&d", "Service C": "r&d", "Service D": "ops", "Service E": "first"}
TEAMS: Final = {"Service B": "shop", "Service C": "data", "Service D": "shop"}
SCOPES: Final[dict[str, tuple[Grant, ...]]] = {
    "all": (),
    "acme": (Grant("account", "acme"),),
    "beta": (Grant("account", "beta"),),
    "focus": (Grant("provider", "focus"),),
    "shop": (Grant("team", "shop"),),
    "shop-beta": (Grant("team", "shop"), Grant("account", "beta")),
    "none": (Grant("account", "elsewhere"),),
}
# Whose accounts the sidebar offers.
KNOWN: Final = {
    **{"acme": ["acme"], "beta": ["beta"]},
    **{name: ["acme", "beta"] for name in ("focus", "shop", "shop-beta")},
}
FILTERS: Final = {
    "provider": ["Acme", "Beta", "acme", "x"],
    "account": ["acme", "beta", "' or true --"],
    "service": [f"Service {letter}" for letter in "ABCDEK"],
    "region": ["eu-1", "No region"],
    "charge": ["Usage"],
    "team": ["shop", "data", "Unallocated"],
    "tag": ["r&d", "ops", "first", "Untagged", "R&D"],
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Company:
    """The database, and the rows of the marts as the operator sees them."""

    database: Database
    daily: list[Row] = field(repr=False)
    allocated: list[Row] = field(repr=False)


@pytest.fixture(scope="module")
def company(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.fct_daily_allocated_costs set team = case service_name"
            " when 'Service B' then 'shop' when 'Service C' then 'data'"
            " when 'Service D' then 'shop' end"
        )
    summed = ("run", "--full-refresh", "--select", "fct_daily_team_costs", "fct_team_costs")
    results = run_dbt(parsed_for(marts), tmp_path_factory.mktemp("target"), summed).results
    assert {str(each.status) for each in results} == {"success"}
    for name, grants in SCOPES.items():
        sign_in(marts, f"of-{name}", "analyst", *grants)
    forget()
    return Company(marts, rows(marts, "fct_daily_costs"), rows(marts, "fct_daily_allocated_costs"))


def rows(database: Database, mart: str) -> list[Row]:
    with database.connect("operator") as conn:
        cursor = conn.execute(f"select * from marts.{mart}".encode())
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def value(row: Row, key: str, *, is_by_team: bool) -> str:
    """Return what a row is called in a dimension; a team is told no more of accounts than ids."""
    account = str(row["account_id"])
    found = {
        "provider": account if is_by_team else account.capitalize(),
        "category": row["service_category"],
        "service": row["service_name"],
        "account": row["account_id"],
        "sub_account": row["sub_account_id"],
        "region": row["region_id"],
        "charge": row["charge_category"],
        "team": TEAMS.get(row["service_name"]),
        "tag": VALUES.get(row["service_name"]),
    }.get(key)
    return DIMENSIONS[key].missing if found is None else str(found)


def expected(company: Company, name: str, query: CostQuery) -> dict[str, Decimal]:
    """Return the cost of each group within a scope, summed here."""
    grants = SCOPES[name]
    teams = {grant.value for grant in grants if grant.kind == "team"}
    accounts = {grant.value for grant in grants if grant.kind == "account"}
    accounts |= {"acme", "beta"} if any(grant.kind == "provider" for grant in grants) else set()
    # Tags are of whole charges: who sees a team's part alone sees none of them.
    of_tags = query.source == "tagged"
    source = company.allocated if teams and not of_tags else company.daily
    groups: dict[str, Decimal] = {}
    for row in source:
        is_mine = not grants or row["account_id"] in accounts
        if not of_tags:
            is_mine = is_mine or TEAMS.get(row["service_name"]) in teams
        is_asked = (
            query.days.first <= row["usage_date"] <= query.days.last
            and row["billing_currency"] == query.currency
            and all(
                value(row, key, is_by_team=bool(teams)) in wanted for key, wanted in query.filters
            )
        )
        if is_mine and is_asked:
            group = value(row, query.group_by[0], is_by_team=bool(teams))
            cost = row[METRICS[query.basis].column]
            groups[group] = money.add(groups.get(group, money.ZERO), cost)
    return groups


def person(name: str) -> Principal:
    found = store.live(user_of(f"of-{name}")["session"])
    assert found is not None
    return found


def is_one_mart(query: CostQuery) -> bool:
    asked = {DIMENSIONS[key].source for key in (*query.group_by, *dict(query.filters))}
    return not asked >= {"allocated", "tagged"}


offsets = st.integers(0, len(DAYS) - 1)
queries = st.builds(
    CostQuery,
    days=st.tuples(offsets, offsets).map(lambda pair: DayRange(day(min(pair)), day(max(pair)))),
    currency=st.sampled_from(["USD", "USD", "EUR", "GBP"]),
    basis=st.sampled_from(list(METRICS)),
    group_by=st.sampled_from(
        [key for key in DIMENSIONS if key not in ("cost_center", "environment")]
    ).map(lambda key: (key,)),
    filters=st.lists(
        st.sampled_from(list(FILTERS)).flatmap(
            lambda key: st.lists(st.sampled_from(FILTERS[key]), min_size=1, unique=True).map(
                lambda values: (key, tuple(values))
            )
        ),
        max_size=3,
        unique_by=lambda each: each[0],
    ).map(tuple),
    tag=st.just(TAG),
).filter(is_one_mart)


def day(offset: int) -> date:
    return DAYS.first + timedelta(days=offset)


def in_csv(groups: list[tables.GroupCost], query: CostQuery, whole: Decimal) -> dict[str, Decimal]:
    label = query.label_of(query.group_by[0])
    lines = list(csv.DictReader(io.StringIO(as_csv(groups, label, query.currency, whole))))
    return {line[label]: Decimal(line["cost"]) for line in lines}


@fuzzed(60)
@given(query=queries, name=st.sampled_from(list(SCOPES)))
def test_page_csv_and_reader_tell_the_scope_and_nothing_else(
    company: Company, query: CostQuery, name: str
) -> None:
    who, wanted = person(name), expected(company, name, query)
    whole = money.total(wanted.values())
    [key] = query.group_by
    statement = compile_costs(query)
    told = ask_for(who, statement)
    assert {row[key]: row["cost"] for row in told} == wanted
    [total] = ask_for(who, compile_costs(replace(query, group_by=())))
    assert (total["cost"] or money.ZERO) == whole
    by_day = ask_for(who, compile_costs(replace(query, grain="day")))
    assert tables.total(by_day) == whole
    groups = tables.compare(key, told, None)
    assert in_csv(groups, query, whole) == {**wanted, "Total": whole}
    book = zipfile.ZipFile(
        io.BytesIO(workbook(groups, query.label_of(key), query.currency, whole, {}))
    )
    texts = book.read("xl/sharedStrings.xml").decode() if groups else ""
    assert all(f"<t>{money.plain(each)}</t>" in texts for each in wanted.values())
    members = {row["member"] for row in ask_for(who, compile_members(key, query.currency, TAG))}
    assert set(wanted) <= members
    if not who.is_by_team:  # whose statement is another; see team_costs
        # What the page shows as SQL, pasted into a session as the reader role.
        with company.database.connect("reader") as conn:
            conn.execute("select set_config('astraeus.session', %s, true)", [who.session])
            cursor = conn.execute(spelled(as_seen_by(who, statement)).encode())
            assert cursor.description is not None
            place = [column.name for column in cursor.description].index("cost")
            assert {row[0]: row[place] for row in cursor} == wanted


@fuzzed(6)
@given(
    query=queries.filter(lambda query: query.currency != "GBP"),
    name=st.sampled_from(list(KNOWN)),
)
def test_addresses_and_saved_views_show_the_scope_and_nothing_else(
    company: Company, query: CostQuery, name: str
) -> None:
    who = person(name)
    if query.source == "tagged" and who.is_by_team:
        query = replace(query, group_by=("service",), filters=())
    [key] = query.group_by
    address: dict[str, list[str]] = {
        "ccy": [query.currency],
        "basis": [METRICS[query.basis].label],
        "period": ["Custom"],
        "dates": [str(query.days.first), str(query.days.last)],
        "by": [DIMENSIONS[key].label],
        **{{"tag": "tagged"}.get(each, each): list(of) for each, of in query.filters},
        **({"tag": [TAG.key]} if query.source == "tagged" else {}),
    }
    with company.database.connect("app", autocommit=True) as conn:
        conn.execute("delete from app.saved_views")
    views.save("admin@example.org", "costs", "Sly", address, EVERYBODY)
    [kept] = views.listed(who.email, "costs")
    at = run("costs", who=f"of-{name}", **kept.query)
    assert not at.exception and not at.error
    query = understood(query, who, KNOWN[name])
    wanted = expected(company, name, query)
    if not wanted:
        assert any("Nothing matches" in each.value for each in at.info)
    else:
        whole = money.total(wanted.values())
        assert metric(at, periods.spell(query.days)) == formats.exact(whole, query.currency)
        table = at.dataframe[-1].value
        cost = table[f"Cost ({query.currency})"]
        assert dict(zip(table[query.label_of(key)], cost, strict=True)) == wanted
    if len(KNOWN[name]) == 1:
        assert ({"acme", "beta"} - set(KNOWN[name])).pop() not in shown(at).lower()


def understood(query: CostQuery, who: Principal, accounts: list[str]) -> CostQuery:
    """Return what a page makes of an address: what is not there for its reader is left out."""
    mine = [row["currency"] for row in ask_for(who, listings.CURRENCIES)]
    currency = query.currency if query.currency in mine else mine[0]
    known = {
        "account": accounts,
        "provider": accounts if who.is_by_team else [each.capitalize() for each in accounts],
    }
    kept = []
    for key, values in query.filters:
        if key not in known:
            members = ask_for(who, compile_members(key, currency, TAG))
            known[key] = [row["member"] for row in members]
        if left := tuple(each for each in values if each in known[key]):
            kept.append((key, left))
    return replace(query, currency=currency, filters=tuple(kept))

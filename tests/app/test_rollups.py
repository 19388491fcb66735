"""Sums kept by dimension and period answer as the daily costs do, whatever is asked of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.auth import store
from app.components.cache import ask_for
from app.queries import listings, rollups
from app.queries.catalog import DIMENSIONS, METRICS, Basis, Grain
from app.queries.compiler import CostQuery, compile_by_day, compile_costs, compile_members
from app.queries.tables import OTHER
from app.queries.team_costs import as_allocated
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, ask, sign_in, user_of

GRAINS: tuple[Grain | None, ...] = (None, "day", "week", "month")
BASES: tuple[Basis, ...] = ("billed", "effective", "list", "contracted")
DAILY = [key for key, dimension in DIMENSIONS.items() if dimension.source == "daily"]
MEMBERS = {
    "provider": ["Acme", "Beta"],
    "account": ["acme", "beta"],
    "service": ["Service A", "Service B", "none of them"],
    "region": ["eu-1", "No region"],
    "category": ["Compute", "No category"],
    "sub_account": ["s-1"],
    "charge": ["Usage", "Tax"],
}
wanted = st.sampled_from(list(MEMBERS)).flatmap(
    lambda key: st.tuples(
        st.just(key), st.lists(st.sampled_from(MEMBERS[key]), min_size=1, unique=True).map(tuple)
    )
)
ranges = st.tuples(st.integers(-10, 80), st.integers(0, 75)).map(
    lambda drawn: DayRange(
        DAYS.first + timedelta(days=drawn[0]), DAYS.first + timedelta(days=sum(drawn))
    )
)
queries = st.builds(
    CostQuery,
    ranges,
    st.sampled_from(("USD", "EUR")),
    st.sampled_from(BASES),
    st.lists(st.sampled_from(DAILY), max_size=2, unique=True).map(tuple),
    st.sampled_from(GRAINS),
    st.lists(wanted, max_size=2, unique_by=lambda each: each[0]).map(tuple),
    final_through=st.none() | st.integers(-5, 160).map(lambda n: DAYS.first + timedelta(days=n)),
)


@pytest.mark.integration
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=queries)
def test_whatever_is_asked_the_answer_is_that_of_the_daily_costs(
    marts: Database, query: CostQuery
) -> None:
    statement = compile_costs(query)
    answer = ask(statement)
    assert answer == ask(compile_by_day(query))
    if rollups.MONTHS in statement.sql:
        assert statement.by_day == compile_by_day(query)
    if statement.by_account is not None:
        assert rollups.TOTALS in statement.sql and rollups.TABLE in statement.by_account.sql
        assert answer == ask(statement.by_account)


@pytest.mark.integration
def test_lists_of_members_and_currencies_are_those_of_the_daily_costs(marts: Database) -> None:
    for statement in (
        *(compile_members(key, "USD") for key in DAILY),
        listings.CURRENCIES,
    ):
        assert statement.by_day is not None
        assert "fct_daily_costs" in statement.by_day.sql
        by_account = statement.by_account or statement
        assert rollups.TABLE in by_account.sql
        assert ask(statement) == ask(by_account) == ask(statement.by_day)


@pytest.mark.integration
def test_who_sees_an_account_gets_its_own_sums_and_none_of_the_totals(marts: Database) -> None:
    key = sign_in(marts, "of-acme", "viewer", Grant("account", "acme"))["session"]
    who, everybody = store.live(key), store.live(user_of("viewer")["session"])
    assert who is not None and everybody is not None
    for group in ("service", "region", "category"):
        mine = compile_costs(CostQuery(DAYS, "USD", group_by=(group,)))
        others = compile_costs(CostQuery(DAYS, "EUR", group_by=(group,)))
        assert rollups.TOTALS in mine.sql and mine.by_day is not None
        assert ask(mine, "of-acme") == []
        assert ask_for(who, mine) == ask(mine.by_day, "of-acme") != []
        assert ask_for(who, others) == []
        assert ask_for(everybody, others) == ask(others) != []
        members = compile_members(group, "USD")
        assert rollups.TOTALS in members.sql
        assert ask_for(who, members) == ask(members, "viewer") != []
    assert [row["currency"] for row in ask_for(who, listings.CURRENCIES)] == ["USD"]
    assert {row["currency"] for row in ask_for(everybody, listings.CURRENCIES)} == {"USD", "EUR"}


@pytest.mark.integration
@pytest.mark.parametrize("group", ["service", "region", "provider"])
def test_groups_that_are_not_named_are_summed_as_one(marts: Database, group: str) -> None:
    query = CostQuery(DAYS, "USD", group_by=(group,), grain="week")
    every = ask(compile_costs(query))
    names = {row[group] for row in every}
    for named in (tuple(sorted(names)[:1]), tuple(names), ("nobody's",)):
        sums: dict[tuple[date, str], Decimal] = {}
        for row in every:
            key = (row["period"], row[group] if row[group] in named else OTHER)
            sums[key] = sums.get(key, Decimal()) + row["cost"]
        statement = compile_costs(replace(query, named=named))
        for asked in (statement, statement.by_account or statement, statement.by_day):
            assert asked is not None
            assert {(row["period"], row[group]): row["cost"] for row in ask(asked)} == sums


@given(days=ranges, grain=st.sampled_from(GRAINS))
def test_periods_taken_whole_are_whole_and_as_many_as_there_are(
    days: DayRange, grain: Grain | None
) -> None:
    unit, whole = rollups.whole_periods(days, grain)
    if grain == "day":
        assert whole is None
        return
    starts = [day for day in days if (day.weekday() == 0 if unit == "week" else day.day == 1)]
    ends = {day for day in days if _begins(unit, day + timedelta(days=1))}
    if whole is None:
        assert not any(start <= end for start in starts for end in ends)
    else:
        assert whole.first == starts[0] and whole.last == max(ends)


def _begins(unit: str, day: date) -> bool:
    return day.weekday() == 0 if unit == "week" else day.day == 1


def test_two_dimensions_are_asked_of_months_and_days_and_what_teams_see_of_days() -> None:
    one = CostQuery(DAYS, "USD", group_by=("account",), filters=(("service", ("A",)),))
    two = CostQuery(DAYS, "USD", group_by=("region",), filters=(("service", ("A",)),))
    within = CostQuery(DAYS, "USD", group_by=("service",), filters=(("category", ("A",)),))
    assert rollups.TABLE in compile_costs(one).sql
    assert rollups.TOTALS in compile_costs(within).sql
    assert rollups.TOTALS in compile_costs(CostQuery(DAYS, "USD")).sql
    for key in ("provider", "account"):
        assert rollups.TABLE in compile_costs(CostQuery(DAYS, "USD", group_by=(key,))).sql
    october = DayRange(date(2026, 10, 1), date(2026, 10, 31))
    for days in (october, DayRange(date(2026, 9, 30), date(2026, 11, 1))):
        long = replace(two, days=days)
        for grain in (None, "month"):
            assert rollups.MONTHS in compile_costs(replace(long, grain=grain)).sql
        assert rollups.MONTHS not in compile_costs(replace(long, grain="week")).sql
        assert as_allocated(compile_costs(long)) == as_allocated(compile_by_day(long))
    short = replace(two, days=DayRange(date(2026, 10, 2), date(2026, 10, 31)))
    assert compile_costs(short) == compile_by_day(short)
    assert as_allocated(compile_costs(one)) == as_allocated(compile_by_day(one))
    assert as_allocated(compile_costs(within)) == as_allocated(compile_by_day(within))
    assert "costs_by_dimension" not in as_allocated(compile_costs(within)).sql
    assert set(METRICS) == set(BASES)

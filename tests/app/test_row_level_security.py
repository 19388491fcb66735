"""Who sees which rows of the marts: by the query layer, and by any SQL as the reader role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from app.queries import execute, periods
from app.queries.catalog import DIMENSIONS, METRICS, Tag
from app.queries.compiler import CostQuery, Statement, compile_costs, compile_members
from app.queries.team_costs import as_allocated
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.warehouse import budgets, sessions, users
from astraeus_pipeline.warehouse.budgets import NewBudget
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, ask, forget, sign_in, user_of

pytestmark = pytest.mark.integration

# Marts that everybody may read, with the reason in their meta: look twice before you add one.
OPEN: Final = {"dim_dates", "data_version"}
SCOPED: Final = {
    "acme only": (Grant("account", "acme"),),
    "beta only": (Grant("account", "beta"),),
    "all of focus": (Grant("provider", "focus"),),
    "nothing there": (Grant("account", "elsewhere"), Grant("provider", "azure")),
    "shop team": (Grant("team", "shop"),),
    "shop and beta": (Grant("team", "shop"), Grant("account", "beta")),
}
BUDGETS: Final = {
    "of acme": {"account_id": ["acme"]},
    "of both": {"account_id": ["acme", "beta"]},
    "of acme and none": {"account_id": ["acme", None]},
    "of all": {},
    "of shop": {"team": ["shop"]},
    "of shop and data": {"team": ["shop", "data"]},
    "of shop in acme": {"team": ["shop"], "account_id": ["acme"]},
    "of focus": {"provider": ["focus"]},
}


@pytest.fixture(scope="module")
def company(marts: Database) -> Database:
    """Return marts with teams, budgets, forecasts of teams, and people who see parts of them."""
    for name, grants in SCOPED.items():
        sign_in(marts, name.replace(" ", "-"), "viewer", *grants)
    with marts.connect("app", autocommit=True) as conn:
        for name, filters in BUDGETS.items():
            new = NewBudget(
                name, "month", Decimal(100), "USD", THROUGH.replace(day=1), filters=filters
            )
            budgets.add(conn, new, "test")
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.fct_daily_allocated_costs set team = case service_name"
            " when 'Service B' then 'shop' when 'Service C' then 'data' end"
        )
    return marts


def person(name: str) -> str:
    return user_of(name.replace(" ", "-"))["session"]


@contextmanager
def reading(database: Database, session: str | None) -> Iterator[psycopg.Connection]:
    with database.connect("reader") as conn:
        if session is not None:
            conn.execute("select set_config('astraeus.session', %s, true)", [session])
        yield conn


def rows_of(conn: psycopg.Connection, mart: str, where: str = "true") -> list[Any]:
    query = f"select to_jsonb(t)::text from marts.{mart} t where {where} order by 1"
    return [row[0] for row in conn.execute(query.encode())]


def relations(database: Database) -> dict[str, set[str]]:
    """Return every relation in marts with its columns."""
    with database.connect("operator") as conn:
        rows = conn.execute(
            "select relname, array_agg(attname::text) from pg_class"
            " inner join pg_attribute on attrelid = pg_class.oid and attnum > 0"
            " and not attisdropped where relnamespace = 'marts'::regnamespace"
            " and relkind in ('r', 'p', 'v', 'm', 'f') group by 1"
        ).fetchall()
    return {name: set(columns) for name, columns in rows}


def expected(columns: set[str], grants: tuple[Grant, ...]) -> str:
    """Return the condition of a mart's rows for grants, worked out without the policies."""
    wanted: dict[str, list[str]] = {"account": [], "team": [], "provider": []}
    for grant in grants:
        wanted[grant.kind].append(grant.value)
    accounts = [*wanted["account"], *(["acme", "beta"] if "focus" in wanted["provider"] else [])]
    parts = ["false"]
    if "account_id" in columns and accounts:
        parts.append(f"account_id = any('{{{','.join(accounts)}}}')")
    if "team" in columns and wanted["team"]:
        parts.append(f"team = any('{{{','.join(wanted['team'])}}}')")
    if "budget_id" in columns:
        seen = []
        for name, filters in BUDGETS.items():
            for key, kind in (("account_id", accounts), ("team", wanted["team"])):
                if filters.get(key) and set(filters[key]) <= set(kind):
                    seen.append(name)
            if filters.get("provider") and set(filters["provider"]) <= set(wanted["provider"]):
                seen.append(name)
        names = ", ".join(f"'{name}'" for name in seen) or "''"
        known = f"select budget_id from marts.fct_budget_status where name in ({names})"
        parts.append(f"budget_id in ({known})")
    return " or ".join(parts)


def test_every_relation_is_protected_or_open_for_a_reason(company: Database) -> None:
    with company.connect("operator") as conn:
        for name in relations(company):
            row = conn.execute(
                "select relkind, relrowsecurity, reloptions, relowner::regrole::text,"
                " (select count(*) from pg_policy where polrelid = c.oid),"
                " case when relkind = 'v' then pg_get_viewdef(c.oid) end"
                " from pg_class c where oid = format('marts.%%I', %s::text)::regclass",
                [name],
            ).fetchone()
            assert row is not None
            kind, is_secured, options, owner, policies, definition = row
            assert owner == "astraeus_dbt"
            if name in OPEN:
                assert not is_secured, name
            elif kind == "v":
                assert options == ["security_barrier=true"], name
                assert "app.sees_everything()" in definition, name
                assert "pg_has_role(CURRENT_USER, 'astraeus_unscoped'" in definition, name
            else:
                assert kind == "r" and is_secured and policies == 2, name


def test_functions_of_the_marts_read_as_who_asks(company: Database) -> None:
    with company.connect("operator") as conn:
        definers = conn.execute(
            "select proname from pg_proc where prosecdef and pronamespace = 'marts'::regnamespace"
        ).fetchall()
    assert definers == []
    with reading(company, person("nothing there")) as conn:
        assert conn.execute("select * from marts.costs_as_of(now())").fetchall() == []


@pytest.mark.parametrize("session", [None, "", "0" * 64, "x", "'; reset role; --"])
def test_without_a_session_there_is_nothing(company: Database, session: str | None) -> None:
    with reading(company, session) as conn:
        for mart in relations(company).keys() - OPEN:
            assert rows_of(conn, mart) == [], mart


def test_an_ended_session_sees_nothing_at_once(company: Database) -> None:
    with company.connect("app", autocommit=True) as conn:
        user = users.add(conn, "brief@example.org", "Brief", "admin", actor="test")
        key = sessions.key_of(sessions.begin(conn, user.id, "password"))
        with reading(company, key) as reader:
            assert rows_of(reader, "dim_accounts")
            for change in (
                "revoked_at = clock_timestamp()",
                "revoked_at = null, expires_at = clock_timestamp()",
                "expires_at = clock_timestamp() + interval '1 hour',"
                " last_seen_at = clock_timestamp() - interval '2 hours'",
            ):
                conn.execute(f"update app.sessions set {change} where key = %s".encode(), [key])
                assert rows_of(reader, "dim_accounts") == []


def test_who_sees_everything_sees_what_the_operator_sees(company: Database) -> None:
    key = user_of("viewer")["session"]
    with company.connect("operator") as conn, reading(company, key) as all_:
        for mart in relations(company):
            assert rows_of(all_, mart) == rows_of(conn, mart), mart


@pytest.mark.parametrize("name", SCOPED)
def test_who_is_scoped_sees_their_rows_as_they_are(company: Database, name: str) -> None:
    with company.connect("operator") as conn, reading(company, person(name)) as reader:
        found = 0
        for mart, columns in (relations(company)).items():
            if mart in OPEN:
                continue
            if "scope" in columns and mart == "fct_threshold_breaches":
                wanted = "false"  # no rule has been entered
            else:
                wanted = expected(columns, SCOPED[name])
            mine = rows_of(reader, mart)
            assert mine == rows_of(conn, mart, wanted), mart
            found += len(mine)
        assert bool(found) == (name != "nothing there")


def test_a_kept_plan_answers_whoever_asks_with_their_own_rows(company: Database) -> None:
    everyone = ("admin", *SCOPED)
    statement = compile_costs(CostQuery(DAYS, "USD", group_by=("account",)))
    bare = Statement("select account_id from marts.fct_daily_costs group by 1 order by 1", ())
    for asked, answers in ((statement, 2), (bare, 4)):
        execute.forget_engine()
        first = {name: execute.run(asked, person(name)) for name in everyone}
        assert len({str(rows) for rows in first.values()}) == answers
        for _ in range(4):
            for name in everyone:
                assert execute.run(asked, person(name)) == first[name], name
        with execute._engine().connect() as conn:
            kept = conn.exec_driver_sql("select statement from pg_prepared_statements").fetchall()
            assert any("marts.fct_" in text for (text,) in kept)


def test_accounts_add_up_to_everything(company: Database) -> None:
    with company.connect("operator") as conn:
        for mart, columns in relations(company).items():
            if "account_id" in columns:
                parts = []
                for name in ("acme only", "beta only"):
                    with reading(company, person(name)) as reader:
                        parts += rows_of(reader, mart)
                assert sorted(parts) == rows_of(conn, mart, "account_id is not null"), mart


def test_breaches_are_seen_where_all_they_are_about_is_in_scope(company: Database) -> None:
    with company.connect("operator") as conn:
        row = conn.execute(
            "select pg_get_viewdef('marts.fct_threshold_breaches'::regclass)"
        ).fetchone()
    assert row is not None
    # The view's own condition, asked as a role that may call its functions, who is exempt itself.
    condition = str(row[0]).rpartition(") unscoped")[2].partition("WHERE")[2].rstrip(" ;")
    condition, replaced = re.subn(r"\( SELECT pg_has_role\(.*?AS pg_has_role\)", "false", condition)
    assert replaced == 1
    cases = {
        '{"account": ["acme"]}': True,
        '{"account": ["acme"], "service": ["x"]}': True,
        '{"account": ["acme", "beta"]}': False,
        '{"account": ["acme", null]}': False,
        '{"account": []}': False,
        '{"service": ["x"]}': False,
        "{}": False,
    }
    with company.connect("app") as conn:
        conn.execute("select set_config('astraeus.session', %s, true)", [person("acme only")])
        for scope, is_seen in cases.items():
            query = (
                f"select count(*) from (select %s::jsonb as scope) as unscoped where {condition}"
            )
            assert conn.execute(query.encode(), [scope]).fetchone() == (int(is_seen),), scope


FILTERS: Final = {
    "provider": ["Acme", "Beta", "AWS"],
    "account": ["acme", "beta", "x' or '1'='1"],
    "service": ["Service A", "Service B", "No service"],
    "region": ["eu-1", "No region"],
    "charge": ["Usage", "Tax"],
}
queries = st.builds(
    CostQuery,
    days=st.tuples(st.integers(0, 69), st.integers(0, 69)).map(
        lambda pair: DayRange(
            DAYS.first + timedelta(days=min(pair)), DAYS.first + timedelta(days=max(pair))
        )
    ),
    currency=st.sampled_from(["USD", "EUR", "GBP"]),
    basis=st.sampled_from(list(METRICS)),
    group_by=st.lists(st.sampled_from(list(DIMENSIONS)), max_size=2, unique=True)
    .filter(lambda keys: not {"allocated", "tagged"} <= {DIMENSIONS[key].source for key in keys})
    .map(tuple),
    tag=st.sampled_from([None, Tag("costcenter", ("Cost-Center", "CostCenter", "cost_center"))]),
    grain=st.sampled_from([None, "day", "week", "month"]),
    filters=st.lists(
        st.sampled_from(list(FILTERS)).flatmap(
            lambda key: st.lists(st.sampled_from(FILTERS[key]), min_size=1, unique=True).map(
                lambda values: (key, tuple(values))
            )
        ),
        max_size=3,
        unique_by=lambda each: each[0],
    ).map(tuple),
)
TRICKS: Final = (
    "select set_config('astraeus.session', '', true)",
    "reset all",
    "select set_config('astraeus.session', 'x', false)",
    "set role astraeus_operator",
    "set role none",
    "set session authorization astraeus_dbt",
    "set row_security = off",
    "select set_config('astraeus.session', (select key from app.sessions limit 1), true)",
    "alter table marts.fct_daily_costs disable row level security",
    "create policy mine on marts.fct_daily_costs using (true)",
    "grant astraeus_unscoped to astraeus_reader",
    "create or replace function app.sees_everything() returns boolean language sql"
    " as 'select true'",
    "create function pg_temp.sees_everything() returns boolean language sql as 'select true'",
    "set search_path = pg_temp, app, marts",
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries, tricks=st.lists(st.sampled_from(TRICKS), max_size=3))
def test_no_question_and_no_trick_widens_a_scope(
    company: Database, query: CostQuery, tricks: list[str]
) -> None:
    grouped = replace(query, group_by=tuple(dict.fromkeys((*query.group_by, "account"))))
    everything = ask(compile_costs(grouped), "viewer")
    parts = []
    for account in ("acme", "beta"):
        mine = ask(compile_costs(grouped), f"{account}-only")
        assert {row["account"] for row in mine} <= {account}
        assert mine == [row for row in everything if row["account"] == account]
        parts += mine
    assert len(parts) == len(everything)
    assert ask(compile_costs(grouped), "nothing-there") == []
    with company.connect("reader", autocommit=True) as conn:
        conn.execute("select set_config('astraeus.session', %s, false)", [person("acme only")])
        for trick in tricks:
            try:
                conn.execute(trick.encode())
            except psycopg.Error:
                conn.rollback()
        try:
            seen = conn.execute("select distinct account_id from marts.fct_daily_costs").fetchall()
        except psycopg.Error:
            seen = []  # `row_security = off` makes an error of what would be filtered
        assert {row[0] for row in seen} <= {"acme"}


@pytest.mark.parametrize("mart", ["fct_daily_costs", "fct_forecasts"])
def test_no_error_and_no_function_tells_of_other_rows(company: Database, mart: str) -> None:
    with company.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into intermediate.forecasts (series_key, scope, provider, account_id,"
            " billing_currency, method, as_of, month, horizon, booked_cost, rest_cost, scale)"
            " select account, 'account', 'focus', account, 'USD', 'm', current_date, current_date,"
            " 0, 1, 1, 1 from unnest(array['acme', 'beta']) as account"
        )
    # Nobody may make any; who could would learn nothing by it.
    temporary = sql.SQL("{} temporary on database {} {} astraeus_reader")
    name = sql.Identifier(str(company.admin_url.database))
    try:
        with company.connect("admin", autocommit=True) as conn:
            conn.execute(temporary.format(sql.SQL("grant"), name, sql.SQL("to")))
        with company.connect("reader", autocommit=True) as conn:
            conn.execute("select set_config('astraeus.session', %s, false)", [person("acme only")])
            heard: list[str] = []
            conn.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
            conn.execute(
                "create function pg_temp.tell(text) returns boolean language plpgsql cost 0.0000001"
                " as $$ begin raise notice '%', $1; return true; end $$"
            )
            query = f"select count(*) from marts.{mart} where pg_temp.tell(account_id)"
            assert conn.execute(query.encode()).fetchone() != (0,)
            assert set(heard) == {"acme"}
            with pytest.raises(psycopg.errors.InvalidTextRepresentation) as said:
                conn.execute(f"select 1 from marts.{mart} where account_id::int = 1".encode())
            assert "beta" not in str(said.value)
            shown = conn.execute(
                "select most_common_vals::text from pg_stats where schemaname = 'marts'"
            ).fetchall()
            assert not any("beta" in str(row[0]) for row in shown)
    finally:
        with company.connect("admin", autocommit=True) as conn:
            conn.execute(temporary.format(sql.SQL("revoke"), name, sql.SQL("from")))
        with company.connect("dbt", autocommit=True) as conn:
            conn.execute("delete from intermediate.forecasts")


def test_the_key_is_not_seen_by_other_readers(company: Database) -> None:
    ask(compile_members("service", "USD"), "viewer")
    with company.connect("reader") as conn:
        texts = conn.execute("select query from pg_stat_activity").fetchall()
    assert not any(user_of("viewer")["session"] in str(row[0]) for row in texts)


def test_scopes_are_worked_out_once_a_query(company: Database) -> None:
    with reading(company, person("acme only")) as conn:
        plan = "\n".join(
            row[0]
            for row in conn.execute("explain select sum(billed_cost) from marts.fct_daily_costs")
        )
    assert "SubPlan" not in plan
    assert "Filter: ((InitPlan 1).col1 OR (account_id = ANY ((InitPlan 2).col1)))" in plan or (
        "Filter: ($0 OR (account_id = ANY ($1)))" in plan  # as PostgreSQL 15 and 16 spell it
    )


def test_a_team_sees_its_allocated_costs_on_the_pages(company: Database) -> None:
    from app.components import formats
    from tests.app.test_pages import metric
    from tests.app.test_pages import run as open_page

    forget()
    query = CostQuery(DAYS, "USD", group_by=("service", "account"))
    with company.connect("operator") as conn:
        wanted = conn.execute(
            "select service_name, account_id, sum(billed_cost) from marts.fct_daily_allocated_costs"
            " where team = 'shop' and billing_currency = 'USD' group by 1, 2 order by 1, 2"
        ).fetchall()
        [month] = conn.execute(
            "select sum(billed_cost) from marts.fct_daily_allocated_costs where team = 'shop'"
            " and billing_currency = 'USD' and usage_date between %s and %s",
            [THROUGH.replace(day=1), THROUGH],
        ).fetchone() or [None]
    shown = ask(as_allocated(compile_costs(query)), "shop-team")
    assert [(row["service"], row["account"], row["cost"]) for row in shown] == wanted != []
    at = open_page("costs", who="shop-team", ccy="USD", by="Service")
    assert not at.exception and not at.error
    assert list(at.dataframe[-1].value["Service"]) == ["Service B"]
    assert metric(at, periods.spell(DayRange(THROUGH.replace(day=1), THROUGH))) == formats.exact(
        month, "USD"
    )
    for page in (None, "budgets", "resources", "accounts", "trace"):
        at = open_page(page, who="shop-team", ccy="USD")
        assert not at.exception, page
        assert not at.error, page
    assert any("tells of whole accounts" in each.value for each in at.info)
    at = open_page(who="nothing-there")
    assert not at.exception and "nothing of that has costs" in at.info[0].value

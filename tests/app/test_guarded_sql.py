"""SQL of models: what is after more than figures is refused, and harmless where it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.tools.contract import READ, SQL, Scope, ToolResult, acting
from app.assistant.tools.registry import TOOLS, of_server
from app.assistant.verifier import verify
from app.auth import store
from app.queries import execute, guard, listings
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import AstraeusError, ConfigError, ForbiddenError
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import ask, forget, sign_in, user_of
from tests.app.hostile import fuzzed
from tests.fixtures.guarded_sql import ATTACKS, QUESTIONS

pytestmark = pytest.mark.integration
SCOPED: Final = {"of-acme": ("acme",), "of-beta": ("beta",), "of-none": ("elsewhere",)}
TRIES: Final = [(kind, sql) for kind, tries in ATTACKS.items() for sql in tries]


@pytest.fixture(autouse=True)
def turned_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAEUS_LLM_ADHOC_SQL", "true")


@pytest.fixture(scope="module")
def company(marts: Database) -> Iterator[Database]:
    for name, accounts in SCOPED.items():
        sign_in(marts, name, "analyst", *(Grant("account", each) for each in accounts))
    forget()
    yield marts


@pytest.fixture(scope="module")
def known(company: Database) -> guard.Marts:
    found: dict[str, set[str]] = {}
    for row in ask(listings.COLUMNS):
        found.setdefault(row["mart"], set()).add(row["name"])
    return {name: frozenset(columns) for name, columns in found.items()}


def call(sql: str, who: str = "analyst", limit: int = 200, tool: str = "run_sql") -> ToolResult:
    found = store.live(user_of(who)["session"])
    assert found is not None
    with acting(Scope.of(found, frozenset({READ, SQL}))):
        return TOOLS[tool].run({"sql": sql, "limit": limit} if tool == "run_sql" else {})


def plainly(database: Database, sql: str, who: str) -> list[tuple[Any, ...]]:
    """Return what the server makes of the text as it is, unqualified names being marts."""
    with database.connect("reader") as conn:
        conn.execute("select set_config('astraeus.session', %s, true)", [user_of(who)["session"]])
        conn.execute("set local search_path = marts")
        return conn.execute(sql.encode()).fetchall()


def test_the_corpora_are_as_large_as_they_are_said_to_be() -> None:
    assert len({sql for _, sql in TRIES}) == len(TRIES) >= 200 and len(ATTACKS) >= 15
    assert len({sql for sql, _ in QUESTIONS}) >= 40


@pytest.mark.parametrize("kind", ATTACKS)
def test_the_guard_refuses(known: guard.Marts, kind: str) -> None:
    for sql in ATTACKS[kind]:
        with pytest.raises(ConfigError) as refused:
            guard.guarded(sql, known, 50)
        assert refused.value.message.startswith("Refused"), sql
        assert refused.value.hint, sql


@pytest.mark.parametrize(
    "sql",
    [
        "select " + "+".join(["1"] * 590),
        "select " + "||".join(["'a'"] * 590),
        "select 1 where " + " or ".join(["1=1"] * 290),
        "select 1" + "::text" * 560,
        "select " + "abs(" * 23 + "1" + ")" * 23,
        "select * from " + "(select * from " * 14 + "dim_dates" + ") a" * 14,
        "select " + "case when true then " * 23 + "1" + " end" * 23,
        "select 1 where " + "1 in (" * 22 + "1" + ")" * 22,
    ],
)
def test_the_largest_that_may_pass_is_read_and_written_without_harm(
    known: guard.Marts, sql: str
) -> None:
    try:
        written = guard.guarded(sql, known, 50).sql
    except ConfigError as refused:
        assert refused.message.startswith("Refused")
    else:
        assert written.startswith("SELECT * FROM (")


def test_what_a_broken_guard_would_let_pass_is_harmless(company: Database) -> None:
    secrets = secrets_of(company)
    before = standing(company)
    reached = 0
    for _, sql in TRIES:
        try:
            rows = execute.run_guarded(
                sql.replace("\0", ""), user_of("of-beta")["session"], seconds=0.05, most_cost=1e7
            )
        except AstraeusError:
            continue
        reached += 1
        told = json.dumps(rows, default=str)
        assert not [each for each in secrets if each in told], sql
        assert "acme" not in told.lower() or "acme" in sql, sql
    assert standing(company) == before
    assert 0 < reached < len(TRIES)  # else nothing has been tried
    # The session that was named is named no more, whatever was set.
    assert {row["account_id"] for row in ask(listings.ACCOUNTS, "of-beta")} == {"beta"}


def secrets_of(database: Database) -> list[str]:
    with database.connect("admin") as conn:
        rows = conn.execute(
            "select key from app.sessions union all"
            " select password_hash from app.users where password_hash is not null"
        ).fetchall()
    mine = user_of("of-beta")["session"]  # who asks may read their own
    return [str(row[0]) for row in rows if row[0] != mine]


def standing(database: Database) -> list[Any]:
    """Return what writes would change: rows, relations, functions, settings, large objects."""
    with database.connect("admin") as conn:
        return conn.execute(
            "select (select count(*) from app.users), (select count(*) from app.sessions),"
            " (select count(*) from app.audit_log), (select count(*) from pg_class),"
            " (select count(*) from pg_proc), (select count(*) from pg_policy),"
            " (select count(*) from pg_largeobject_metadata), (select count(*) from pg_locks"
            "  where locktype = 'advisory'), (select count(*) from pg_db_role_setting),"
            " (select count(*) from marts.fct_daily_costs)"
        ).fetchall()


def test_honest_questions_have_the_answers_of_the_server_itself(
    company: Database, known: guard.Marts
) -> None:
    for sql, count in QUESTIONS:
        wanted = plainly(company, sql.rstrip(";"), "analyst")
        assert count is None or len(wanted) == count, (len(wanted), sql)
        query = guard.guarded(sql, known, 2000)
        rows = execute.run_guarded(
            query.sql, user_of("analyst")["session"], seconds=10, most_cost=1e7
        )
        assert sorted(map(repr, (tuple(row.values()) for row in rows))) == sorted(
            map(repr, wanted)
        ), sql
        if "order by" in sql.rpartition(")")[2]:
            assert [tuple(row.values()) for row in rows] == wanted, sql
    assert sum(count is not None and count > 0 for _, count in QUESTIONS) > 30


CONDITIONS: Final = (
    "true",
    "{a}.account_id = 'acme'",
    "{a}.account_id <> 'beta'",
    "not {a}.account_id = 'beta' or true",
    "{a}.account_id like '%c%' or {a}.account_id is not null",
    "{a}.account_id in (select account_id from marts.dim_accounts)",
    "exists (select 1 from marts.dim_accounts z where z.account_id <> {a}.account_id)",
    "1 / (case when {a}.account_id = 'acme' then 0 else 1 end) = 1",
    "cast(replace_me as integer) > 0",
)
SHAPES: Final = (
    "select a.account_id, count(*) as n from marts.{m} a where {c} group by 1",
    "with x as (select * from marts.{m}) select a.account_id, count(*) as n from x a where {c}"
    " group by a.account_id",
    "select a.account_id, b.account_id as other, count(*) as n from marts.{m} a"
    " full join marts.dim_accounts b on b.account_id <> a.account_id and {c} group by 1, 2",
    "select a.account_id, 1 as n from marts.{m} a where {c}"
    " union select account_id, 2 from marts.dim_accounts",
    "select (select max(a.account_id) from marts.{m} a where {c}) as account_id, 0 as n",
    "select distinct first_value(a.account_id) over (order by a.account_id) as account_id, 0 as n"
    " from marts.{m} a where {c}",
    "select string_agg(distinct a.account_id, ', ') as account_id, count(*) as n from marts.{m} a"
    " where {c}",
    "select l.account_id, count(*) as n from marts.dim_accounts b cross join lateral"
    " (select a.account_id from marts.{m} a where {c} limit 50) l group by 1",
)


@fuzzed(60)
@given(data=st.data(), who=st.sampled_from(list(SCOPED)))
def test_who_is_scoped_never_sees_anothers_row(
    company: Database, known: guard.Marts, data: st.DataObject, who: str
) -> None:
    mart = data.draw(
        st.sampled_from(sorted(name for name, columns in known.items() if "account_id" in columns))
    )
    condition = data.draw(st.sampled_from(CONDITIONS)).replace("replace_me", "{a}.account_id")
    sql = data.draw(st.sampled_from(SHAPES)).format(m=mart, c=condition.format(a="a"))
    try:
        result = call(sql, who)
    except ConfigError as error:
        # What fails fails of one's own rows: no text of another's is in the server's words.
        told = str(error)
    else:
        told = json.dumps([list(row.values()) for row in result.rows], default=str)
        if sql.startswith("select a.account_id, count(*) as n from marts") and condition == "true":
            with company.connect("operator") as conn:
                wanted = conn.execute(
                    f"select account_id, count(*) from marts.{mart}"
                    " where account_id = any(%s) group by 1".encode(),
                    [list(SCOPED[who])],
                ).fetchall()
            assert {row["account_id"]: row["n"] for row in result.rows} == dict(wanted)
    others = {"acme", "beta"} - set(SCOPED[who])
    assert not [each for each in others if each in told.lower()], (sql, told)


def test_results_are_as_those_of_any_tool(company: Database) -> None:
    by_service = call(
        "select service_name, billing_currency, sum(billed_cost) as cost,"
        " round(100 * sum(billed_cost)"
        " / sum(sum(billed_cost)) over (partition by billing_currency), 1) as share,"
        " count(*) as lines from marts.fct_daily_costs where account_id = 'acme'"
        " group by 1, 2 order by cost desc, 1",
        limit=5,
    )
    assert by_service.truncated and len(by_service.rows) == by_service.row_count == 5
    assert by_service.unit == {"cost": "billing_currency", "share": "%", "lines": "number"}
    assert ToolResult.model_validate(by_service.model_dump(mode="json")) == by_service
    assert any("more than these 5" in each for each in by_service.notes)
    row = by_service.rows[0]
    said = f"{row['service_name']} cost {row['cost']:,.2f} USD, {row['share']} %."
    assert all(each.is_verified for each in verify(said, [by_service]))
    assert isinstance(row["cost"], Decimal)
    wrong = f"{row['service_name']} cost {row['cost'] + 1:,.2f} USD."
    assert not all(each.is_verified for each in verify(wrong, [by_service]))
    assert "marts" in by_service.sql and by_service.basis is None

    fixed = call(
        "select avg(billed_cost) as mean from fct_daily_costs where billing_currency='EUR'"
    )
    assert fixed.unit == {"mean": "EUR"}
    median = call(
        "select billing_currency as ccy, percentile_cont(0.5) within group (order by billed_cost)"
        " as median from fct_daily_costs where account_id = 'beta' group by 1"
    )
    assert median.unit == {"median": "EUR"} and isinstance(median.rows[0]["median"], Decimal)
    unknown = call("select max(billed_cost) as most from marts.fct_daily_costs")
    assert unknown.unit == {"most": "number"} and "currency of most" in unknown.notes[0]
    assert isinstance(call("select max(usage_date) as d from fct_daily_costs").rows[0]["d"], date)
    with pytest.raises(ConfigError, match="one name"):
        call("select account_id, account_id from marts.dim_accounts")
    # In the words of the server, which says nothing of others.
    with pytest.raises(ConfigError, match=r"PostgreSQL refused it: .*must appear in the GROUP BY"):
        call("select account_id, count(*) from marts.dim_accounts")
    marts = {row["mart"] for row in call("", tool="list_marts").rows}
    assert "fct_daily_costs" in marts


def test_it_is_off_for_all_but_those_who_may(
    company: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "select count(*) as n from marts.dim_accounts"
    with pytest.raises(ForbiddenError, match="finops:sql"):
        call(sql, "viewer")
    found = store.live(user_of("analyst")["session"])
    assert found is not None
    with acting(Scope.of(found)), pytest.raises(ForbiddenError, match="finops:sql"):
        TOOLS["run_sql"].run({"sql": sql})
    for server in ("infrastructure", "cloud_sync", "llm_analytics"):
        assert not {"run_sql", "list_marts", "search_web"} & of_server(server).keys()
    monkeypatch.delenv("ASTRAEUS_LLM_ADHOC_SQL")
    assert not TOOLS["run_sql"].is_on() and not TOOLS["list_marts"].is_on()
    for tool in ("run_sql", "list_marts"):
        with pytest.raises(ConfigError, match="turned off"):
            call(sql, tool=tool)


def test_each_query_is_in_the_audit_log(company: Database) -> None:
    call("select account_id from marts.dim_accounts where is_current")
    with pytest.raises(ConfigError):
        call("select * from app.users")
    with company.connect("app") as conn:
        rows = conn.execute(
            "select actor, detail from app.audit_log where action = 'sql.asked' order by id desc"
            " limit 2"
        ).fetchall()
    (_, refused), (actor, asked) = rows
    assert actor == "analyst@example.org"
    assert asked["rows"] == 2 and asked["marts"] == ["dim_accounts"]
    assert asked["sql"].startswith("select account_id") and "refused" not in asked
    assert refused["sql"] == "select * from app.users" and "not in schema" in refused["refused"]


def test_the_server_holds_limits_without_the_guard(company: Database) -> None:
    session = user_of("analyst")["session"]

    def run(sql: str, seconds: float = 5, most_cost: float = 1e6) -> list[dict[str, Any]]:
        return execute.run_guarded(sql, session, seconds=seconds, most_cost=most_cost)

    with pytest.raises(ConfigError, match="multiple commands"):
        run("select 1; select 2")
    with pytest.raises(ConfigError, match=r"longer than 0\.1 seconds"):
        run("select pg_sleep(30)", seconds=0.1)
    with pytest.raises(ConfigError, match="would cost"):
        run(
            "select count(*) from marts.fct_daily_costs a, marts.fct_daily_costs b,"
            " marts.fct_daily_costs c"
        )
    assert run("select 1 as one, current_schemas(false)::text as path") == [
        {"one": 1, "path": "{pg_catalog}"}
    ]
    for writes in ("create temp table x (a int)", "delete from marts.fct_daily_costs"):
        with pytest.raises(AstraeusError):
            run(writes)

"""Least privilege: the catalogue against what is declared, and each role at what it must not do."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from astraeus_pipeline.warehouse import privileges
from astraeus_pipeline.warehouse.engine import Database, Role

pytestmark = pytest.mark.integration


def test_roles_may_do_what_is_declared_and_no_more(marts: Database) -> None:
    with marts.connect("admin") as conn:
        assert privileges.strays(conn) == []
        assert privileges.missing(conn) == []


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        ("grant select on app.accounts to astraeus_reader", "astraeus_reader may SELECT"),
        (
            "grant select (sealed_credentials) on app.accounts to astraeus_dbt",
            "astraeus_dbt may SELECT app.accounts.sealed_credentials",
        ),
        ("grant update on raw.deliveries to astraeus_app", "astraeus_app may UPDATE"),
        ("grant insert on marts.fct_daily_costs to astraeus_reader", "astraeus_reader may INSERT"),
        ("grant select on marts.fct_daily_costs to public", "PUBLIC may SELECT"),
        ("grant usage on sequence app.budgets_id_seq to astraeus_reader", "may USAGE"),
        ("grant usage on schema app to astraeus_reader", "has USAGE of schema app"),
        ("grant create on schema marts to astraeus_reader", "has CREATE of schema marts"),
        ("grant execute on function app.visible_teams() to public", "PUBLIC may EXECUTE"),
        ("alter function app.visible_teams() reset all", "whatever search_path"),
        (
            "create function marts.f() returns int security definer return 1",
            "whatever search_path",
        ),
        ("alter role astraeus_app superuser", "is a superuser"),
        ("alter role astraeus_reader bypassrls", "bypasses row security"),
        ("grant astraeus_unscoped to astraeus_reader", "astraeus_reader is a member of"),
        ("grant pg_read_all_data to astraeus_app", "is a member of pg_read_all_data"),
        ("alter table app.users owner to astraeus_reader", "belongs to astraeus_reader"),
        ("alter schema marts owner to astraeus_reader", "schema marts belongs to"),
    ],
)
def test_a_right_too_many_is_told(marts: Database, granted: str, told: str) -> None:
    with marts.connect("admin") as conn:
        conn.execute(granted.encode())
        assert any(told in each for each in privileges.strays(conn)), privileges.strays(conn)
        conn.rollback()


def test_a_right_too_few_is_told(marts: Database) -> None:
    with marts.connect("admin") as conn:
        conn.execute("revoke select on app.budgets from astraeus_dbt")
        conn.execute("revoke select on all tables in schema marts from astraeus_operator")
        assert privileges.missing(conn) == [
            "astraeus_dbt lacks SELECT on app.budgets",
            "astraeus_operator lacks SELECT on marts.*",
        ]
        conn.rollback()


# What each must not do, in the words that an intruder would use.
FORBIDDEN: list[tuple[Role, str]] = [
    ("reader", "select sealed_credentials from app.accounts"),
    ("reader", "select * from app.sessions"),
    ("reader", "select * from raw.deliveries"),
    ("reader", "insert into marts.fct_daily_costs select * from marts.fct_daily_costs"),
    ("reader", "delete from marts.dim_accounts"),
    ("reader", "select app.sees_everything()"),
    ("reader", "create table marts.mine (a int)"),
    ("reader", "create table public.mine (a int)"),
    ("reader", "create temporary table mine (a int)"),
    ("reader", "copy marts.dim_dates to program 'true'"),
    ("reader", "copy marts.dim_dates to '/tmp/out'"),
    ("reader", "select pg_read_file('/etc/passwd')"),
    ("reader", "select lo_import('/etc/passwd')"),
    ("reader", "select passwd from pg_shadow"),
    ("reader", "set role astraeus_app"),
    ("reader", "set session authorization astraeus_app"),
    ("reader", "alter table marts.fct_daily_costs disable row level security"),
    ("operator", "update marts.fct_daily_costs set billed_cost = 0"),
    ("operator", "select * from raw.deliveries"),
    ("operator", "select * from app.users"),
    ("app", "insert into raw.partitions select * from raw.partitions"),
    ("app", "delete from raw.partitions"),
    ("app", "select * from raw.focus_costs"),
    ("app", "update marts.fct_daily_costs set billed_cost = 0"),
    ("app", "create role mine"),
    ("app", "set role astraeus_loader"),
    ("loader", "select sealed_credentials from app.accounts"),
    ("loader", "select password_hash from app.users"),
    ("loader", "select * from marts.fct_daily_costs"),
    ("loader", "create temporary table mine (a int)"),
    ("dbt", "select sealed_credentials from app.accounts"),
    ("dbt", "select * from app.users"),
    ("dbt", "select * from app.chat_messages"),
    ("dbt", "delete from raw.focus_costs"),
    ("dbt", "update app.budgets set name = ''"),
    ("dagster", "select * from app.accounts"),
    ("dagster", "select * from raw.deliveries"),
    ("dagster", "select * from marts.dim_accounts"),
]


@pytest.mark.parametrize(("role", "words"), FORBIDDEN, ids=[f"{r}: {w}" for r, w in FORBIDDEN])
def test_each_role_is_refused(marts: Database, role: Role, words: str) -> None:
    with marts.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(words.encode())


def test_no_role_reads_another_schema_at_all(marts: Database) -> None:
    """Every table of every schema, by every role: what is not declared is refused."""
    entered: list[str] = []
    with marts.connect("admin", autocommit=True) as conn:
        tables = conn.execute(
            "select relnamespace::regnamespace::text, relname from pg_class"
            " where relkind in ('r', 'p', 'v') and relnamespace::regnamespace::text ="
            " any('{raw,app,staging,intermediate,marts,dagster}')"
        ).fetchall()
    readers: tuple[Role, ...] = ("reader", "operator", "dagster", "loader")
    for role in readers:
        own = {"reader": "marts", "operator": "marts", "dagster": "dagster", "loader": "raw"}[role]
        with marts.connect(role, autocommit=True) as conn:
            for schema, name in tables:
                if schema == own:
                    continue
                try:
                    conn.execute(
                        sql.SQL("select from {} limit 0").format(sql.Identifier(schema, name))
                    )
                except psycopg.errors.InsufficientPrivilege:
                    continue
                entered.append(f"{role} reads {schema}.{name}")
    assert len(tables) > 150 and entered == []

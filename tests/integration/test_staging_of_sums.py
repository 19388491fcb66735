"""Every raw table of costs: its sums by the contract's keys are staged like the rows themselves.

History rests on this (raw.superseded keeps sums, staging maps them), and the tie-out on each
mapping being said a second time in `raw_costs()`. A provider whose test fails here lacks
`history_keys` in its contract, or an entry in dbt_project/macros/raw_costs.sql.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from astraeus_pipeline.contracts import RAW_TABLES, RawTable
from astraeus_pipeline.contracts.columns import Column
from astraeus_pipeline.orchestration.manifest import PROJECT
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.warehouse import ddl, history
from astraeus_pipeline.warehouse.copy import RowOwner
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.survey import Slice
from tests.fixtures.dbt import Warehouse, warehouse

pytestmark = pytest.mark.integration

DAY, MONTH = date(2026, 10, 5), date(2026, 10, 1)
COSTS = [table for table in RAW_TABLES if table.dataset == "costs"]
STAGED = """
select service_name, charge_category, billing_currency, coalesce(x_is_final, false),
    invoice_id is not null, {sums} from staging.{view} group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
"""
FOCUS_COSTS = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")


@pytest.fixture(scope="module")
def staging(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        made.build("--select", "staging", "int_raw_sums")
        yield made


@pytest.fixture(params=COSTS, ids=lambda table: table.name)
def table(request: pytest.FixtureRequest) -> RawTable:
    found: RawTable = request.param
    return found


def view_of(table: RawTable) -> str:
    suffix = f"_{table.shape}" if table.shape else ""
    return f"stg_{table.provider}__costs{suffix}"


def fill(conn: psycopg.Connection, table: RawTable, rows: int = 400) -> None:
    """Write random rows of one day: values that staging asks for, few others, nulls, zeros."""
    ddl.ensure_months(conn, table, [MONTH])
    words = literals(conn, view_of(table))
    draw = random.Random(7)
    columns = [*table.columns]
    insert = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier("raw", table.name),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )
    keys = {"account_id": "acme", "delivery_id": 1, "usage_date": DAY, "billing_period": MONTH}
    with conn.cursor() as cursor:
        cursor.executemany(
            insert,
            [
                [
                    keys.get(column.name, number)
                    if column.name in keys or column.name == "row_number"
                    else value(draw, table, column, words)
                    for column in columns
                ]
                for number in range(1, rows + 1)
            ],
        )


def value(draw: random.Random, table: RawTable, column: Column, words: list[str]) -> Any:
    if column.name == table.currency:
        return draw.choice(("USD", "EUR"))
    if column.nullable and column.name != table.cost_types[0] and draw.random() < 0.3:
        return None
    if column.type == "text":
        return draw.choice((*words, "one", "two"))
    if column.type == "numeric":
        return draw.choice((Decimal(0), Decimal("-2.25"), Decimal(draw.randint(1, 10**9))))
    return {
        "boolean": draw.random() < 0.5,
        "bigint": draw.randint(0, 9),
        "date": DAY,
        "timestamptz": datetime(2026, 10, 5, tzinfo=UTC),
        "jsonb": draw.choice((None, '{"x_SkuMeterCategory": "Meters"}', '{"x_Other": 1}')),
    }[column.type]


def literals(conn: psycopg.Connection, view: str) -> list[str]:
    """Return the words that a staging view compares with."""
    row = conn.execute("select pg_get_viewdef(%s::regclass)", [f"staging.{view}"]).fetchone()
    assert row is not None
    return sorted(set(re.findall(r"(?:=|ANY \(ARRAY\[|WHEN|,) '([^']{1,40})'::text", row[0])))


def staged(conn: psycopg.Connection, table: RawTable) -> list[Any]:
    sums = ", ".join(f"sum({cost})" for cost in FOCUS_COSTS)
    query = STAGED.format(sums=sums, view=view_of(table))
    return conn.execute(query.encode()).fetchall()


def test_sums_are_staged_like_rows(staging: Warehouse, table: RawTable) -> None:
    place = sql.Identifier("raw", table.name)
    with staging.database.connect("admin") as conn:
        fill(conn, table)
        wanted = staged(conn, table)
        assert wanted
        conn.execute(
            "insert into raw.deliveries (account_id, provider, dataset, first_day, last_day,"
            " source, source_name, fetched_at, state)"
            " values ('acme', %s, 'costs', %s, %s, 'api', 'test', now(), 'loaded')",
            [table.provider, DAY, DAY],
        )
        [(delivery,)] = conn.execute("select max(id) from raw.deliveries").fetchall()
        conn.execute(
            "insert into raw.partitions (account_id, provider, dataset, usage_date, billing_period,"
            " delivery_id, state) values ('acme', %s, 'costs', %s, %s, %s, 'loaded')",
            [table.provider, DAY, MONTH, delivery],
        )
        history.keep(conn, table, RowOwner("acme", delivery), [Slice(DAY, MONTH)])
        [(rows, lines)] = conn.execute("select sum(rows), count(*) from raw.superseded").fetchall()
        assert rows == 400 and lines >= 1
        conn.execute(sql.SQL("delete from {}").format(place))
        let_in_sums(conn, table)
        conn.execute(
            sql.SQL(
                "insert into {} select content.* from raw.superseded as lines cross join lateral"
                " jsonb_populate_record(null::{}, lines.line || jsonb_build_object('account_id',"
                " 'acme', 'usage_date', lines.usage_date, 'billing_period', lines.billing_period,"
                " 'delivery_id', 1, 'row_number', lines.id)) as content"
            ).format(place, place)
        )
        found = staged(conn, table)
        conn.rollback()
    assert found == wanted


def let_in_sums(conn: psycopg.Connection, table: RawTable) -> None:
    """Let the table take lines that lack what is never null in rows."""
    for column in table.columns:
        if not column.nullable:
            for leaf in (table.name, ddl.leaf_name(table, MONTH)):
                conn.execute(
                    sql.SQL("alter table {} alter column {} drop not null").format(
                        sql.Identifier("raw", leaf), sql.Identifier(column.name)
                    )
                )


def test_the_mapping_said_twice_is_the_same(staging: Warehouse, table: RawTable) -> None:
    with staging.database.connect("admin") as conn:
        fill(conn, table)
        by_rows = conn.execute(
            "select currency, cost_type, sum(amount) from intermediate.int_raw_sums"
            " where basis in ('focus', 'rows') and excluded_reason is null group by 1, 2"
        ).fetchall()
        sums = ", ".join(f"sum({cost})" for cost in FOCUS_COSTS)
        view = view_of(table)
        by_staging = conn.execute(
            f"select billing_currency, count(*), {sums} from staging.{view} group by 1".encode()
        ).fetchall()
        delivered = conn.execute(
            "select distinct cost_type from intermediate.int_raw_sums where basis = 'delivered'"
        ).fetchall()
        conn.rollback()
    assert {row[0] for row in delivered} == set(table.cost_types)
    stated = {row[0]: dict(zip(("rows", *FOCUS_COSTS), row[1:], strict=True)) for row in by_staging}
    assert {row[0] for row in by_rows} == set(stated)
    for currency, cost_type, amount in by_rows:
        assert amount == stated[currency][cost_type], (currency, cost_type)
    assert {row[1] for row in by_rows} >= {"rows", "billed_cost"}


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.key)
def test_every_provider_has_its_rules(provider: Any) -> None:
    lines = (PROJECT / "seeds" / "provider_rules.csv").read_text().splitlines()[1:]
    rules = {line.split(",")[0]: line.split(",")[1:] for line in lines}
    assert provider.key in rules, "add a line to dbt_project/seeds/provider_rules.csv"
    assert int(rules[provider.key][0]) == provider.settle_days

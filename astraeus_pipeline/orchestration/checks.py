"""Checks of raw assets, scoped to the accounts and days of their run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import dagster as dg
import psycopg
from psycopg import sql

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.delivering import Delivered

TIE_OUT: Final = "tie_out"
ROW_COUNTS: Final = "row_counts"
NOTHING_HELD_BACK: Final = "nothing_held_back"

_DESCRIPTIONS: Final[Mapping[str, str]] = {
    TIE_OUT: "Standing rows sum to what the ledger says, per day, currency and cost type, exactly;"
    " the provider's own totals leave no residual beyond their rounding",
    ROW_COUNTS: "As many rows stand as the ledger says, per day",
    NOTHING_HELD_BACK: "No day is blocked by rows in quarantine or refused as suspicious",
}


def specs(table: RawTable, key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Return the checks of a raw asset; each blocks what lies downstream in the same run."""
    names = (
        [TIE_OUT, ROW_COUNTS, NOTHING_HELD_BACK]
        if table.cost_types
        else [
            ROW_COUNTS,
            NOTHING_HELD_BACK,
        ]
    )
    return [
        dg.AssetCheckSpec(name, asset=key, description=_DESCRIPTIONS[name], blocking=True)
        for name in names
    ]


def evaluate(
    conn: psycopg.Connection,
    shapes: Sequence[RawTable],
    key: dg.AssetKey,
    asked: list[tuple[str, DayRange]],
    delivered: Delivered,
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks over the accounts and days that the run asked for, in all shapes."""
    counts = [gap for scope in asked for gap in _row_gaps(conn, shapes, *scope)]
    yield _result(ROW_COUNTS, key, counts)
    yield _result(
        NOTHING_HELD_BACK, key, [gap for scope in asked for gap in _held(conn, shapes[0], *scope)]
    )
    if shapes[0].cost_types:
        gaps = [gap for scope in asked for gap in _sum_gaps(conn, shapes, *scope)]
        yield _result(TIE_OUT, key, gaps + _residuals(delivered))


def standing(
    conn: psycopg.Connection, table: RawTable, asked: list[tuple[str, DayRange]]
) -> tuple[int, dict[str, Decimal]]:
    """Return the rows that stand in the asked days, and their sums by "cost type CURRENCY".

    By the ledger, which the other checks hold against the rows themselves.
    """
    rows, sums = 0, dict[str, Decimal]()
    for scope in asked:
        found = conn.execute(
            "select rows, sums from raw.partitions where account_id = %(account)s"
            " and dataset = %(dataset)s and usage_date between %(first)s and %(last)s",
            _scope(table, *scope),
        )
        for count, by_currency in found:
            rows += count
            for currency, by_type in (by_currency or {}).items():
                for cost_type, amount in by_type.items():
                    name = f"{cost_type} {currency}"
                    sums[name] = money.add(sums.get(name, money.ZERO), money.parse(amount))
    return rows, sums


def _result(name: str, key: dg.AssetKey, findings: list[str]) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"findings": len(findings)}
    if findings:
        metadata["first"] = dg.MetadataValue.md("\n".join(f"- {each}" for each in findings[:20]))
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=key,
        passed=not findings,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=findings[0] if findings else "as the ledger says",
    )


def _row_gaps(
    conn: psycopg.Connection, shapes: Sequence[RawTable], account: str, days: DayRange
) -> Iterator[str]:
    counts = sql.SQL(" union all ").join(
        sql.SQL(
            "select usage_date, count(*) as rows from {} where account_id = %(account)s"
            " and usage_date between %(first)s and %(last)s group by 1"
        ).format(sql.Identifier("raw", table.name))
        for table in shapes
    )
    query = sql.SQL(
        "select usage_date, coalesce(l.rows, 0), coalesce(r.rows, 0) from"
        " (select usage_date, sum(rows) as rows from raw.partitions where account_id = %(account)s"
        "  and dataset = %(dataset)s and usage_date between %(first)s and %(last)s group by 1) l"
        " full join (select usage_date, sum(rows) as rows from ({}) c group by 1) r"
        " using (usage_date)"
        " where coalesce(l.rows, 0) <> coalesce(r.rows, 0) order by 1"
    ).format(counts)
    for day, ledger, stand in conn.execute(query, _scope(shapes[0], account, days)):
        yield f"{account} {day}: the ledger says {ledger} rows, {stand} stand"


def _sum_gaps(
    conn: psycopg.Connection, shapes: Sequence[RawTable], account: str, days: DayRange
) -> Iterator[str]:
    query = sql.SQL(
        "select usage_date, currency, cost_type, coalesce(l.cost, 0), coalesce(r.cost, 0) from"
        " (select usage_date, c.key as currency, t.key as cost_type, sum(t.value::numeric) as cost"
        "  from raw.partitions, jsonb_each(sums) c, jsonb_each_text(c.value) t"
        "  where account_id = %(account)s and dataset = %(dataset)s"
        "  and usage_date between %(first)s and %(last)s group by 1, 2, 3) l"
        " full join (select usage_date, currency, cost_type, sum(cost) as cost from ({}) c"
        "  group by 1, 2, 3) r using (usage_date, currency, cost_type)"
        " where coalesce(l.cost, 0) <> coalesce(r.cost, 0) order by 1, 2, 3"
    ).format(sql.SQL(" union all ").join(map(_costs_of, shapes)))
    for day, currency, cost_type, ledger, stand in conn.execute(
        query, _scope(shapes[0], account, days)
    ):
        yield (
            f"{account} {day}: {cost_type} in {currency} is {ledger} in the ledger and {stand} in"
            f" raw.{shapes[0].name}, residual {stand - ledger}"
        )


def _costs_of(table: RawTable) -> sql.Composed:
    """Select (usage_date, currency, cost_type, cost) of an account's days in one raw table."""
    costs = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(name), sql.Identifier(name))
        for name in table.cost_types
    )
    return sql.SQL(
        "select usage_date, {currency} as currency, v.cost_type, v.cost"
        " from {table}, lateral (values {costs}) v (cost_type, cost)"
        " where account_id = %(account)s and usage_date between %(first)s and %(last)s"
    ).format(
        currency=sql.Identifier(str(table.currency)),
        table=sql.Identifier("raw", table.name),
        costs=costs,
    )


def _held(conn: psycopg.Connection, table: RawTable, account: str, days: DayRange) -> Iterator[str]:
    rows = conn.execute(
        "select p.usage_date, p.state, d.reason, p.blocked_by from raw.partitions p"
        " left join raw.delivery_days d on d.delivery_id = p.blocked_by"
        " and d.usage_date = p.usage_date and d.billing_period = p.billing_period"
        " where p.account_id = %(account)s and p.dataset = %(dataset)s and p.state <> 'loaded'"
        " and p.usage_date between %(first)s and %(last)s order by 1",
        _scope(table, account, days),
    )
    for day, state, reason, delivery in rows:
        yield f"{account} {day}: {state} by delivery {delivery}: {reason}"


def _residuals(delivered: Delivered) -> list[str]:
    return [
        f"{result.account_id}: {control}"
        for result in delivered.results
        for control in result.conclusion.controls
        if not control.is_tied
    ]


def _scope(table: RawTable, account: str, days: DayRange) -> dict[str, Any]:
    return {
        "account": account,
        "dataset": table.dataset,
        "first": days.first,
        "last": days.last,
    }

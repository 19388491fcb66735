"""Down from a figure: the rows that it sums, their charges, the deliveries and their checks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

import sqlparse

from app.queries.catalog import ACCOUNTS, METRICS, SOURCE
from app.queries.compiler import CostQuery, Statement, compile_by_day, slice_of

CHARGES_SHOWN: Final = 100
CHARGES_EXPORTED: Final = 100_000
_CHARGES: Final = (
    f"marts.fct_charges as costs left join {ACCOUNTS} on accounts.account_id = costs.account_id"
)


def can_follow(query: CostQuery) -> bool:
    """Whether charges stand behind a figure: not behind a part that a team bears of them."""
    return replace(query, group_by=()).source != "allocated"


def compile_figure(query: CostQuery) -> Statement:
    """Return the statement of the figure itself, ungrouped, of the rows that it sums.

    Columns out: those of `compile_costs`, `days` (days with costs), and of daily costs `charges`.
    """
    figure = replace(query, group_by=(), grain=None)
    more = ["count(distinct costs.usage_date) as days"]
    if figure.source == "daily":
        more.append("sum(costs.charges) as charges")
    return compile_by_day(figure, *more)


def compile_deliveries(query: CostQuery) -> Statement:
    """Return the statement of what each delivery brought to the figure, the most first.

    Columns out: account_id, delivery_id, first_day, last_day, days, mart_rows, charges, cost (sums
    of the slice), is_final; of the delivery source, source_name, fetched_at, finished_at,
    payload_uri, payload_sha256, payload_bytes, payload_rows, accepted_by, accepted_reason,
    dagster_run_id; of its control totals `controls`, `worst_state` and `residual` (the largest).
    Of a tag they are summed from the charges, as no sum by day has tags and deliveries.
    """
    condition, parameters = slice_of(query)
    cost = METRICS[query.basis].column
    of_daily = query.source == "daily"
    source, delivery, charges, is_final = (
        (SOURCE, "delivery_id", "sum(costs.charges)", "costs.is_final")
        if of_daily
        else (_CHARGES, "x_delivery_id", "count(*)", "coalesce(costs.x_is_final, false)")
    )
    sql = f"""
        with lines as materialized (
            select costs.account_id, costs.{delivery} as delivery_id,
                min(costs.usage_date) as first_day,
                max(costs.usage_date) as last_day, count(distinct costs.usage_date) as days,
                count(*) as mart_rows, {charges} as charges, sum(costs.{cost}) as cost,
                bool_and({is_final}) as is_final
            from {source} where {condition}
            group by 1, 2
        ), controls as (
            select delivery_id, count(*) as controls,
                (array_agg(state order by {_SEVERITY}))[1] as worst_state,
                max(abs(residual)) as residual
            from marts.fct_reconciliations
            where check_name = 'control_total'
                and delivery_id in (select delivery_id from lines)
            group by 1
        )
        select lines.*, deliveries.source, deliveries.source_name, deliveries.fetched_at,
            deliveries.finished_at, deliveries.payload_uri, deliveries.payload_sha256,
            deliveries.payload_bytes, deliveries.payload_rows, deliveries.accepted_by,
            deliveries.accepted_reason, deliveries.dagster_run_id,
            controls.controls, controls.worst_state, controls.residual
        from lines
        left join marts.fct_deliveries as deliveries using (delivery_id)
        left join controls using (delivery_id)
        order by abs(lines.cost) desc nulls last, lines.delivery_id
    """  # noqa: S608 - names of the catalogue
    return Statement(sql, tuple(sorted(parameters.items())))


_SEVERITY: Final = (
    "array_position(array['blocked', 'accepted', 'not comparable yet', 'no control total',"
    " 'within rounding', 'exact'], state)"
)


def compile_charges(
    query: CostQuery, limit: int = CHARGES_SHOWN, delivery: int | None = None
) -> Statement:
    """Return the statement of the dearest charges of the slice, of one delivery if one is named.

    Columns out: what identifies a charge, its quantity and price, `cost`, and where it lies in its
    delivery (`x_delivery_id`, `x_row_number`).
    """
    condition, parameters = slice_of(query)
    cost = METRICS[query.basis].column
    sql = (
        "select costs.charge_key, costs.usage_date, costs.account_id, costs.sub_account_id,"  # noqa: S608 - names of the catalogue
        " costs.service_name, costs.resource_id, costs.charge_category, costs.charge_description,"
        " costs.region_id, costs.sku_id, costs.pricing_quantity, costs.pricing_unit,"
        f" costs.list_unit_price, costs.{cost} as cost, costs.billing_currency, costs.x_is_final,"
        f" costs.x_delivery_id, costs.x_row_number from {_CHARGES} where {condition}"
        " and (cast(:delivery as bigint) is null or costs.x_delivery_id = :delivery)"
        f" order by abs(costs.{cost}) desc nulls last, costs.charge_key limit :limit"
    )
    parameters |= {"limit": limit, "delivery": delivery}
    return Statement(sql, tuple(sorted(parameters.items())))


def compile_charges_sum(query: CostQuery, delivery: int | None = None) -> Statement:
    """Return the statement of `charges` and `cost` of all charges of the slice."""
    condition, parameters = slice_of(query)
    sql = (
        f"select count(*) as charges, sum(costs.{METRICS[query.basis].column}) as cost"  # noqa: S608 - names of the catalogue
        f" from {_CHARGES} where {condition}"
        " and (cast(:delivery as bigint) is null or costs.x_delivery_id = :delivery)"
    )
    return Statement(sql, tuple(sorted({**parameters, "delivery": delivery}.items())))


def compile_controls(delivery: int) -> Statement:
    """Return the statement of a delivery's comparisons with the provider's own totals."""
    sql = (
        "select first_day, last_day, cost_type, currency, left_amount, right_amount, residual,"  # noqa: S608 - our own words
        " tolerance, state, cause, control_source, accepted_by, accepted_reason"
        " from marts.fct_reconciliations where delivery_id = :delivery"
        " and check_name = 'control_total' and currency is not null"
        f" order by {_SEVERITY}, first_day, cost_type limit 200"
    )
    return Statement(sql, (("delivery", delivery),))


def compile_restatements(account: str, first: date, last: date, currency: str) -> Statement:
    """Return the statement of what providers changed in these days, the newest first.

    Columns out: usage_date, restated_at, cost_type, delivery_id, supersedes, old_cost, new_cost,
    delta, restated_after_final; one row per day, cost type and delivery.
    """
    sql = (
        "select usage_date, restated_at, cost_type, delivery_id, supersedes,"
        " sum(old_cost) as old_cost, sum(new_cost) as new_cost, sum(delta) as delta,"
        " bool_or(restated_after_final) as restated_after_final"
        " from marts.fct_restatements where account_id = :account and currency = :currency"
        " and usage_date between :first and :last group by 1, 2, 3, 4, 5"
        " order by restated_at desc, usage_date desc, cost_type limit 200"
    )
    return Statement(
        sql, (("account", account), ("currency", currency), ("first", first), ("last", last))
    )


def spelled(statement: Statement) -> str:
    """Return a statement as it can be pasted into any SQL client, its parameters in place."""
    values = dict(statement.parameters)
    sql = _PLACE.sub(lambda found: _literal(values[found[1]]), statement.sql)
    return str(sqlparse.format(sql, reindent=True, indent_width=4))


# Not the second colon of a cast.
_PLACE: Final = re.compile(r"(?<!:):([a-z_0-9]+)\b")


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return f"array[{', '.join(map(_literal, value))}]"
    quoted = "'" + str(value).replace("'", "''") + "'"
    return f"date {quoted}" if isinstance(value, date) else quoted

"""Down from a figure: the rows that it sums, their charges, the deliveries and their checks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

import sqlparse

from app.queries import rollups
from app.queries.catalog import ACCOUNTS, METRICS
from app.queries.compiler import CostQuery, Statement, compile_costs, conditions_of, slice_of

CHARGES_SHOWN: Final = 100
CHARGES_EXPORTED: Final = 100_000
_CHARGES: Final = (
    f"marts.fct_charges as costs left join {ACCOUNTS} on accounts.account_id = costs.account_id"
)


def can_follow(query: CostQuery) -> bool:
    """Whether charges stand behind a figure: not behind a part that a team bears of them."""
    return replace(query, group_by=()).source != "allocated"


def compile_figure(query: CostQuery) -> Statement:
    """Return the statement of the figure itself, ungrouped; columns out as of `compile_costs`."""
    return compile_costs(replace(query, group_by=(), grain=None))


def compile_deliveries(query: CostQuery) -> Statement:
    """Return the statement of what each delivery brought to the figure, the most first.

    Columns out: account_id, delivery_id, first_day, last_day, days, charges, cost (sums of the
    slice); all_days (days with costs, of all deliveries); of the delivery source, source_name,
    fetched_at, finished_at, payload_uri, payload_sha256, payload_bytes, payload_rows, accepted_by,
    accepted_reason, dagster_run_id; of its control totals `controls`, `worst_state` and `residual`
    (the largest). Where no dimension but account and provider is filtered by they are read from the
    sums by delivery, else from the daily costs; of a tag from the charges, as no sum by day has
    tags and deliveries.
    """
    slices, parameters = _slices(query)
    sql = f"""
        with slices as materialized ({slices}
        ), lines as materialized (
            select account_id, delivery_id, min(usage_date) as first_day,
                max(usage_date) as last_day, count(distinct usage_date) as days,
                sum(charges) as charges, sum(cost) as cost
            from slices
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
        select lines.*, (select count(distinct usage_date) from slices) as all_days,
            deliveries.source, deliveries.source_name, deliveries.fetched_at,
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


def _slices(query: CostQuery) -> tuple[str, dict[str, Any]]:
    """Return what each delivery brought to each day: the query, and its parameters."""
    cost = METRICS[query.basis].column
    filtered = [key for key, _ in query.filters]
    if query.source == "daily" and rollups.dimension_of(filtered) == "account":
        parameters: dict[str, Any] = {"currency": query.currency}
        conditions = [
            rollups.condition(query.days, "day", rollups.DELIVERY, parameters),
            "costs.billing_currency = :currency",
            *conditions_of(query.filters, parameters),
        ]
        table, condition = rollups.TABLE, " and ".join(conditions)
        columns = ("period_start", "member::bigint", "sum(costs.charges)")
    else:
        condition, parameters = slice_of(query)
        table, columns = (
            ("marts.fct_daily_costs", ("usage_date", "delivery_id", "sum(costs.charges)"))
            if query.source == "daily"
            else ("marts.fct_charges", ("usage_date", "x_delivery_id", "count(*)"))
        )
    day, delivery, charges = columns
    sql = f"""
            select costs.account_id, costs.{delivery} as delivery_id, costs.{day} as usage_date,
                {charges} as charges, sum(costs.{cost}) as cost
            from {table} as costs
            left join {ACCOUNTS} on accounts.account_id = costs.account_id
            where {condition}
            group by 1, 2, 3"""  # noqa: S608 - names of the catalogue
    return sql, parameters


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

"""What the demo left in the marts, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astraeus_pipeline.cli.output import console, print_table

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.engine import Database


def show(database: Database) -> None:
    """Print what stands, tied to the providers' own totals."""
    with database.connect("reader", autocommit=True) as conn:
        costs = conn.execute(
            "select account_id, billing_currency, sum(charges), min(usage_date), max(usage_date),"
            " sum(billed_cost), sum(effective_cost) from marts.fct_daily_costs"
            " group by 1, 2 order by 1"
        ).fetchall()
        ties: dict[str, str] = dict(
            conn.execute(
                "select account_id, string_agg(count || ' ' || state, ', ' order by count desc)"
                " from (select account_id, state, count(*) as count from marts.fct_reconciliations"
                " group by 1, 2) as counted group by 1"
            ).fetchall()
        )
        restated = conn.execute(
            "select account_id, count(distinct usage_date), trim_scale(sum(delta)), currency"
            " from marts.fct_restatements where cost_type in ('billed_cost', 'net_unblended_cost')"
            " group by 1, 4 order by 1"
        ).fetchall()
        states = conn.execute(
            "select coalesce(held_back, state), count(*) from marts.fct_freshness"
            " where dataset = 'costs'"
            " group by 1 order by 2 desc"
        ).fetchall()
        found = conn.execute(
            "select account_id, resource_type, count(*) from marts.dim_resources where is_active"
            " group by 1, 2 order by 1, 3 desc"
        ).fetchall()
    print_table(
        "What stands in the marts",
        [
            "account",
            "currency",
            "charges",
            "from",
            "to",
            "billed",
            "effective",
            "reconciliations",
        ],
        ([*row[:5], f"{row[5]:,.2f}", f"{row[6]:,.2f}", ties.get(row[0], "none")] for row in costs),
    )
    print_table(
        "Restated since the first load", ["account", "days", "change", "currency"], restated
    )
    console.print("Account-days: " + ", ".join(f"{count} {state}" for state, count in states))
    _print_resources(found)
    _print_anomalies()


def _print_resources(found: list[Any]) -> None:
    accounts: dict[str, list[str]] = {}
    for account, kind, count in found:
        accounts.setdefault(account, []).append(f"{count} {kind}")
    for account, kinds in accounts.items():
        console.print(f"Resources of {account}: {', '.join(kinds)}", soft_wrap=True)


def _print_anomalies() -> None:
    from astraeus_pipeline.sandbox.estate import ANOMALIES

    planted = ", ".join(f"{each.kind} in {each.service} ({each.slug})" for each in ANOMALIES)
    console.print(f"Planted to be found: {planted}", soft_wrap=True)

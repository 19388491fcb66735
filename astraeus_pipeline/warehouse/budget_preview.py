"""What a budget would have said of past periods: asked of the marts' views, nothing is written."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import psycopg
from psycopg.rows import class_row

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import budgets
from astraeus_pipeline.warehouse.budgets import NewBudget

PERIODS: Final = 6


@dataclass(frozen=True)
class PastPeriod:
    """A period as fct_budget_status would have it; amounts in the budget's currency."""

    period_start: date
    period_end: date
    budget_amount: Decimal
    actual_cost: Decimal | None
    used_percent: Decimal | None
    forecast_cost: Decimal | None
    breach_date: date | None
    data_through: date | None
    missing_days: int
    other_currencies: int
    state: str


def of_new(
    conn: psycopg.Connection, new: NewBudget, today: date, periods: int = PERIODS
) -> list[PastPeriod]:
    """Return what a budget that nobody has added yet would say of the running and past periods.

    It is entered as if it had begun earlier, asked about through the same views as every page, and
    taken back. The newest period first. Connect as app.
    Raises: ConfigError as `budgets.add` does, or while the marts have not been built.
    """
    budgets.check(new)
    first = budgets.period_of(today, new.period, new.fiscal_start_month)[0]
    for _ in range(periods - 1):
        first = budgets.period_of(first - timedelta(days=1), new.period, new.fiscal_start_month)[0]
    trial = replace(new, name=f"preview {uuid.uuid4()}", starts_on=first, ends_on=None)
    with conn.transaction(force_rollback=True):
        budget_id = budgets.add(conn, trial, "preview")
        cursor = conn.cursor(row_factory=class_row(PastPeriod))
        try:
            cursor.execute(
                "select period_start, period_end, budget_amount, actual_cost,"
                " round(100 * actual_share, 1) as used_percent, forecast_cost,"
                " coalesce(breach_date, forecast_breach_date) as breach_date, data_through,"
                " missing_days, other_currencies, state from marts.fct_budget_status"
                " where budget_id = %s order by period_start desc",
                [budget_id],
            )
        except psycopg.errors.UndefinedTable:
            raise ConfigError(
                "The marts have not been built yet.",
                hint="Ingest an account, or run `astraeus demo`.",
            ) from None
        return cursor.fetchall()

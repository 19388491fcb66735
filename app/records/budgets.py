"""Budgets as people enter, preview, change and end them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from app.records import entered
from app.records.connect import as_app
from astraeus_pipeline.warehouse import budget_preview, budgets
from astraeus_pipeline.warehouse.budget_preview import PastPeriod
from astraeus_pipeline.warehouse.budgets import Change, NewBudget, Threshold


@dataclass(frozen=True)
class Form:
    """A new budget as its form holds it: amounts and shares are still text."""

    name: str
    amount: str
    currency: str
    period: str
    cost_type: str
    starts_on: date
    filters: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    actual: Sequence[str] = ()
    forecast: Sequence[str] = ()
    owner: str = ""
    fiscal_start_month: int = 1

    def read(self) -> NewBudget:
        """Return the budget that is meant. Raises: ConfigError naming the field."""
        return NewBudget(
            name=self.name.strip(),
            period=self.period,  # type: ignore[arg-type] # checked where it is entered
            amount=entered.number(self.amount, "The amount"),
            billing_currency=self.currency,
            starts_on=self.starts_on,
            cost_type=self.cost_type,  # type: ignore[arg-type] # likewise
            filters={column: list(values) for column, values in self.filters.items() if values},
            fiscal_start_month=self.fiscal_start_month,
            thresholds=_thresholds(self.actual, self.forecast),
            owner=self.owner.strip() or None,
        )


def running(period: str, fiscal_start_month: int = 1) -> date:
    """Return the first day of the period under way."""
    return budgets.period_of(today(), period, fiscal_start_month)[0]  # type: ignore[arg-type]


def last_day(period: str, fiscal_start_month: int = 1) -> date:
    """Return the last day of the period under way."""
    return budgets.period_of(today(), period, fiscal_start_month)[1]  # type: ignore[arg-type]


def preview(form: Form) -> list[PastPeriod]:
    """Return what the budget would have said of the last periods; nothing is kept.

    A form without a name can be previewed, too. Raises: ConfigError, DatabaseError.
    """
    new = form.read()
    with as_app() as conn:
        return budget_preview.of_new(conn, replace(new, name=new.name or "preview"), today())


def add(form: Form, actor: str) -> str:
    """Add the budget and return the sentence for the page. Raises: ConfigError, DatabaseError."""
    new = form.read()
    with as_app() as conn:
        budgets.add(conn, new, actor)
    return (
        f"Added the budget {new.name}. Its figures are here at once; alerts follow the next build."
    )


def change(
    budget_id: int,
    actor: str,
    *,
    name: str,
    owner: str,
    amount: str,
    actual: Sequence[str],
    forecast: Sequence[str],
    standing: Mapping[str, Any],
) -> str:
    """Change what differs from `standing`, a row of `listed`. Raises: ConfigError."""
    thresholds = _thresholds(actual, forecast)
    new_amount = entered.number(amount, "The amount")
    wanted = Change(
        name=name.strip() if name.strip() != standing["name"] else None,
        amount=new_amount if new_amount != newest_amount(standing) else None,
        owner=owner.strip() if owner.strip() != (standing["owner"] or "") else None,
        thresholds=thresholds if set(thresholds) != set(standing["shares"]) else None,
    )
    with as_app() as conn:
        budgets.change(conn, budget_id, wanted, today(), actor)
    return (
        f"Changed the budget {name.strip()}. A new amount counts from the running period on;"
        " alerts follow the next build."
    )


def end(budget_id: int, last: date, actor: str) -> str:
    """Let a budget end with a period; its past stays. Raises: ConfigError."""
    with as_app() as conn:
        budgets.change(conn, budget_id, Change(ends_on=last), today(), actor)
    return f"The budget ends on {last.day} {last:%b %Y}; its past stays."


def remove(budget_id: int, actor: str) -> str:
    """Take a budget out of every page. Raises: ConfigError."""
    with as_app() as conn:
        budgets.remove(conn, budget_id, actor)
    return "Removed the budget. Who entered it and its amounts are kept in the audit log."


def listed() -> list[dict[str, Any]]:
    """Return the active budgets as they were entered; `shares` are their thresholds.

    Raises: DatabaseError.
    """
    with as_app() as conn:
        rows = budgets.list_budgets(conn)
    for row in rows:
        pairs = (each.split(" ") for each in row["thresholds"])
        row["shares"] = [
            Threshold(basis, entered.number(share, "A threshold")) for basis, share in pairs
        ]
    return rows


def newest_amount(standing: Mapping[str, Any]) -> Any:
    """Return the amount that was set for the latest period."""
    amounts = standing["amounts"]
    return entered.number(amounts[max(amounts)], "The amount")


def today() -> date:
    """Return the UTC day."""
    return datetime.now(UTC).date()


def _thresholds(actual: Sequence[str], forecast: Sequence[str]) -> list[Threshold]:
    return [*entered.percents(actual, "actual"), *entered.percents(forecast, "forecast")]

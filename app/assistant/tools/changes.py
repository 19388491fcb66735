"""What people change by the assistant, after their approval: as the pages' own forms do.

Who may is decided by scope and role, and what they see bounds what they change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row
from app.assistant.tools.contract import BUDGETS, TRIAGE, Parameter, ToolResult, needs
from app.auth import store
from app.queries import anomalies, breaches, listings
from app.queries import budgets as standings
from app.queries.compiler import Statement
from app.records import alerts, budgets, triage
from app.records.budgets import Form
from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import ConfigError, ForbiddenError

Note = Annotated[str, Field(description="Shown beside it", max_length=500)]
# By the words of the Costs page, which models know from get_costs.
_COLUMNS: Final = {word: column for column, (_, word) in standings.SCOPES.items()}
Dimension = Annotated[str, Field(json_schema_extra={"enum": [*_COLUMNS]})]
Percents = Annotated[tuple[Annotated[int, Field(gt=0, le=1000)], ...], Field(max_length=8)]
Amount = Annotated[Decimal, Field(gt=0, description="Per period")]
Owner = Annotated[str, Field(description="Who answers for it", max_length=100)]


class BudgetFilter(BaseModel):
    """Values of a dimension that a budget covers."""

    model_config = ConfigDict(extra="forbid")

    dimension: Dimension
    values: Annotated[list[str], Field(min_length=1, max_length=100)]


def acknowledge_anomaly(
    anomaly_id: Annotated[str, Field(description="Of get_anomalies", max_length=100)],
    note: Note = "",
) -> ToolResult:
    """Say that somebody looks after an unexpected cost; it leaves the open ones."""
    return _acknowledged(
        "acknowledge_anomaly",
        "unexpected cost",
        anomalies.compile_one(anomaly_id),
        {"anomaly_id": anomaly_id, "note": note},
        lambda row, email: triage.anomaly(row["anomaly_id"], "acknowledged", note, email),
        unit={"excess_cost": "billing_currency"},
    )


def acknowledge_alert(
    breach_id: Annotated[str, Field(description="Of get_alerts", max_length=100)],
    note: Note = "",
) -> ToolResult:
    """Say that somebody looks after the alert of a threshold that was crossed."""
    return _acknowledged(
        "acknowledge_alert",
        "crossed threshold",
        breaches.compile_one(breach_id),
        {"breach_id": breach_id, "note": note},
        lambda row, email: alerts.acknowledge_breach(row["breach_id"], note, email),
    )


def _acknowledged(
    tool: str,
    what: str,
    statement: Statement,
    asked: dict[str, Parameter],
    said: Callable[[Row, str], str],
    unit: Mapping[str, str] | None = None,
) -> ToolResult:
    """Return the one row of a statement as acknowledged; `said` does it, for an email."""
    asking = Asking()
    needs(TRIAGE)
    row = _known(asking.ask(statement), what, str(next(iter(asked.values()))))
    done = {**row, "state": "acknowledged", "receipt": said(row, asking.who.user_id)}
    return asking.result(tool, [done], asked, unit=unit)


def create_budget(
    name: Annotated[str, Field(description="After what it covers", max_length=200)],
    amount: Amount,
    currency: Annotated[str, Field(description="ISO 4217", max_length=3)],
    period: Literal["month", "quarter", "year"] = "month",
    cost_type: Literal["effective", "billed"] = "effective",
    filters: Annotated[
        tuple[BudgetFilter, ...], Field(max_length=10, description="All of them must hold")
    ] = (),
    starts_on: Annotated[
        date | None, Field(description="First day of a period; without: of the running one")
    ] = None,
    owner: Owner = "",
    warn_at_percent: Annotated[Percents, Field(description="Of the amount, spent")] = (80, 100),
    warn_at_forecast_percent: Annotated[Percents, Field(description="Of the amount, forecast")] = (
        100,
    ),
) -> ToolResult:
    """Enter a budget for costs. What it covers cannot be changed later, its amount can."""
    asking = Asking()
    needs(BUDGETS)
    [code] = asking.currencies(currency)
    covered = _covered(asking, filters)
    who = store.live(asking.who.session)
    if who is None or not who.may_budget(covered, asking.look_up(listings.ACCOUNTS)):
        raise ForbiddenError(
            "The budget is not within the accounts or teams that you see.",
            hint="Narrow it to some of these.",
        )
    form = Form(
        name=name,
        amount=money.plain(amount),
        currency=code,
        period=period,
        cost_type=cost_type,
        starts_on=starts_on or budgets.running(period),
        filters=covered,
        actual=[str(each) for each in warn_at_percent],
        forecast=[str(each) for each in warn_at_forecast_percent],
        owner=owner,
    )
    row: Row = {
        "budget": name.strip(),
        "budget_amount": amount,
        "billing_currency": code,
        "period": period,
        "starts_on": form.starts_on,
        "receipt": budgets.add(form, asking.who.user_id),
    }
    told: list[dict[str, str | list[str]]] = [
        {"dimension": standings.SCOPES[column][1], "values": [str(each) for each in values]}
        for column, values in covered.items()
    ]
    params: dict[str, Parameter] = {
        "name": name.strip(),
        "amount": money.plain(amount),
        "currency": code,
        "period": period,
        "cost_type": cost_type,
        "filters": told,
        "starts_on": str(form.starts_on),
        "owner": owner,
        "warn_at_percent": [*form.actual],
        "warn_at_forecast_percent": [*form.forecast],
    }
    return asking.result("create_budget", [row], params, unit={"budget_amount": "billing_currency"})


def change_budget(
    budget: Annotated[str, Field(description="Its name in get_budgets", max_length=200)],
    amount: Annotated[Decimal | None, Field(gt=0, description="From the running period on")] = None,
    name: Annotated[str | None, Field(description="Its new name", max_length=200)] = None,
    owner: Annotated[str | None, Field(description="Who answers for it", max_length=100)] = None,
    warn_at_percent: Annotated[Percents | None, Field(description="Of the amount, spent")] = None,
    warn_at_forecast_percent: Annotated[
        Percents | None, Field(description="Of the amount, forecast")
    ] = None,
) -> ToolResult:
    """Change a budget's amount, name, owner or warnings; what is left out stays as it is."""
    asking = Asking()
    needs(BUDGETS)
    mine = {str(row["name"]): int(row["budget_id"]) for row in asking.ask(standings.STANDINGS)}
    try:
        found = names.known("budget", budget, mine)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    standing = next((row for row in budgets.listed() if row["id"] == mine[found]), None)
    if standing is None:
        raise ConfigError(f"The budget {found} has been removed.", hint="Enter a new one.")
    before = budgets.newest_amount(standing)
    said = budgets.change(
        standing["id"],
        asking.who.user_id,
        name=name or found,
        owner=standing["owner"] or "" if owner is None else owner,
        amount=money.plain(before if amount is None else amount),
        actual=_shares(standing, "actual", warn_at_percent),
        forecast=_shares(standing, "forecast", warn_at_forecast_percent),
        standing=standing,
    )
    row: Row = {
        "budget": name or found,
        "amount_before": before,
        "budget_amount": before if amount is None else amount,
        "billing_currency": standing["billing_currency"],
        "receipt": said,
    }
    params: dict[str, Parameter] = {
        "budget": found,
        "amount": None if amount is None else money.plain(amount),
        "name": name,
        "owner": owner,
        "warn_at_percent": _told(warn_at_percent),
        "warn_at_forecast_percent": _told(warn_at_forecast_percent),
    }
    unit = dict.fromkeys(("amount_before", "budget_amount"), "billing_currency")
    return asking.result("change_budget", [row], params, unit=unit)


def _known(rows: Sequence[Row], what: str, asked: str) -> Row:
    if not rows:
        raise ConfigError(
            f"There is no {what} {asked[:80]!r} that you may see.", hint="Ask for them first."
        )
    return rows[0]


def _covered(asking: Asking, filters: Sequence[BudgetFilter]) -> dict[str, list[str | None]]:
    """Return filters by column, their values as costs have them. Raises: ConfigError."""
    found: dict[str, list[str | None]] = {}
    for each in filters:
        try:
            column = _COLUMNS[names.known("dimension", each.dimension, _COLUMNS)]
            if column in found:
                raise ConfigError(f"{each.dimension} is named twice.", hint="Name it once.")
            rows = asking.look_up(standings.compile_values(column))
            members = [row["member"] for row in rows if row["member"] is not None]
            found[column] = [names.known(each.dimension, one, members) for one in each.values]
        except ValueError as error:
            raise ConfigError(str(error)) from None
    return found


def _shares(standing: Row, basis: str, wanted: Sequence[int] | None) -> list[str]:
    if wanted is not None:
        return [str(each) for each in wanted]
    shares: Any = standing["shares"]
    return [money.plain(each.share * 100) for each in shares if each.basis == basis]


def _told(percents: Sequence[int] | None) -> list[str] | None:
    return None if percents is None else [str(each) for each in percents]

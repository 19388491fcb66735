"""`astraeus budget`: what may be spent, and how that stands."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from astraeus_pipeline.cli.context import actor, asked_marts, connected
from astraeus_pipeline.cli.output import Json, console, print_records
from astraeus_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astraeus_pipeline.warehouse.budgets import Threshold

app = typer.Typer(no_args_is_help=True)


class Period(StrEnum):
    """How long an amount lasts."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class CostType(StrEnum):
    """Which cost is held against it."""

    EFFECTIVE = "effective"
    BILLED = "billed"


Budget = Annotated[str, typer.Argument(help="The budget's name or id.")]
Thresholds = Annotated[
    list[str] | None,
    typer.Option("--threshold", help="actual:80% or forecast:100%; repeatable."),
]
Owner = Annotated[str | None, typer.Option(help="Who answers for it.")]
LastDay = Annotated[str | None, typer.Option("--to", help="Last day of its last period.")]

_STATUS: Final = """
select budget_id as id, name, period_start as "from", period_end as "to", state,
    trim_scale(round(actual_cost, 2)) as actual, trim_scale(budget_amount) as budget,
    billing_currency as currency, round(100 * actual_share, 1) as "used %%",
    round(100 * expected_share, 1) as "expected %%", pace_state as pace,
    trim_scale(round(forecast_cost, 2)) as forecast,
    coalesce(breach_date, forecast_breach_date) as "passed on",
    data_through, nullif(missing_days, 0) as missing_days,
    nullif(other_currencies, 0) as other_currencies
from marts.fct_budget_status as status
where (%(budget)s::bigint is null or budget_id = %(budget)s)
    and (%(all)s or period_start = (
        select max(period_start) from marts.fct_budget_status as latest
        where latest.budget_id = status.budget_id
    ))
order by lower(name), period_start
"""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name for people, after what it covers.")],
    amount: Annotated[str, typer.Option(help="Amount per period, such as 1500.00.")],
    currency: Annotated[str, typer.Option(help="Billing currency; costs in others do not count.")],
    period: Annotated[Period, typer.Option(help="How long the amount lasts.")] = Period.MONTH,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="dimension=value, such as provider=aws; repeatable, the same dimension again for"
            " a further value, nothing after = for costs without one. All costs if left out.",
        ),
    ] = None,
    cost_type: Annotated[
        CostType, typer.Option("--cost", help="Which cost is held against it.")
    ] = CostType.EFFECTIVE,
    first: Annotated[
        str | None,
        typer.Option("--from", help="First day of its first period; the running one if left out."),
    ] = None,
    last: LastDay = None,
    fiscal_start_month: Annotated[
        int, typer.Option(help="Month that years and quarters are counted from.")
    ] = 1,
    threshold: Thresholds = None,
    owner: Owner = None,
) -> None:
    """Add a budget; it is held against all costs from its first period on."""
    from astraeus_pipeline.warehouse import budgets

    today = datetime.now(UTC).date()
    new = budgets.NewBudget(
        name=name,
        period=period.value,
        amount=_amount(amount),
        billing_currency=currency.upper(),
        starts_on=_day(first) or budgets.period_of(today, period.value, fiscal_start_month)[0],
        cost_type=cost_type.value,
        filters=_filters(filters or []),
        fiscal_start_month=fiscal_start_month,
        ends_on=_day(last),
        thresholds=budgets.DEFAULT_THRESHOLDS if threshold is None else _thresholds(threshold),
        owner=owner,
    )
    with connected("app") as conn:
        budget_id = budgets.add(conn, new, actor().name)
    console.print(f"Added budget {budget_id}. Next: `astraeus budget status`.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the budgets with their scopes, amounts and thresholds."""
    from astraeus_pipeline.warehouse import budgets

    with connected("app") as conn:
        records = budgets.list_budgets(conn)
    empty = "There are no budgets yet. Next: `astraeus budget add`."
    print_records("Budgets", records, as_json=as_json, empty=empty)


@app.command()
def change(
    budget: Budget,
    amount: Annotated[str | None, typer.Option(help="New amount per period.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First day of the period that the amount counts from; the running one if left"
            " out. Periods that are over keep theirs.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    last: LastDay = None,
    threshold: Thresholds = None,
    owner: Owner = None,
) -> None:
    """Change a budget's amount, end, thresholds, name or owner; another scope is another budget."""
    from astraeus_pipeline.warehouse import budgets

    wanted = budgets.Change(
        name=name,
        amount=None if amount is None else _amount(amount),
        valid_from=_day(since),
        ends_on=_day(last),
        owner=owner,
        thresholds=None if threshold is None else _thresholds(threshold),
    )
    with connected("app") as conn:
        budget_id = budgets.find(conn, budget)
        budgets.change(conn, budget_id, wanted, datetime.now(UTC).date(), actor().name)
    console.print(f"Changed budget {budget_id}.")


@app.command()
def remove(
    budget: Budget,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a budget from every page and mart; its amounts and who set them are kept."""
    from astraeus_pipeline.warehouse import budgets

    if not yes:
        typer.confirm(f"Remove {budget}? To end it with its past, use change --to.", abort=True)
    with connected("app") as conn:
        budget_id = budgets.find(conn, budget)
        budgets.remove(conn, budget_id, actor().name)
    console.print(f"Removed budget {budget_id}.")


@app.command()
def status(
    budget: Annotated[str | None, typer.Argument(help="Its name or id; all if left out.")] = None,
    past: Annotated[bool, typer.Option("--past", help="Past periods, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show what was spent of each budget, at what pace, and what is forecast."""
    from astraeus_pipeline.warehouse import budgets

    budget_id = None
    if budget is not None:
        with connected("app") as conn:
            budget_id = budgets.find(conn, budget)
    records = asked_marts(_STATUS, {"budget": budget_id, "all": past})
    empty = "No budget has begun. Next: `astraeus budget add`."
    print_records("Budgets", records, as_json=as_json, empty=empty)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{text!r} is no amount.", hint="Write it as 1500.00.") from None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Write days as 2026-10-31.") from None


def _filters(pairs: Sequence[str]) -> Mapping[str, Sequence[str | None]]:
    filters: dict[str, list[str | None]] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"{pair!r} is no filter.", hint="Write --filter provider=aws.")
        filters.setdefault(name, []).append(value or None)
    return filters


def _thresholds(texts: Sequence[str]) -> list[Threshold]:
    from astraeus_pipeline.warehouse.budgets import Threshold

    found = []
    for text in texts:
        basis, _, share = text.partition(":")
        try:
            amount = Decimal(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
        except InvalidOperation:
            raise ConfigError(
                f"{text!r} is no threshold.", hint="Write actual:80% or forecast:1.0."
            ) from None
        found.append(Threshold(basis, amount))  # type: ignore[arg-type]  # checked where entered
    return found

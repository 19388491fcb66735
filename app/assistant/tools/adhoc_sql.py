"""SQL of a model's own over the marts, for what no other tool answers: guarded, chat only.

Off unless ASTRAEUS_LLM_ADHOC_SQL says otherwise. Each query is in the audit log, refused ones too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from app.assistant.settings import AssistantSettings
from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row
from app.assistant.tools.contract import Parameter, ToolResult, text
from app.assistant.tools.costs import Limit
from app.queries import execute, guard, listings
from app.queries.guarded_units import Figures
from app.records.connect import as_app
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.warehouse import audit

_OTHER: Final = "number"


def is_on() -> bool:
    """Whether an administrator has turned SQL of models on."""
    return AssistantSettings.from_env().adhoc_sql


def run_sql(
    sql: Annotated[str, Field(description="One SELECT over schema marts", max_length=9_000)],
    limit: Limit = 50,
) -> ToolResult:
    """Answer by one SELECT of your own over the marts, where no other tool can: ad-hoc SQL.

    Prefer the other tools: their metrics are verified. First call list_marts for names. Only
    SELECT, WITH, joins, windows, aggregates and common functions; never a sum over currencies:
    group by billing_currency. Percentages: 100 * a / b. A refusal says what to do instead.
    """
    asking = Asking()
    _check_on()
    settings = AssistantSettings.from_env()
    noted: dict[str, Any] = {"sql": sql[: guard.LONGEST]}
    try:
        query = guard.guarded(sql, _marts(asking), limit)
        rows = execute.run_guarded(
            query.sql,
            asking.who.session,
            seconds=settings.adhoc_sql_seconds,
            most_cost=settings.adhoc_sql_cost,
        )
        noted |= {"rows": min(len(rows), limit), "marts": sorted(query.marts)}
    except AstraeusError as error:
        noted["refused"] = text(str(error))
        raise
    finally:
        with as_app() as conn:
            audit.note(conn, asking.who.user_id, "sql.asked", "run_sql", **noted)
    shown = [{name: _exact(value) for name, value in row.items()} for row in rows[:limit]]
    asking.told.append(query.sql)
    params: dict[str, Parameter] = {"sql": sql, "limit": limit}
    unit, notes = _units(shown, query.figures)
    if len(rows) > limit:
        notes.append(f"There are more than these {limit} rows; how many is not counted.")
    if not asking.who.sees_everything:
        notes.append(
            "Only your own rows are counted; marts of sums over all accounts have none for you."
        )
    found = asking.result("run_sql", shown, params, unit=unit, notes=notes)
    return found.model_copy(update={"truncated": len(rows) > limit})


def list_marts(
    mart: Annotated[str | None, Field(description="One of them, for its columns")] = None,
) -> ToolResult:
    """List the marts that run_sql can ask, or with a name the columns of one and their types."""
    asking = Asking()
    _check_on()
    marts: dict[str, list[Row]] = {}
    for row in asking.look_up(listings.COLUMNS):
        marts.setdefault(row["mart"], []).append({"column": row["name"], "type": row["type"]})
    if mart is None:
        rows = [
            {"mart": name, "columns": len(columns), "has": ", ".join(c["column"] for c in columns)}
            for name, columns in marts.items()
        ]
        return asking.result("list_marts", rows, {"mart": None}, unit={"columns": "columns"})
    try:
        name = names.known("mart", mart.removeprefix("marts."), marts)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return asking.result("list_marts", marts[name], {"mart": name})


def _check_on() -> None:
    if not is_on():
        raise ConfigError(
            "SQL of one's own is turned off.",
            hint="Ask get_costs or another tool; who runs Astraeus may set ASTRAEUS_LLM_ADHOC_SQL.",
        )


def _marts(asking: Asking) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in asking.look_up(listings.COLUMNS):
        found.setdefault(row["mart"], set()).add(row["name"])
    return {name: frozenset(columns) for name, columns in found.items()}


def _exact(value: Any) -> Any:
    """Return a float as the decimal that it is written as: percentile_cont gives no other."""
    if isinstance(value, float):
        found = Decimal(repr(value))
        return found if found.is_finite() else None
    return value


def _units(rows: Sequence[Row], figures: Figures) -> tuple[dict[str, str], list[str]]:
    """Return the unit of each column of numbers, and what is to be said of those of money."""
    money = _currency(rows, figures)
    found = {}
    for name in rows[0] if rows else ():
        if not any(_is_number(row[name]) for row in rows):
            continue
        kind = figures.kinds.get(name)
        if kind == "money" and money is not None:
            found[name] = money
        else:
            found[name] = "%" if kind == "percent" else _OTHER
    lost = [name for name in found if figures.kinds.get(name) == "money" and money is None]
    if lost:
        return found, [f"The currency of {', '.join(lost)} is unknown: select billing_currency."]
    return found, []


def _currency(rows: Sequence[Mapping[str, Any]], figures: Figures) -> str | None:
    """Return the currency of the money, or that rows name their own; None if it is unknown."""
    if figures.currency is not None:
        return figures.currency
    column = figures.currency_column
    if column == "billing_currency":
        return column
    values = {row.get(column) for row in rows} if column else set()
    return str(values.pop()) if len(values) == 1 and None not in values else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)

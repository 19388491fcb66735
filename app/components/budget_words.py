"""What a budget's columns mean to people: states, scopes, periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

from app.components import formats
from app.queries.budgets import SCOPES
from app.queries.catalog import provider_label

Color = Literal["red", "orange", "green", "gray", "blue"]
STATES: Final[dict[str, tuple[str, Color, str]]] = {
    "over": ("Over", "red", "more was spent than the amount"),
    "forecast_over": ("Forecast over", "orange", "the forecast ends above the amount"),
    "at_risk": ("At risk", "orange", "the amount lies inside the forecast's range, or the pace is"),
    "on_track": ("On track", "green", "spent and forecast cost lie below the amount"),
    "no_data": ("No data", "gray", "no day of the period has come yet"),
}
PACES: Final = {"above": "Above", "even": "Even", "below": "Below"}
_PERIODS: Final = {"month": "Month", "quarter": "Quarter", "year": "Year"}


def state(row: Mapping[str, Any]) -> str:
    """Return the word of a budget's state."""
    return STATES[row["state"]][0]


def scope(filters: Mapping[str, Sequence[str | None]]) -> str:
    """Say what a budget covers; plain text, not Markdown."""
    parts = []
    for column, values in filters.items():
        label = SCOPES.get(column, (column, None))[0]
        parts.append(f"{label}: {', '.join(member(column, value) for value in values)}")
    return "; ".join(parts) or "All costs"


def member(column: str, value: str | None) -> str:
    """Return what a value of a scope is called; None stands for costs without one."""
    if value is None:
        return f"no {SCOPES[column][0].lower()}"
    return provider_label(value) if column == "provider" else value


def period(row: Mapping[str, Any]) -> str:
    """Name a period as people do: Nov 2026, Q4 2026 by its first month, 2026."""
    return named(row["period"], row["period_start"], row["period_end"])


def named(kind: str, first: date, last: date) -> str:
    """Name a period by its kind and days."""
    if kind == "month":
        return f"{first:%b %Y}"
    return f"{first:%b %Y} - {last:%b %Y}"


def every(kind: str) -> str:
    """Return the word of how long an amount lasts."""
    return _PERIODS[kind]


def passed(row: Mapping[str, Any]) -> str | None:
    """Say when the amount was or will be passed, None where it is not expected to be."""
    if row["breach_date"] is not None:
        return formats.day(row["breach_date"])
    if row["forecast_breach_date"] is not None:
        return f"{formats.day(row['forecast_breach_date'])} (forecast)"
    return None


def lacks(row: Mapping[str, Any]) -> list[str]:
    """Return what a budget's figures do not hold, in sentences."""
    found = []
    if row["missing_days"]:
        found.append(f"{_counted(row['missing_days'], 'day')} that should have come did not.")
    if row["partial_days"]:
        found.append(f"{_counted(row['partial_days'], 'day')} may still fill up.")
    if row["other_currencies"]:
        found.append(
            f"Costs in {_counted(row['other_currencies'], 'other currency', 'other currencies')}"
            " are in its scope and in no figure here."
        )
    return found


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"

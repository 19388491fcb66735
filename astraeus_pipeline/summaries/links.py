"""Addresses of the app's pages that show the same days with the same filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries.figures import Scope


def costs(
    app_url: str | None,
    scope: Scope,
    days: DayRange,
    by: str | None = None,
    more: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return the Costs page of the days, grouped `by` a label of it; the page knows no teams."""
    parameters: dict[str, Sequence[str]] = {
        "period": ["Custom"],
        "dates": list(dict.fromkeys((str(days.first), str(days.last)))),
        "ccy": [scope.billing_currency],
        "basis": [scope.cost_type.capitalize()],
        **scope.filters,
        **(more or {}),
    }
    if by:
        parameters["by"] = [by]
    return page(app_url, "costs", parameters)


def page(
    app_url: str | None, name: str, parameters: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return the address of a page; without the app's own, its part after the host."""
    query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
    return f"{(app_url or '').rstrip('/')}/{name}{query}"

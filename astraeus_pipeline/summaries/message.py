"""A summary as the message that leaves: text, page, pictures, and figures for programs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.alerting import Image, Message
from astraeus_pipeline.summaries import charts, page, wording
from astraeus_pipeline.summaries.figures import Comparison, Figures


def pictures(figures: Figures) -> tuple[bytes, ...]:
    """Return the PNGs by day and cumulative; none where nothing was charged."""
    return (charts.by_day(figures), charts.cumulative(figures)) if figures.stacked else ()


def compose(
    key: str,
    figures: Figures,
    app_url: str | None,
    drawn: Sequence[bytes] = (),
    *,
    is_repeat_possible: bool = False,
) -> Message:
    """Return the message with the `pictures`; the same figures make the same one, ever."""
    images = [
        Image(f"{name}.{key}@astraeus", png)
        for name, png in zip(("days", "cumulative"), drawn, strict=False)
    ]
    told = wording.tell(figures, app_url, [each.content_id for each in images])
    return Message(
        key=key,
        subject=told.subject,
        text=wording.plain(told),
        html=page.render(told),
        content={"kind": "cost_summary", "summary": _fields(figures)},
        is_repeat_possible=is_repeat_possible,
        images=images,
    )


def _fields(figures: Figures) -> dict[str, Any]:
    """Return the figures for programs: exact, as text."""
    return {
        "name": figures.name,
        "period": figures.period,
        "period_start": str(figures.days.first),
        "period_end": str(figures.days.last),
        "team": figures.scope.team,
        "filters": {key: [*of] for key, of in figures.scope.filters.items()},
        "billing_currency": figures.scope.billing_currency,
        "cost_type": figures.scope.cost_type,
        "cost": _exact(figures.cost),
        "open_cost": _exact(figures.open_cost),
        "before": _comparison(figures.before),
        "year_before": _comparison(figures.year_before),
        "services": [
            {
                "service": each.service_name,
                "cost": _exact(each.cost),
                "change": _exact(each.change),
            }
            for each in figures.services
        ],
        "is_complete": not figures.late,
        "data_through": str(figures.data_through) if figures.data_through else None,
    }


def _comparison(said: Comparison) -> dict[str, str | None]:
    return {
        "first": str(said.against.first),
        "last": str(said.against.last),
        "cost": _exact(said.against_cost),
        "change": _exact(said.change),
    }


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else money.plain(value)

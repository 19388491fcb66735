"""The two pictures of a summary, drawn on this machine. Amounts become floats here, as pixels."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries.figures import Figures

OTHER: Final = "Other services"
# The app's light colours; grey for what has none.
_COLORS: Final = ("#0358CF", "#BE734B", "#008069", "#673F80", "#C33458")
_GREY: Final = "#6B7688"
_WIDTH: Final = 560
_HEIGHT: Final = 200
_DOTS: Final = 2.0


def by_day(figures: Figures) -> bytes:
    """Return the PNG of cost by day, stacked by the dearest services."""
    import altair as alt

    names = dict.fromkeys(each.service_name for each in figures.stacked)
    known = [each.service_name for each in figures.services if each.service_name in names]
    order = [*known, *([OTHER] if None in names else [])]
    shades = [*_COLORS[: len(known)], *([_GREY] if None in names else [])]
    rows = [
        {
            "day": f"{each.day:%d %b}",
            "service": each.service_name or OTHER,
            "cost": float(each.cost),
        }
        for each in figures.stacked
    ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("day:N", title=None, scale=alt.Scale(domain=_labels(figures.days)), sort=None),
            y=alt.Y("cost:Q", title=figures.scope.billing_currency, stack="zero"),
            color=alt.Color(
                "service:N",
                title=None,
                sort=order,
                scale=alt.Scale(domain=order, range=shades),
                legend=alt.Legend(orient="bottom", columns=3),
            ),
        )
    )
    return _png(chart)


def cumulative(figures: Figures) -> bytes:
    """Return the PNG of the period's running sum against the one before, day by day."""
    import altair as alt

    now, then = "This period", "The one before"
    rows = _running(figures, now, figures.days)
    if figures.before.against_cost is not None:
        rows += _running(figures, then, figures.before.against)
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2, point=True)
        .encode(
            x=alt.X("day:O", title="Day of the period", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("cost:Q", title=figures.scope.billing_currency),
            color=alt.Color(
                "series:N",
                title=None,
                scale=alt.Scale(domain=[now, then], range=[_COLORS[0], _GREY]),
                legend=alt.Legend(orient="bottom"),
            ),
        )
    )
    return _png(chart)


def _running(figures: Figures, series: str, days: DayRange) -> list[dict[str, Any]]:
    """Return the running sums up to the last day with costs: what has not come draws no line."""
    known = [day for day in days if day in figures.by_day]
    if not known:
        return []
    reached = list(DayRange(days.first, known[-1]))
    costs = (figures.by_day.get(day, money.ZERO) for day in reached)
    return [
        {"series": series, "day": number, "cost": float(cost)}
        for number, cost in enumerate(accumulate(costs, money.add), 1)
    ]


def _labels(days: DayRange) -> list[str]:
    return [f"{day:%d %b}" for day in days]


def _png(chart: Any) -> bytes:
    import vl_convert

    drawn = chart.properties(width=_WIDTH, height=_HEIGHT, background="#FFFFFF", padding=8)
    return bytes(vl_convert.vegalite_to_png(drawn.to_json(), scale=_DOTS))

"""The chart of a budget's period: what was spent against an even pace, and what is forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import altair as alt

from app.components import charts, drawing, formats, palette

VIEWS: Final = ("Against pace", "Cumulative")
_HEIGHT: Final = 290


def draw(
    standing: Mapping[str, Any], days: Sequence[Mapping[str, Any]], view: str, *, key: str
) -> None:
    """Draw the burn of a period; `days` as in fct_budget_days, `standing` its row of the status."""
    is_plain = view == VIEWS[1]
    slots = palette.slots(charts.theme())
    spent, come, grey = slots[0], slots[1], slots[8]
    field = "cumulative_cost" if is_plain else "ahead_cost"
    booked = [
        {
            "day": day["usage_date"].isoformat(),
            "label": formats.day(day["usage_date"]),
            "value": float(day[field]),
            "cost": float(day["cost"]),
            "status": "settled" if day["is_settled"] else "may still change",
        }
        for day in days
    ]
    x = alt.X(
        "day:T",
        title=None,
        scale=alt.Scale(
            type="utc",
            domain=[_midnight(standing["period_start"]), _midnight(standing["period_end"])],
        ),
        axis=alt.Axis(format="%-d %b", grid=False, tickCount=6, labelFlush=True, labelPadding=8),
    )
    y = alt.Y(
        "value:Q",
        title=None,
        axis=charts.money_axis(standing["billing_currency"], signed=not is_plain),
    )
    rows: dict[str, drawing.Rows] = {}
    layers = _pace(standing, rows, x, y, grey, is_plain=is_plain)
    if standing["forecast_cost"] is not None and booked and standing["days_left"]:
        layers += _forecast(standing, booked[-1], rows, x, y, come, is_plain=is_plain)
    rows["booked"] = booked
    base = drawing.chart("booked").encode(x=x, y=y)
    layers.append(base.mark_line(strokeWidth=2.5, color=spent))
    layers.append(
        base.mark_circle(size=36, color=spent, opacity=1).encode(
            tooltip=[
                alt.Tooltip("label:N", title="Day"),
                alt.Tooltip(
                    "value:Q",
                    title="Spent" if is_plain else "Ahead of pace",
                    format=",.2f" if is_plain else "+,.2f",
                ),
                alt.Tooltip("cost:Q", title="Cost of the day", format=",.2f"),
                alt.Tooltip("status:N", title="Status"),
            ]
        )
    )
    names = ["Spent", "Even pace"] + (["Amount"] if is_plain else [])
    shades = [spent, grey] + ([slots[4]] if is_plain else [])
    if "come" in rows:
        names.append("Forecast" + (", 80% range" if standing["lower_cost"] is not None else ""))
        shades.append(come)
    charts.legend(names, shades)
    drawing.draw(
        charts.styled(
            drawing.layered(layers),
            height=_HEIGHT,
            padding={"left": 0, "top": 6, "right": 8, "bottom": 0},
        ),
        rows,
        key=key,
        alt_text=finding(standing),
    )


def finding(standing: Mapping[str, Any]) -> str:
    """Say in a sentence what the chart shows."""
    currency = standing["billing_currency"]
    said = (
        f"{formats.exact(standing['actual_cost'], currency)} of"
        f" {formats.exact(standing['budget_amount'], currency)} spent"
        f" by {formats.day(standing['data_through'])}"
    )
    if standing["forecast_cost"] is not None and standing["days_left"]:
        said += f", {formats.exact(standing['forecast_cost'], currency)} forecast for the period"
    return f"{said}."


def _pace(
    standing: Mapping[str, Any],
    rows: dict[str, drawing.Rows],
    x: alt.X,
    y: alt.Y,
    grey: str,
    *,
    is_plain: bool,
) -> list[Any]:
    first, last = standing["period_start"], standing["period_end"]
    end = float(standing["budget_amount"]) if is_plain else 0.0
    rows["pace"] = [{"day": _iso(first), "value": 0.0}, {"day": _iso(last), "value": end}]
    line = (
        drawing.chart("pace")
        .mark_line(strokeDash=[5, 4], strokeWidth=1.5, color=grey)
        .encode(x=x, y=y)
    )
    if not is_plain:
        return [line]
    rows["limit"] = [{"value": end}]
    limit = (
        drawing.chart("limit")
        .mark_rule(strokeWidth=1.5, color=palette.slots(charts.theme())[4])
        .encode(y=y)
    )
    return [line, limit]


def _forecast(
    standing: Mapping[str, Any],
    last: Mapping[str, Any],
    rows: dict[str, drawing.Rows],
    x: alt.X,
    y: alt.Y,
    color: str,
    *,
    is_plain: bool,
) -> list[alt.Chart]:
    names = ("forecast_cost", "lower_cost", "upper_cost")
    if not is_plain:
        names = ("forecast_over", "lower_over", "upper_over")
    end, low, high = (_pixel(standing[name]) for name in names)
    closing = {"day": _iso(standing["period_end"]), "value": end, "low": low, "high": high}
    opening = {
        "day": last["day"],
        "value": last["value"],
        "low": last["value"],
        "high": last["value"],
    }
    rows["come"] = [opening, closing]
    base = drawing.chart("come").encode(x=x)
    drawn = [base.mark_line(strokeDash=[2, 3], strokeWidth=2, color=color).encode(y=y)]
    if low is not None and high is not None:
        band = base.mark_area(opacity=0.18, color=color).encode(
            y=alt.Y("low:Q", title=None), y2=alt.Y2("high:Q")
        )
        drawn.insert(0, band)
    return drawn


def _midnight(day: date) -> alt.DateTime:
    return alt.DateTime(year=day.year, month=day.month, date=day.day, utc=True)


def _iso(day: date) -> str:
    return day.isoformat()


def _pixel(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)

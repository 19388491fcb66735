"""The chart of an anomaly: what a series cost, and what was to be expected of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from app.components import charts, drawing, formats, palette

_HEIGHT: Final = 260


def draw(days: Sequence[Mapping[str, Any]], currency: str, *, key: str, alt_text: str) -> None:
    """Draw days as in fct_anomaly_scores; amounts in `currency`. A day without one is a gap."""
    slots = palette.slots(charts.theme())
    actual, flag, grey = slots[0], slots[4], slots[8]
    rows = [
        {
            "day": day["usage_date"].isoformat(),
            "label": formats.day(day["usage_date"]),
            "cost": float(day["actual_cost"]),
            "expected": float(day["expected_cost"]),
            "low": float(day["lower_cost"]),
            "high": float(day["upper_cost"]),
            "flag": (day["reason"] or "ordinary").replace("_", " "),
        }
        for day in days
    ]
    x = alt.X(
        "day:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%-d %b", grid=False, tickCount=7, labelPadding=8),
    )
    axis = charts.money_axis(currency)
    base = drawing.chart("days").encode(x=x)
    y = alt.Y("cost:Q", title=None, axis=axis)
    tooltip = [
        alt.Tooltip("label:N", title="Day"),
        alt.Tooltip("cost:Q", title=f"Cost ({currency})", format=",.2f"),
        alt.Tooltip("expected:Q", title="Expected", format=",.2f"),
        alt.Tooltip("high:Q", title="Ordinary up to", format=",.2f"),
        alt.Tooltip("flag:N", title="Found"),
    ]
    layers = drawing.layered(
        [
            base.mark_area(opacity=0.22, color=grey).encode(
                y=alt.Y("low:Q", title=None, axis=axis), y2=alt.Y2("high:Q")
            ),
            base.mark_line(strokeDash=[5, 4], strokeWidth=1.5, color=grey).encode(
                y=alt.Y("expected:Q", title=None, axis=axis)
            ),
            base.mark_line(strokeWidth=2, color=actual).encode(y=y),
            base.mark_circle(size=30, opacity=1, color=actual).encode(y=y, tooltip=tooltip),
            base.transform_filter("datum.flag != 'ordinary'")
            .mark_circle(size=90, opacity=1, color=flag)
            .encode(y=y, tooltip=tooltip),
        ]
    )
    charts.legend(["Cost", "Flagged", "Expected, ordinary range shaded"], [actual, flag, grey])
    drawing.draw(
        charts.styled(
            layers, height=_HEIGHT, padding={"left": 0, "top": 6, "right": 8, "bottom": 0}
        ),
        {"days": rows},
        key=key,
        alt_text=alt_text,
    )

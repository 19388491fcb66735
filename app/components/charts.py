"""Charts: stacked costs by period. Floats only here, where they become pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.components import palette
from app.queries.tables import OTHER


def theme() -> str:
    """Return light or dark, as the visitor's theme is."""
    return "dark" if st.context.theme.type == "dark" else "light"


def stacked(
    rows: Sequence[dict[str, Any]], order: Sequence[str], currency: str, *, key: str, alt_text: str
) -> None:
    """Draw costs by period, stacked by group; figures that are not final have a pale fill."""
    frame = pd.DataFrame(
        [{**row, "cost": float(row["cost"]), "status": _status(row)} for row in rows]
    )
    frame["period"] = pd.to_datetime(frame["period"])
    is_open = (frame["status"] == "estimated").any()
    bars = (
        alt.Chart(frame)
        .mark_bar(strokeWidth=1, cornerRadiusTopLeft=1, cornerRadiusTopRight=1)
        .encode(
            x=alt.X(
                "yearmonthdate(period):T", title=None, axis=alt.Axis(format="%-d %b", grid=False)
            ),
            y=alt.Y("sum(cost):Q", title=currency, axis=alt.Axis(format="~s", tickCount=5)),
            color=_color(order),
            stroke=alt.Stroke("group:N", scale=_scale(order), legend=None),
            fillOpacity=alt.FillOpacity(
                "status:N",
                scale=alt.Scale(domain=["final", "estimated"], range=[1, 0.35]),
                legend=alt.Legend(title=None, orient="bottom") if is_open else None,
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("period:T", title="Day", format="%-d %b %Y"),
                alt.Tooltip("group:N", title="Group"),
                alt.Tooltip("cost:Q", title=currency, format=",.2f"),
                alt.Tooltip("status:N", title="Status"),
            ],
        )
        .transform_calculate(rank=_rank(order))
        .properties(height=320)
    )
    st.altair_chart(_styled(bars), key=key, alt=alt_text)


def _status(row: dict[str, Any]) -> str:
    return "final" if row["is_final"] else "estimated"


def _scale(order: Sequence[str]) -> alt.Scale:
    """Give groups their slots in order; Other is always the grey."""
    named = [group for group in order if group != OTHER][:8]
    padded = [*named, *(f"_{number}" for number in range(8 - len(named))), OTHER]
    return alt.Scale(domain=padded, range=list(palette.slots(theme())))


def _color(order: Sequence[str]) -> alt.Color:
    return alt.Color(
        "group:N",
        scale=_scale(order),
        legend=alt.Legend(
            values=list(order), title=None, symbolOpacity=1, orient="top", columns=4, labelLimit=220
        ),
    )


def _rank(order: Sequence[str]) -> str:
    names = ",".join("'" + group.replace("\\", "\\\\").replace("'", "\\'") + "'" for group in order)
    return f"indexof([{names}], datum.group)"


def _styled(chart: alt.Chart) -> Any:
    ink, lines = palette.INK[theme()], palette.LINES[theme()]
    return (
        chart.configure_axis(
            labelColor=ink, titleColor=ink, gridColor=lines, domainColor=lines, tickColor=lines
        )
        .configure_legend(labelColor=ink)
        .configure_view(strokeWidth=0)
    )

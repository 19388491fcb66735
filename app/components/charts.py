"""Charts of costs by period. Amounts become floats here, where they become pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from typing import Any

import altair as alt
import streamlit as st

from app.components import drawing, formats, palette
from app.queries.tables import OTHER

_OPEN_FILL = 0.35
# Makes a chart with its rows inside; takes properties to add, such as title and width.
Picture = Callable[..., dict[str, Any]]


def theme() -> str:
    """Return light or dark, as the visitor's theme is."""
    return "dark" if st.context.theme.type == "dark" else "light"


def costs(
    cells: Sequence[dict[str, Any]],
    order: Sequence[str],
    steps: Sequence[date],
    currency: str,
    *,
    owners: Sequence[str],
    key: str,
    alt_text: str,
    lines: bool = False,
    height: int = 300,
    on_pick: Any = None,
) -> Picture:
    """Draw costs by period, stacked or as lines; figures not final have a pale fill and an outline.

    Returns what makes the chart as drawn, with a legend of its own, for pictures.

    `steps` are all periods of the range: one without cells stays empty. `owners` are the groups
    that own the colours, in order, shown or not. `on_pick` is called when a
    segment is clicked, with the group in the state under `key`, selection `pick`.
    """
    shades = colors(order, owners)
    scale = alt.Scale(domain=list(order), range=shades)
    legend(order, shades, has_open=not lines and any(not cell["is_final"] for cell in cells))
    rows = {"cells": [_pixel(cell) for cell in cells]}
    base = drawing.chart("cells").encode(
        x=_periods(steps, padding=0 if lines else 0.14),
        y=alt.Y("cost:Q", title=None, axis=money_axis(currency), stack=None if lines else "zero"),
        color=alt.Color("group:N", scale=scale, legend=None),
        tooltip=[
            alt.Tooltip("label:N", title="From"),
            alt.Tooltip("group:N", title="Group"),
            alt.Tooltip("cost:Q", title=currency, format=",.2f"),
            alt.Tooltip("status:N", title="Status"),
        ],
    )
    if lines:
        chart = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18))
    else:
        chart = base.mark_bar(strokeWidth=1).encode(
            stroke=alt.Stroke("group:N", scale=scale, legend=None),
            fillOpacity=alt.FillOpacity(
                "status:O",
                scale=alt.Scale(domain=["final", "estimated"], range=[1, _OPEN_FILL]),
                legend=None,
            ),
            order=alt.Order("rank:Q"),
        )
        chart = chart.transform_calculate(rank=_rank(order))
    options: dict[str, Any] = {}
    if on_pick is not None and not lines:
        chart = chart.add_params(alt.selection_point(name="pick", fields=["group"]))
        options = {"on_select": on_pick, "selection_mode": "pick"}
    drawing.draw(
        styled(chart, height=height, padding={"left": 0, "top": 6, "right": 4, "bottom": 0}),
        rows,
        key=key,
        alt_text=alt_text,
        **options,
    )
    shade = theme()  # a picture is made when no page is there to ask
    named = alt.Color(
        "group:N",
        scale=scale,
        title=None,
        legend=alt.Legend(labelColor=palette.INK[shade], symbolOpacity=1),
    )
    return lambda **more: drawing.whole(
        styled(chart.encode(color=named), shade, height=height, **more), rows
    )


def _pixel(cell: dict[str, Any]) -> dict[str, Any]:
    return {
        "period": cell["period"].isoformat(),
        "label": formats.day(cell["period"]),
        "group": cell["group"],
        "cost": float(cell["cost"]),
        "status": "final" if cell["is_final"] else "estimated",
    }


def _periods(steps: Sequence[date], *, padding: float) -> alt.X:
    """Give every period a place, so that one without data shows as a gap."""
    day = "%b %Y" if len(steps) > 1 and (steps[1] - steps[0]).days > 7 else "%-d %b"
    return alt.X(
        "period:O",
        title=None,
        scale=alt.Scale(
            domain=[step.isoformat() for step in steps],
            # Lines stand on a point scale, which knows no inner padding.
            paddingInner=padding or alt.Undefined,
        ),
        axis=alt.Axis(
            labelExpr=f"utcFormat(toDate(datum.value), '{day}')",
            labelAngle=0,
            labelOverlap="greedy",
            labelSeparation=14,
            ticks=False,
            grid=False,
            labelPadding=8,
        ),
    )


def money_axis(currency: str, *, signed: bool = False) -> alt.Axis:
    """Return an axis of amounts in `currency`; with their sign also when positive if `signed`."""
    plus = "datum.value > 0 ? '+' : ''" if signed else "''"
    sign = formats.symbol(currency).replace("'", "")
    return alt.Axis(
        labelExpr=f"(datum.value < 0 ? '-' : {plus}) + '{sign}' + format(abs(datum.value), '~s')",
        tickCount=5,
        domain=False,
        ticks=False,
    )


def legend(order: Sequence[str], shades: Sequence[str], *, has_open: bool = False) -> None:
    """Draw the legend as text that wraps and that screen readers meet, unlike the chart's own."""
    mark = "display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.4rem;"
    items = [
        f'<span style="white-space:nowrap"><i style="{mark}background:{color}"></i>{escape(name)}'
        "</span>"
        for name, color in zip(order, shades, strict=True)
    ]
    if has_open:
        ink = palette.INK[theme()]
        items.append(
            f'<span style="white-space:nowrap"><i style="{mark}border:1px solid {ink};'
            f'background:{ink}40"></i>pale: not final</span>'
        )
    st.html(
        '<div style="display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;font-size:.85rem">'
        + "".join(items)
        + "</div>"
    )


def colors(order: Sequence[str], owners: Sequence[str]) -> list[str]:
    """Return the groups' colours: slots in the order of the owners, grey for the rest."""
    slots = palette.slots(theme())
    known = dict.fromkeys([*owners, *order])
    places = {group: number for number, group in enumerate(known)}
    return [slots[8] if group == OTHER else slots[places[group] % 8] for group in order]


def _rank(order: Sequence[str]) -> str:
    names = ",".join("'" + group.replace("\\", "\\\\").replace("'", "\\'") + "'" for group in order)
    return f"indexof([{names}], datum.group)"


def styled(drawn: Any, shade: str | None = None, **top: Any) -> dict[str, Any]:
    """Return a chart, or what `drawing.layered` made, with inks that can be read on a theme.

    `shade` is this theme unless said; `top` are properties of the whole: height, padding, title.
    """
    shade = shade or theme()
    ink, lines = palette.INK[shade], palette.LINES[shade]
    axis = {
        "labelColor": ink,
        "titleColor": ink,
        "gridColor": lines,
        "domainColor": lines,
        "tickColor": lines,
    }
    spec = drawn if isinstance(drawn, dict) else drawing.bare(drawn)
    return {**spec, **top, "config": {"axis": axis, "view": {"strokeWidth": 0}}}

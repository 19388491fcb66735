"""What a change of costs is made of: a waterfall of its drivers, and the services behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import altair as alt
import streamlit as st

from app.components import charts, drawing, formats, palette
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import drivers, periods
from app.queries.compiler import CostQuery
from app.queries.drivers import Step
from astraeus_pipeline.contracts.days import DayRange

_SERVICES: Final = 15
_MEANING: Final = (
    "New and gone: what only one of the periods has. Usage: more or less of the same, at the price"
    " before. Prices: the same usage, at another price. Commitments: their fees and unused parts,"
    " and what they save. All of them add up to the change exactly."
)


def draw(
    scope: Scope, query: CostQuery, compared: DayRange | None, now: Decimal, before: Decimal | None
) -> None:
    """Draw the drivers between the days compared and the days of the query."""
    if compared is None or before is None:
        st.caption("Nothing to compare with: choose days that have data before them.")
        return
    if not drivers.can_explain(query):
        st.caption(
            "Drivers are told of whole charges that have a service, a region and an account: not of"
            " those without, nor of the parts that a tag or a team has."
        )
        return
    rows = ask(drivers.compile_drivers(query, compared, scope.known, by_service=True))
    steps = drivers.waterfall(rows, before, now)
    st.caption(f"{periods.spell(query.days)} {periods.versus(query.days, compared)}. {_MEANING}")
    _waterfall(scope.currency, steps)
    left = drivers.residual(steps)
    if left:
        st.warning(
            f"The drivers miss the change by {formats.spelled(left)} {scope.currency}:"
            " please report this.",
            icon=":material/balance:",
        )
    _services(scope, rows)


def _waterfall(currency: str, steps: Sequence[Step]) -> None:
    slots = palette.slots(charts.theme())
    up, down, whole = slots[1], slots[2], slots[8]
    low, high = _view(steps)
    rows = [
        {
            "label": step.label,
            "start": low if step.is_total else float(step.start),
            "end": float(step.end),
            "amount": formats.exact(step.amount, currency),
            "kind": "total" if step.is_total else "more" if step.amount > 0 else "less",
            "text": formats.card(step.amount, currency)
            if step.is_total
            else formats.signed(step.amount, currency),
            "top": float(max(step.start, step.end)),
        }
        for step in steps
    ]
    # Lying, so that names and amounts have room on a phone too.
    y = alt.Y(
        "label:N",
        title=None,
        sort=[step.label for step in steps],
        axis=alt.Axis(labelLimit=150, ticks=False, domain=False, labelPadding=8),
    )
    bars = (
        drawing.chart("steps")
        .mark_bar(cornerRadius=2, height=18)
        .encode(
            y=y,
            x=alt.X(
                "start:Q",
                title=None,
                axis=charts.money_axis(currency),
                scale=alt.Scale(domain=[low, high], nice=False),
            ),
            x2="end:Q",
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=["total", "more", "less"], range=[whole, up, down]),
                legend=None,
            ),
            tooltip=[alt.Tooltip("label:N", title=""), alt.Tooltip("amount:N", title=currency)],
        )
    )
    words = (
        drawing.chart("steps")
        .mark_text(dx=6, align="left", fontSize=12, color=palette.INK[charts.theme()])
        .encode(y=y, x="top:Q", text="text:N")
    )
    largest = max(steps[1:-1], key=lambda step: abs(step.amount), default=None)
    finding = (
        "Nothing changed."
        if largest is None
        else f"The largest driver is {largest.label.lower()}:"
        f" {formats.exact(largest.amount, currency)}."
    )
    charts.legend(["Costs more", "Costs less"], [up, down])
    if low:
        st.caption("The axis does not begin at zero, so that the drivers can be seen.")
    drawing.draw(
        charts.styled(
            drawing.layered([bars, words]),
            height=30 * len(steps),
            padding={"left": 0, "top": 4, "right": 4, "bottom": 0},
        ),
        {"steps": rows},
        key="drivers",
        alt_text=f"From {formats.exact(steps[0].amount, currency)} to"
        f" {formats.exact(steps[-1].amount, currency)}. {finding}",
    )


def _view(steps: Sequence[Step]) -> tuple[float, float]:
    """Return the part of the axis that shows the drivers: from zero only where that hides none."""
    ends = [float(step.end) for step in steps] + [float(step.start) for step in steps[1:-1]]
    low, high = min(ends), max(ends)
    room = (high - low) or abs(high) or 1.0
    bottom = low - room * 0.35
    # To the right there is room for the amounts.
    return (min(low, 0.0) if bottom <= 0 else bottom), max(high + room * 0.3, 0.0)


def _services(scope: Scope, rows: Sequence[Mapping[str, Any]]) -> None:
    change = f"Change ({scope.currency})"
    st.dataframe(
        [
            {
                "Service": row["service"] or "No service",
                "Driver": drivers.DRIVERS.get(row["driver"], row["driver"]),
                change: row["delta"],
            }
            for row in rows[:_SERVICES]
        ],
        hide_index=True,
        height="content",
        column_config={change: st.column_config.NumberColumn(format="%+,.2f")},
        alt="The largest drivers by service",
    )
    if len(rows) > _SERVICES:
        st.caption(f"The largest {_SERVICES} of {len(rows)}.")

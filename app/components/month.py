"""The running month on the Dashboard: forecast, budget and unallocated cards, and its burn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import altair as alt
import streamlit as st

from app.components import cards, charts, drawing, formats, palette
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import month as queries
from app.queries import periods, tables
from app.queries.month import Point
from astraeus_pipeline.contracts.days import DayRange

_VIEWS: Final = ("Against pace", "Cumulative")


def forecast_card(current: Scope, month: DayRange, former: Decimal | None) -> None:
    """Draw what the month is forecast to cost: against the budget, or else the month before."""
    [found] = ask(queries.compile_forecast(month.first, current.currency, current.filters))
    [budget] = ask(queries.compile_budgets(month.first, current.currency))
    if found["forecast_cost"] is None:
        cards.figure(
            "Month forecast",
            "n/a",
            "not enough history",
            arrow="off",
            help_text="A forecast needs eight weeks of costs.",
        )
        return
    base = former if current.filters else budget["budget_amount"] or former
    against = "budget" if base is not None and base == budget["budget_amount"] else "last month"
    change, share = tables.change(found["forecast_cost"], base)
    band = None
    if found["lower_cost"] is not None:
        low, high = (
            formats.card(found[name], current.currency) for name in ("lower_cost", "upper_cost")
        )
        band = f"80 % range {formats.escaped(low)} to {formats.escaped(high)}. "
    cards.figure(
        "Month forecast",
        formats.card(found["forecast_cost"], current.currency),
        formats.delta(change, share, current.currency),
        note=f"vs {against}",
        color="inverse" if tables.is_material(share) else "off",
        help_text=f"{band or 'Bounds of several accounts do not add up: choose one for them. '}"
        f"Effective cost of usage, taxes and purchases of {found['accounts']} accounts, as of"
        f" {formats.day(found['as_of'])}; accounts without eight weeks of costs are not in it.",
    )


def budget_card(current: Scope, month: DayRange) -> None:
    """Draw the budget of everything, or how many of the others are in trouble."""
    [found] = ask(queries.compile_budgets(month.first, current.currency))
    if not found["budgets"]:
        cards.figure("Budgets", "none", "Set one under Budgets and alerts", arrow="off")
        return
    if found["used_percent"] is not None:
        ahead = found["ahead_points"]
        cards.figure(
            "Budget used",
            formats.percent(found["used_percent"]),
            None if ahead is None else f"{formats.percent(ahead, with_sign=True)[:-1]} pp",
            note="against the month elapsed",
            color="inverse" if tables.is_material(ahead) else "off",
            help_text=f"Of {formats.money(found['budget_amount'], current.currency)} for all costs"
            f" of the month. {found['in_trouble']} of {found['budgets']} budgets are over, forecast"
            " to be, or at risk.",
        )
        return
    cards.figure(
        "Budgets in trouble",
        f"{found['in_trouble']} of {found['budgets']}",
        "over, forecast to be, or at risk" if found["in_trouble"] else "all on track",
        arrow="off",
        help_text="Of the periods that this month lies in.",
    )


def unallocated_card(current: Scope, month: DayRange, before: DayRange) -> None:
    """Draw the share that no team bears."""
    now, then = (
        ask(queries.compile_unallocated(days, current.currency, current.basis, current.filters))[0]
        for days in (month, before)
    )
    share = now["unallocated_percent"]
    if share is None:
        cards.figure(
            "Unallocated",
            "n/a",
            "no rule finds a team",
            arrow="off",
            help_text="Rules under Budgets and alerts say which team bears which cost.",
        )
        return
    moved = tables.points(share, then["unallocated_percent"])
    cards.figure(
        "Unallocated",
        formats.percent(share),
        None if moved is None else f"{formats.percent(moved, with_sign=True)[:-1]} pp",
        note=periods.versus(month, before) if moved is not None else None,
        color="inverse" if tables.is_material(moved) else "off",
        help_text=f"{formats.money(now['unallocated_cost'], current.currency)} of the month to date"
        " is borne by no team.",
    )


def burn(
    current: Scope,
    through: DayRange,
    now: Sequence[dict[str, Any]],
    then: Sequence[dict[str, Any]],
) -> None:
    """Draw what the month has cost by day against an even pace, beside the month before.

    `now` and `then` are daily effective costs of this month and of the whole month before.
    """
    month = DayRange.of_month(through.first)
    former = DayRange.of_month(through.first - timedelta(days=1))
    [budget] = ask(queries.compile_budgets(month.first, current.currency))
    [forecast] = ask(queries.compile_forecast(month.first, current.currency, current.filters))
    is_budgeted = budget["budget_amount"] is not None and not current.filters
    earlier = tables.total(then) if then else None
    amount = budget["budget_amount"] if is_budgeted else earlier
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("The month so far", anchor=False, width="stretch")
        view = st.segmented_control(
            "Burn",
            _VIEWS if amount is not None else _VIEWS[1:],
            default=_VIEWS[0] if amount is not None else _VIEWS[1],
            key="burn",
            required=True,
            label_visibility="collapsed",
        )
    pace = "the budget" if is_budgeted else "last month's cost"
    is_plain = view == _VIEWS[1]
    st.caption(
        "Effective cost, added up day by day"
        + ("" if is_plain else f", less {pace} spread evenly over the month")
    )
    points = queries.burn(now, month, amount)
    if not points:
        st.caption("No day of this month has been delivered yet.")
        return
    # The month before is laid over this one by the number of the day; the 31st may have no place.
    shift = month.first - former.first
    past = [
        replace(point, day=point.day + shift)
        for point in queries.burn(then, former, amount)
        if point.day + shift <= month.last
    ]
    end = forecast["forecast_cost"]
    _draw(current.currency, month, points, past, amount, end, is_plain=bool(is_plain))


def _draw(
    currency: str,
    month: DayRange,
    points: Sequence[Point],
    past: Sequence[Point],
    amount: Decimal | None,
    end: Decimal | None,
    *,
    is_plain: bool,
) -> None:
    slots = palette.slots(charts.theme())
    blue, copper, grey = slots[0], slots[1], slots[8]
    x = alt.X(
        "day:T",
        title=None,
        scale=alt.Scale(type="utc", domain=[_iso(month.first), _iso(month.last)]),
        axis=alt.Axis(format="%-d %b", grid=False, tickCount=6, labelFlush=True, labelPadding=8),
    )
    y = alt.Y("value:Q", title=None, axis=charts.money_axis(currency, signed=not is_plain))
    names, shades, layers = ["This month"], [blue], []
    rows = {"now": _rows(points, is_plain)}
    if past:
        names, shades = [*names, "Last month"], [*shades, grey]
        rows["past"] = _rows(past, is_plain)
        layers.append(drawing.chart("past").mark_line(strokeWidth=1.5, color=grey).encode(x=x, y=y))
    if amount is not None:
        far = float(amount) if is_plain else 0.0
        rows["even"] = [
            {"day": _iso(month.first), "value": 0.0},
            {"day": _iso(month.last), "value": far},
        ]
        layers.append(
            drawing.chart("even")
            .mark_line(strokeDash=[5, 4], strokeWidth=1.2, color=palette.INK[charts.theme()])
            .encode(x=x, y=y)
        )
        names, shades = [*names, "Even pace"], [*shades, palette.INK[charts.theme()]]
    ending = end if is_plain else queries.over(end, amount)
    last = points[-1]
    if ending is not None and last.day < month.last:
        start = last.spent if is_plain else last.ahead
        rows["come"] = [
            {"day": _iso(last.day), "value": float(start or 0)},
            {"day": _iso(month.last), "value": float(ending)},
        ]
        layers.append(
            drawing.chart("come")
            .mark_line(strokeDash=[2, 3], strokeWidth=2, color=copper)
            .encode(x=x, y=y)
        )
        names, shades = [*names, "Forecast"], [*shades, copper]
    shown = drawing.chart("now").encode(x=x, y=y)
    layers += [
        shown.mark_line(strokeWidth=2.5, color=blue),
        shown.mark_circle(size=30, color=blue, opacity=1).encode(
            tooltip=[
                alt.Tooltip("label:N", title="Day"),
                alt.Tooltip("spent:Q", title="Spent so far", format=",.2f"),
                alt.Tooltip("ahead:Q", title="Ahead of pace", format="+,.2f"),
            ]
        ),
    ]
    charts.legend(names, shades)
    drawing.draw(
        charts.styled(
            drawing.layered(layers),
            height=260,
            padding={"left": 0, "top": 6, "right": 8, "bottom": 0},
        ),
        rows,
        key="month_burn",
        alt_text=_finding(currency, last, end),
    )


def _rows(points: Sequence[Point], is_plain: bool) -> list[dict[str, Any]]:
    return [
        {
            "day": _iso(each.day),
            "label": formats.day(each.day),
            "value": float((each.spent if is_plain else each.ahead) or 0),
            "spent": float(each.spent),
            "ahead": None if each.ahead is None else float(each.ahead),
        }
        for each in points
    ]


def _finding(currency: str, last: Point, end: Decimal | None) -> str:
    said = f"{formats.exact(last.spent, currency)} spent by {formats.day(last.day)}"
    if last.ahead is not None:
        where = "ahead of" if last.ahead > 0 else "behind"
        said += f", {formats.exact(abs(last.ahead), currency)} {where} an even pace"
    if end is not None:
        said += f"; {formats.exact(end, currency)} forecast for the month"
    return f"{said}."


def _iso(day: date) -> str:
    return day.isoformat()

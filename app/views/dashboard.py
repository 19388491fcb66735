"""Dashboard: the month, its forecast and budget, what changed, what needs attention."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import streamlit as st

from app.components import (
    attention,
    cards,
    charts,
    formats,
    header,
    links,
    scope,
    states,
    view_list,
)
from app.components import month as month_parts
from app.components.cache import ask
from app.components.scope import Scope
from app.components.tables import group_table
from app.queries import listings, periods, tables
from app.queries.compiler import CostQuery, compile_costs
from astraeus_pipeline.contracts.days import DayRange

WEEKS = 28


def page(current: Scope) -> None:
    """Draw the page."""
    view_list.draw(header.draw("Dashboard", current), "dashboard")
    links.warn()
    month = periods.period("Month to date", current.through)
    before = periods.month_before(month)
    weeks = DayRange(current.through - timedelta(days=WEEKS - 1), current.through)
    with states.guarded("The month"):
        if not _asked(current, DayRange(before.first, current.through), ()):
            states.nothing_matches(scope.reset)
            return
        _cards(current, month, before, weeks)
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The month's burn"):
        _burn(current, month)
    with right.container(border=True, height="stretch"), states.guarded("The biggest changes"):
        _changes(current, month, before)
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The daily cost"):
        _daily(current, weeks)
    with right.container(border=True, height="stretch"), states.guarded("What needs attention"):
        _attention(current)
    with st.container(border=True), states.guarded("The providers"):
        _providers(current, weeks)


def _cards(current: Scope, month: DayRange, before: DayRange, weeks: DayRange) -> None:
    currency = current.currency
    daily = _asked(current, weeks, (), by_day=True)
    now, then = _asked(current, month, ()), _asked(current, before, ())
    whole = _asked(replace(current, basis="effective"), _last_month(month), ())
    with cards.grid():
        cards.cost(
            "Month to date",
            tables.total(now),
            tables.total(then) if then else None,
            currency,
            versus=periods.versus(month, before),
            spark=tables.line(daily, list(weeks)),
            help_text=f"{periods.spell(month)}. The line is the last {WEEKS} days.",
        )
        month_parts.forecast_card(current, month, tables.total(whole) if whole else None)
        month_parts.budget_card(current, month)
        month_parts.unallocated_card(current, month, before)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{periods.spell(month)}: exactly {formats.money(tables.total(now), currency)}"
            + (
                f", {periods.versus(month, before)}: {formats.money(tables.total(then), currency)}."
                if then
                else f". No data for {periods.spell(before)}."
            ),
            width="stretch",
        )
        links.trace(month, current.filters)


def _burn(current: Scope, through: DayRange) -> None:
    effective = replace(current, basis="effective")
    month_parts.burn(
        current,
        through,
        _asked(effective, through, (), by_day=True),
        _asked(effective, _last_month(through), (), by_day=True),
    )


def _last_month(month: DayRange) -> DayRange:
    return DayRange.of_month(month.first - timedelta(days=1))


def _daily(current: Scope, weeks: DayRange) -> None:
    st.subheader("Daily cost by provider", anchor=False)
    rows = _asked(current, weeks, ("provider",), by_day=True)
    ranked = tables.compare("provider", tables.summed("provider", rows), None)
    cells = tables.charted("provider", rows, tables.named(ranked))
    order = tables.ordered(cells, current.provider_order)
    dearest = ranked[0]
    charts.costs(
        cells,
        order,
        list(weeks),
        current.currency,
        owners=current.provider_order,
        key="daily",
        alt_text=f"Daily cost by provider, {periods.spell(weeks)}. {dearest.group} costs the most:"
        f" {formats.exact(dearest.cost, current.currency)},"
        f" {formats.percent(dearest.share_percent)} of all.",
    )
    if share := tables.open_share(rows):
        amount = formats.card(tables.open_cost(rows), current.currency)
        states.not_final(formats.percent(share), amount)


def _changes(current: Scope, month: DayRange, before: DayRange) -> None:
    st.subheader("Biggest changes", anchor=False)
    st.caption(f"Services, {periods.spell(month)} {periods.versus(month, before)}")
    now, then = _asked(current, month, ("service",)), _asked(current, before, ("service",))
    found = tables.movers(tables.compare("service", now, then), 8) if then else []
    if found:
        group_table(
            found,
            "Service",
            current.currency,
            key="movers",
            columns=("change", "change_percent"),
            height="content",
            label_width=156,
            is_narrow=True,
        )
    else:
        st.caption("Nothing changed." if then else "There is nothing to compare with yet.")
    st.page_link(
        "views/costs.py",
        label="All services",
        icon=":material/arrow_forward:",
        query_params={**links.carried(), "by": "Service"},
    )


def _providers(current: Scope, weeks: DayRange) -> None:
    st.subheader(f"Last {WEEKS} days by provider", anchor=False)
    earlier = periods.days_before(weeks)
    st.caption(f"{periods.spell(weeks)} {periods.versus(weeks, earlier)}")
    rows = _asked(current, weeks, ("provider",), by_day=True)
    before = _asked(current, earlier, ("provider",))
    group_table(
        tables.compare("provider", tables.summed("provider", rows), before or None),
        "Provider",
        current.currency,
        key="providers",
        columns=("cost", "share_percent", "change_percent"),
        trends=tables.trends("provider", rows, list(weeks)),
        height="content",
        label_width=150,
    )
    st.caption(f"Total {formats.money(tables.total(rows), current.currency)}.")


def _attention(current: Scope) -> None:
    st.subheader("Needs attention", anchor=False)
    attention.draw(
        [
            *attention.late(header.late_accounts(current), current.through),
            *attention.held_back(ask(listings.HELD_BACK)),
            *attention.residuals(ask(listings.RESIDUALS)),
            *attention.breaches(ask(listings.BREACHES)),
            *attention.anomalies(ask(listings.ANOMALIES)),
            *attention.restated(ask(listings.RESTATED)),
        ]
    )


def _asked(
    current: Scope, days: DayRange, group_by: tuple[str, ...], *, by_day: bool = False
) -> list[dict[str, Any]]:
    """Ask for costs in the page's scope; no row where nothing was charged."""
    query = CostQuery(
        days,
        current.currency,
        current.basis,
        group_by,
        "day" if by_day else None,
        current.filters,
        final_through=current.final_through,
    )
    return [row for row in ask(compile_costs(query)) if row["cost"] is not None]


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)

"""Dashboard: the month so far, the last four weeks, what changed, what needs attention."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import streamlit as st

from app.components import charts, formats, header, states
from app.components.cache import ask
from app.components.scope import Scope
from app.components.tables import group_table
from app.queries import listings, periods, tables
from app.queries.compiler import CostQuery, compile_costs
from astraeus_pipeline.contracts.days import DayRange

WEEKS = 28


def page(scope: Scope) -> None:
    """Draw the page."""
    header.draw("Dashboard", scope)
    month = periods.period("Month to date", scope.through)
    before = periods.compared(month, "Previous period")
    with states.guarded("The month"):
        _cards(scope, month, before)
    left, right = st.columns([5, 3])
    with left, st.container(border=True), states.guarded("The last 28 days"):
        _by_provider(scope)
    with right, st.container(border=True), states.guarded("The biggest changes"):
        _changes(scope, month, before)
    with st.container(border=True), states.guarded("What needs attention"):
        _attention(scope)


def _cards(scope: Scope, month: DayRange, before: DayRange | None) -> None:
    now, then = _sum(scope, month), _sum(scope, before) if before else None
    days = ask(
        compile_costs(
            CostQuery(
                _weeks(scope), scope.currency, scope.basis, grain="day", filters=scope.filters
            )
        )
    )
    four_weeks = tables.total(days)
    earlier = _sum(scope, periods.compared(_weeks(scope), "Previous period"))
    with st.container(horizontal=True):
        _card("Month to date", now, then, scope, periods.spell(month), before, days)
        _card("Last 28 days", four_weeks, earlier, scope, periods.spell(_weeks(scope)), None, None)
        average = tables.average(four_weeks, len(days))
        st.metric(
            "Daily average, 28 days",
            formats.card(average, scope.currency),
            border=True,
            height="stretch",
            help="Over the days that have charges",
        )
        held = sum(row["blocked_days"] or 0 for row in scope.known)
        st.metric(
            "Days held back",
            held,
            border=True,
            height="stretch",
            help="Blocked by rows in quarantine or refused as suspicious; none is in the figures",
        )
    st.caption(
        f"{periods.spell(month)}"
        + (f" compared with {periods.spell(before)}." if before else ".")
        + " Exactly: "
        + formats.exact(now, scope.currency)
    )


def _card(
    label: str,
    now: Decimal | None,
    before: Decimal | None,
    scope: Scope,
    period: str,
    compared: DayRange | None,
    spark: list[dict[str, Any]] | None,
) -> None:
    delta, percent = tables.change(now or Decimal(0), before)
    material = tables.is_material(percent)
    st.metric(
        label,
        formats.card(now, scope.currency),
        formats.delta(delta, percent, scope.currency),
        delta_color="inverse" if material else "off",
        border=True,
        height="stretch",
        help=f"{period}"
        + (f", against {periods.spell(compared)}" if compared else ", against the days before"),
        chart_data=[float(row["cost"]) for row in spark] if spark else None,
        chart_type="area",
    )


def _by_provider(scope: Scope) -> None:
    st.subheader("Last 28 days by provider", anchor=False)
    query = CostQuery(
        _weeks(scope), scope.currency, scope.basis, ("provider",), "day", scope.filters
    )
    rows = ask(compile_costs(query))
    if not rows:
        states.nothing_matches()
        return
    ranked = tables.compare("provider", tables.summed("provider", rows), None)
    order = [each.group for each in ranked]
    alt_text = f"Daily cost by provider, {periods.spell(_weeks(scope))}; the dearest is {order[0]}."
    charts.stacked(
        tables.charted("provider", rows, ranked),
        order,
        scope.currency,
        key="weeks",
        alt_text=alt_text,
    )
    open_cost = tables.open_share(rows)
    if open_cost:
        states.not_final(formats.percent(open_cost))


def _changes(scope: Scope, month: DayRange, before: DayRange | None) -> None:
    st.subheader("Biggest changes", anchor=False)
    if before is None:
        return
    st.caption(f"Services, {periods.spell(month)} against {periods.spell(before)}")
    now, then = _by_service(scope, month), _by_service(scope, before)
    found = tables.movers(tables.compare("service", now, then), 8)
    if not found:
        st.caption("Nothing changed.")
        return
    group_table(
        found, "Service", scope.currency, key="movers", columns=("change", "change_percent")
    )
    st.page_link("views/costs.py", label="All services", icon=":material/arrow_forward:")


def _attention(scope: Scope) -> None:
    st.subheader("Needs attention", anchor=False)
    lines = [*_late(scope), *_held(), *_residuals(), *_restated()]
    for line in lines or ["Nothing: every account has delivered, and every day ties out."]:
        st.markdown(f"- {line}")


def _late(scope: Scope) -> list[str]:
    newest = max(row["data_through"] for row in scope.known if row["data_through"])
    return [
        f"**{row['account_id']}** is late: data through {formats.day(row['data_through'])},"
        f" others through {formats.day(newest)}."
        for row in scope.known
        if row["state"] == "active"
        and (row["data_through"] is None or newest - row["data_through"] > timedelta(days=2))
    ]


def _held() -> list[str]:
    words = {"blocked": "blocked by rows in quarantine", "refused": "refused as suspicious"}
    return [
        f"**{row['account_id']}**: {row['days']} days"
        f" ({periods.spell(DayRange(row['first_day'], row['last_day']))})"
        f" {words.get(row['state'], 'missing between delivered days')}."
        for row in ask(listings.HELD_BACK)
    ]


def _residuals() -> list[str]:
    return [
        f"**{row['account_id']}** does not tie out: residual {formats.spelled(row['residual'])} in"
        f" {row['deliveries']} refused deliveries."
        for row in ask(listings.RESIDUALS)
    ]


def _restated() -> list[str]:
    return [
        f"**{row['account_id']}** restated {row['days']} days"
        f" ({periods.spell(DayRange(row['first_day'], row['last_day']))}):"
        f" {formats.exact(row['old_cost'], row['currency'])} became"
        f" {formats.exact(row['new_cost'], row['currency'])}."
        for row in ask(listings.RESTATED)
    ]


def _by_service(scope: Scope, days: DayRange) -> list[dict[str, Any]]:
    return ask(
        compile_costs(
            CostQuery(days, scope.currency, scope.basis, ("service",), filters=scope.filters)
        )
    )


def _sum(scope: Scope, days: DayRange | None) -> Decimal | None:
    if days is None:
        return None
    query = CostQuery(days, scope.currency, scope.basis, filters=scope.filters)
    cost: Decimal | None = ask(compile_costs(query))[0]["cost"]
    return cost


def _weeks(scope: Scope) -> DayRange:
    return DayRange(scope.through - timedelta(days=WEEKS - 1), scope.through)


if (current := st.session_state.get("scope")) is not None:
    page(current)

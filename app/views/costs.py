"""Costs: any period, grouped, compared, drilled into, exported."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from app.components import charts, formats, header, states
from app.components.cache import ask
from app.components.scope import Scope
from app.components.tables import group_table
from app.queries import periods, tables
from app.queries.catalog import DIMENSIONS, Dimension, Grain, dimension_of
from app.queries.compiler import CostQuery, compile_costs
from app.queries.export import as_csv
from app.queries.tables import GroupCost
from astraeus_pipeline.contracts.days import DayRange

# Where a click on a group leads.
_DRILL: Final = {
    "Provider": "Account",
    "Account": "Service",
    "Service category": "Service",
    "Service": "Region",
}
_GRAINS: Final = ("Day", "Week", "Month")
_MAX_DAILY: Final = 92


def page(scope: Scope) -> None:
    """Draw the page."""
    header.draw("Costs", scope)
    days, compared, dimension, grain = _controls(scope)
    drilled = _chips()
    filters = (*scope.filters, *drilled)
    with states.guarded("The costs"):
        query = CostQuery(days, scope.currency, scope.basis, (dimension.key,), filters=filters)
        now = ask(compile_costs(query))
        if not now:
            states.nothing_matches()
            st.button("Reset filters", on_click=_reset)
            return
        before = _before(query, compared)
        groups = tables.compare(dimension.key, now, before)
        whole = tables.total(now)
        _cards(scope, days, compared, groups, whole, before)
        _chart(scope, query, grain, groups, dimension)
        _table(scope, days, groups, whole, dimension)


def _controls(scope: Scope) -> tuple[DayRange, DayRange | None, Dimension, Grain]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Period", periods.PRESETS, key="period", bind="query-params", width=170)
        by = st.selectbox(
            "Group by",
            [each.label for each in DIMENSIONS.values()],
            key="by",
            bind="query-params",
            width=180,
        )
        how = st.selectbox(
            "Compare", periods.COMPARISONS, key="cmp", bind="query-params", width=170
        )
        grain = st.segmented_control(
            "Grain", _GRAINS, default="Day", key="grain", bind="query-params", required=True
        )
        custom = _custom(scope) if name == "Custom" else None
    days = periods.period(str(name), scope.through, custom)
    chosen: Grain = "week" if grain == "Week" else "month" if grain == "Month" else "day"
    if chosen == "day" and len(days) > _MAX_DAILY:
        chosen = "week"
        st.caption(f"More than {_MAX_DAILY} days are drawn by week.")
    return days, periods.compared(days, str(how)), dimension_of(str(by)), chosen


def _custom(scope: Scope) -> tuple[date, date] | None:
    default = (scope.through - timedelta(days=6), scope.through)
    picked = st.date_input("Days", default, key="dates", bind="query-params", width=230)
    # Half a range is a tuple of one while the person is still choosing.
    if isinstance(picked, tuple) and len(picked) == 2:
        return picked[0], picked[1]
    return default


def _chips() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Show what was drilled into; a click takes it back."""
    drilled: dict[str, str] = st.session_state.setdefault("drilled", {})
    if drilled:
        with st.container(horizontal=True):
            for key, value in list(drilled.items()):
                st.button(
                    f"{DIMENSIONS[key].label}: {value}",
                    icon=":material/close:",
                    key=f"chip_{key}",
                    on_click=_undrill,
                    args=(key,),
                )
    return tuple((key, (value,)) for key, value in drilled.items())


def _undrill(key: str) -> None:
    st.session_state.drilled.pop(key, None)
    st.session_state.by = DIMENSIONS[key].label


def _reset() -> None:
    st.session_state.drilled = {}
    st.session_state.provider, st.session_state.account = [], []
    st.session_state.period = periods.PRESETS[0]


def _before(query: CostQuery, compared: DayRange | None) -> list[dict[str, Any]] | None:
    if compared is None:
        return None
    return ask(
        compile_costs(
            CostQuery(compared, query.currency, query.basis, query.group_by, filters=query.filters)
        )
    )


def _cards(
    scope: Scope,
    days: DayRange,
    compared: DayRange | None,
    groups: list[GroupCost],
    whole: Decimal,
    before: list[dict[str, Any]] | None,
) -> None:
    delta, percent = tables.change(whole, None if before is None else tables.total(before))
    with st.container(horizontal=True):
        st.metric(
            "Total",
            formats.exact(whole, scope.currency),
            formats.delta(delta, percent, scope.currency),
            delta_color="inverse" if tables.is_material(percent) else "off",
            border=True,
            height="stretch",
        )
        st.metric(
            "Daily average",
            formats.exact(tables.average(whole, len(days)), scope.currency),
            border=True,
            height="stretch",
        )
        largest = groups[0]
        st.metric(
            f"Largest: {largest.group}",
            formats.exact(largest.cost, scope.currency),
            formats.percent(largest.share_percent),
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
    st.caption(
        periods.spell(days)
        + (f" compared with {periods.spell(compared)}" if compared else "")
        + "."
    )


def _chart(
    scope: Scope, query: CostQuery, grain: Grain, groups: list[GroupCost], dimension: Dimension
) -> None:
    rows = ask(
        compile_costs(
            CostQuery(query.days, query.currency, query.basis, query.group_by, grain, query.filters)
        )
    )
    shown = tables.charted(dimension.key, rows, groups)
    order = [each.group for each in groups[: tables.CHART_GROUPS]]
    if any(row["group"] == tables.OTHER for row in shown):
        order.append(tables.OTHER)
    alt_text = (
        f"Cost by {dimension.label.lower()}, {periods.spell(query.days)}; the dearest is"
        f" {groups[0].group} with {formats.exact(groups[0].cost, scope.currency)}."
    )
    with st.container(border=True):
        charts.stacked(shown, order, scope.currency, key="chart", alt_text=alt_text)
        share = tables.open_share(rows)
        if share:
            states.not_final(formats.percent(share))


def _table(
    scope: Scope, days: DayRange, groups: list[GroupCost], whole: Decimal, dimension: Dimension
) -> None:
    key = f"table_{dimension.key}_{len(st.session_state.get('drilled', {}))}"
    leads = _DRILL.get(dimension.label)
    group_table(
        groups,
        dimension.label,
        scope.currency,
        key=key,
        columns=("cost", "share_percent", "previous", "change", "change_percent"),
        on_select=lambda: _drill(key, dimension, groups) if leads else None,
    )
    st.caption(
        f"Total {formats.exact(whole, scope.currency)} in {len(groups)} rows; {scope.sentence()}."
        + (f" Select a row to see its costs by {leads.lower()}." if leads else "")
    )
    st.download_button(
        "Download CSV",
        data=lambda: as_csv(groups, dimension.label, scope.currency, whole),
        file_name=f"costs_{dimension.key}_{days.first}_{days.last}_{scope.currency}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _drill(key: str, dimension: Dimension, groups: list[GroupCost]) -> None:
    picked = st.session_state[key].selection.rows
    if picked:
        st.session_state.drilled[dimension.key] = groups[picked[0]].group
        st.session_state.by = _DRILL[dimension.label]


if (current := st.session_state.get("scope")) is not None:
    page(current)

"""Trace: from a figure to the rows, the charges, the provider's own totals and what it sent."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.components import access, filters, header, links, states, trace, view_list
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import periods
from app.queries.compiler import CostQuery
from app.queries.trace import compile_deliveries, compile_figure


def page(scope: Scope) -> None:
    """Draw the page."""
    slot = header.draw("Trace", scope)
    access.by_account_only()
    found = None
    with states.guarded("The figure"):
        found = _figure(scope, slot)
    if found is None:
        return
    query, figure, lines = found
    chosen = None
    with st.container(border=True), states.guarded("The deliveries"):
        chosen = trace.deliveries(query, figure, lines)
    if chosen is not None:
        with st.container(border=True), states.guarded("The delivery"):
            trace.delivery(query, chosen)
    with st.container(border=True), states.guarded("The charges"):
        trace.charges(query, figure, chosen)


def _figure(
    scope: Scope, slot: DeltaGenerator
) -> tuple[CostQuery, dict[str, Any], list[dict[str, Any]]] | None:
    """Draw what is asked and its figure; return both, and the deliveries behind it, if any."""
    query = _query(scope)
    view_list.draw(slot, "trace", links.fixed(query.days, links.TRACED))
    links.warn()
    filters.chips(query, links.TRACED)
    [figure] = ask(compile_figure(query))
    if figure["cost"] is None:
        states.nothing_matches(partial(filters.reset, links.TRACED))
        return None
    lines = ask(compile_deliveries(query))
    trace.figure(query, figure, lines)
    return query, figure, lines


def _query(scope: Scope) -> CostQuery:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        month = periods.period("Month to date", scope.through)
        days = filters.days((month.first, month.last), links.TRACED)
        tag, of_tag = filters.tagged(scope.currency, "", links.TRACED)
        wanted = (*filters.more(scope, links.TRACED), *of_tag)
        st.page_link(
            "views/costs.py",
            label="Back to Costs",
            icon=":material/arrow_back:",
            query_params=links.to_slice(days, wanted, tag=tag.key if tag else None),
        )
    return CostQuery(
        days,
        scope.currency,
        scope.basis,
        filters=wanted,
        tag=tag,
        final_through=scope.final_through,
    )


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)

"""The filters of the Costs page: a multiselect per dimension, kept in the URL, and chips."""

from __future__ import annotations

from datetime import date
from typing import Final

import streamlit as st

from app.components import formats, links, scope
from app.components.cache import ask
from app.components.scope import Scope
from app.queries.catalog import DIMENSIONS, Dimension
from app.queries.compiler import Filters, compile_members
from astraeus_pipeline.contracts.days import DayRange

# Provider and account filter every page, from the sidebar.
MORE: Final = ("category", "service", "sub_account", "region", "charge")
# Where a click on a group leads.
DRILL: Final = {
    "provider": "service",
    "category": "service",
    "service": "account",
    "account": "region",
    "sub_account": "service",
    "charge": "service",
}


def days(default: tuple[date, date], prefix: str = "") -> DayRange:
    """Draw the choice of any days; return them."""
    name = f"{prefix}dates"
    picked = st.date_input("Days (UTC)", default, key=name, bind="query-params", width=230)
    # Half a range is a tuple of one while the person is still choosing; so is a single day that
    # comes from an address, where equal values are kept once.
    chosen = picked if isinstance(picked, tuple) else (picked,)
    known = [day for day in chosen if day is not None] or default
    links.check({name: [str(day) for day in known]})
    return DayRange(min(known), max(known))


def more(current: Scope, prefix: str = "") -> Filters:
    """Draw the page's own filters; return them with the scope's.

    On the way to another page Streamlit drops from the address what the page before has bound, so
    pages that lead to each other need names of their own: `prefix` is before each.
    Raises: DatabaseError.
    """
    chosen = {}
    with st.popover("Filters", icon=":material/filter_list:"):
        for key in MORE:
            members = [row["member"] for row in ask(compile_members(key, current.currency))]
            chosen[key] = st.multiselect(
                DIMENSIONS[key].label,
                members,
                key=f"{prefix}{key}",
                bind="query-params",
                placeholder="All",
                width=320,
            )
    links.check({f"{prefix}{key}": values for key, values in chosen.items()})
    return (*current.filters, *((key, tuple(each)) for key, each in chosen.items() if each))


def chips(filters: Filters, prefix: str = "") -> None:
    """Show every filter that is set; a click takes it back."""
    if not filters:
        return
    with st.container(horizontal=True, gap="xsmall"):
        for key, values in filters:
            names = ", ".join(values[:2]) + (f" and {len(values) - 2} more" if values[2:] else "")
            st.button(
                f"{DIMENSIONS[key].label}: {formats.escaped(names)}",
                icon=":material/close:",
                icon_position="right",
                key=f"chip_{key}",
                on_click=take_back,
                args=(key, prefix),
                help="Remove this filter",
            )
        st.button(
            "Reset",
            icon=":material/restart_alt:",
            type="tertiary",
            on_click=reset,
            args=(prefix,),
        )


def drill(dimension: Dimension, group: str) -> None:
    """Filter by a group and group by what lies below it; for callbacks."""
    if group in [row["member"] for row in _members(dimension)]:
        st.session_state[dimension.key] = [group]
        if below := DRILL.get(dimension.key):
            st.session_state.by = DIMENSIONS[below].label


def take_back(key: str, prefix: str = "") -> None:
    """Remove a filter and group by its dimension again, where groups are; for callbacks."""
    st.session_state[f"{prefix}{key}" if key in MORE else key] = []
    if not prefix:
        st.session_state.by = DIMENSIONS[key].label


def reset(prefix: str = "") -> None:
    """Remove all filters; for callbacks."""
    scope.reset()
    for key in MORE:
        st.session_state[f"{prefix}{key}"] = []


def _members(dimension: Dimension) -> list[dict[str, str]]:
    return ask(compile_members(dimension.key, st.session_state.ccy))

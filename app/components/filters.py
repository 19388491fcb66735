"""The filters of the Costs page: a multiselect per dimension, kept in the URL, and chips."""

from __future__ import annotations

from datetime import date
from typing import Final

import streamlit as st

from app.components import formats, links, scope
from app.components.cache import ask
from app.components.scope import Scope
from app.queries.catalog import DIMENSIONS, Dimension, Tag
from app.queries.compiler import TAG_KEYS, CostQuery, Filters, compile_members
from astraeus_pipeline.contracts.days import DayRange

# Provider and account filter every page, from the sidebar.
MORE: Final = ("category", "service", "sub_account", "region", "charge")
# Who bears costs; drawn where they are grouped by or filtered by, as few installations have all.
BORNE: Final = ("team", "cost_center", "environment")
# A tag has two names in the address: its key, which costs are grouped by, and the values wanted.
TAG_KEY: Final = "tag"
TAG_VALUES: Final = "tagged"
# Where a click on a group leads.
DRILL: Final = {
    "provider": "service",
    "category": "service",
    "service": "account",
    "account": "region",
    "sub_account": "service",
    "charge": "service",
    "team": "service",
    "cost_center": "service",
    "environment": "service",
    "tag": "service",
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


def borne(currency: str, by: str) -> Filters:
    """Draw the filters by who bears costs, as far as they are in use; `by` is what groups.

    Raises: DatabaseError.
    """
    chosen = {}
    for key in BORNE:
        if key != by and not _is_asked(key):
            continue
        members = [row["member"] for row in ask(compile_members(key, currency))]
        chosen[key] = st.multiselect(
            DIMENSIONS[key].label,
            members,
            key=key,
            bind="query-params",
            placeholder="All",
            width=190,
        )
    links.check(chosen)
    return tuple((key, tuple(of)) for key, of in chosen.items() if of)


def tagged(currency: str, by: str, prefix: str = "") -> tuple[Tag | None, Filters]:
    """Draw the choice of a tag and of its values, if it is in use; return both.

    The key is as tags are compared: without case, separators and the prefix `user:`.
    Raises: DatabaseError.
    """
    key_name, values_name = f"{prefix}{TAG_KEY}", f"{prefix}{TAG_VALUES}"
    if by != "tag" and not _is_asked(values_name):
        return None, ()
    known = {row["tag_key"]: tuple(row["spellings"]) for row in ask(TAG_KEYS)}
    key = st.selectbox(
        "Tag",
        list(known),
        key=key_name,
        bind="query-params",
        width=190,
        placeholder="No charge has a tag",
        help="Spellings of one key are one tag: `Cost-Center` is `cost_center`.",
    )
    tag = Tag(key, known[key]) if key in known else None
    members = [row["member"] for row in ask(compile_members("tag", currency, tag))]
    values = st.multiselect(
        "Its values", members, key=values_name, bind="query-params", placeholder="All", width=190
    )
    links.check({key_name: [key] if key else [], values_name: values})
    return tag, ((("tag", tuple(values)),) if values else ())


def _is_asked(name: str) -> bool:
    """Whether a widget that is not always drawn has values, in this session or in the address."""
    return bool(st.session_state.get(name)) or name in st.query_params


def chips(query: CostQuery, prefix: str = "") -> None:
    """Show every filter that is set; a click takes it back."""
    filters = query.filters
    if not filters:
        return
    with st.container(horizontal=True, gap="xsmall"):
        for key, values in filters:
            names = ", ".join(values[:2]) + (f" and {len(values) - 2} more" if values[2:] else "")
            st.button(
                f"{formats.escaped(query.label_of(key))}: {formats.escaped(names)}",
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


def drill(dimension: Dimension, group: str, tag: Tag | None = None) -> None:
    """Filter by a group and group by what lies below it; for callbacks."""
    statement = compile_members(dimension.key, st.session_state.ccy, tag)
    if group in [row["member"] for row in ask(statement)]:
        st.session_state[_name(dimension.key)] = [group]
        if below := DRILL.get(dimension.key):
            st.session_state.by = DIMENSIONS[below].label


def take_back(key: str, prefix: str = "") -> None:
    """Remove a filter and group by its dimension again, where groups are; for callbacks."""
    st.session_state[f"{prefix}{_name(key)}" if key in (*MORE, "tag") else key] = []
    if not prefix:
        st.session_state.by = DIMENSIONS[key].label


def reset(prefix: str = "") -> None:
    """Remove all filters; for callbacks."""
    scope.reset()
    for key in (*MORE, TAG_VALUES, *(() if prefix else BORNE)):
        st.session_state[f"{prefix}{key}"] = []


def _name(key: str) -> str:
    """Return the name of a dimension's filter in the address."""
    return TAG_VALUES if key == "tag" else key

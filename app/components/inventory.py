"""The filters of the Resources page, kept in the URL, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from app.components import formats, links, scope
from app.components.cache import ask
from app.queries.resources import (
    FACETS,
    ORDERS,
    STATUSES,
    TAG_KEYS,
    ResourceQuery,
    compile_members,
)

# Provider and account filter every page, from the sidebar.
_OWN: Final = ("type", "region")
_FLAGS: Final = {"Idle": "orange", "New": "blue", "No owner": "red", "Gone": "gray"}
_TYPES_SHOWN: Final = 8
_TYPES_HEIGHT: Final = 318  # pixels: a heading and as many rows


def draw(bill: ResourceQuery) -> ResourceQuery:
    """Draw the filters and return the question, narrowed by them. Raises: DatabaseError."""
    status = st.segmented_control(
        "Status",
        list(STATUSES),
        default="Active",
        key="status",
        bind="query-params",
        required=True,
        on_change=first_page,
        help="  \n".join(f"**{each.label}**: {each.description}" for each in STATUSES.values()),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            type="search",
            placeholder="Name, id, size, tag",
            icon=":material/search:",
            on_change=first_page,
            width=250,
        )
        chosen = {key: _facet(key) for key in _OWN}
        keys = [row["member"] for row in ask(TAG_KEYS)]
        tags = st.multiselect(
            "Has tag",
            keys,
            key="tag",
            bind="query-params",
            placeholder="Any",
            on_change=first_page,
            width=165,
        )
        order = st.selectbox(
            "Sort by",
            list(ORDERS),
            key="sort",
            bind="query-params",
            on_change=first_page,
            width=120,
        )
    links.check({"status": [str(status)], "tag": tags, "sort": [order], **chosen})
    own = tuple((key, tuple(each)) for key, each in chosen.items() if each)
    return replace(
        bill,
        status=str(status),
        filters=(*bill.filters, *own),
        tag_keys=tuple(tags),
        words=tuple((text or "").split()),
        order=order,
    )


def first_page() -> None:
    """Go back to the first page, when what is listed changes; for callbacks."""
    st.session_state.page = 1


def reset() -> None:
    """Take back all filters; for callbacks."""
    scope.reset()
    for key in (*_OWN, "tag"):
        st.session_state[key] = []
    st.session_state.q = ""
    st.session_state.status = "Active"
    first_page()


def table(rows: Sequence[dict[str, Any]], currency: str, *, key: str, on_select: Any) -> None:
    """Draw a page of resources; costs are Decimal in `currency`, none where the bill has none."""
    cost = _cost_heading(currency)
    st.dataframe(
        [
            {
                "Resource": name(row),
                "Provider": row["provider_name"],
                "Type": row["resource_type"],
                "Account": row["account_id"],
                "Region": row["region_id"] or "Global",
                "Size": size(row),
                "Owner": row["owner"],
                "Notes": flags(row),
                cost: row["cost"],
            }
            for row in rows
        ],
        hide_index=True,
        key=key,
        height="content",
        placeholder="",
        on_select=on_select,
        selection_mode="single-row",
        alt=f"Cloud resources with their cost in {currency}; the same as text below",
        column_config={
            "Resource": st.column_config.TextColumn(width=178, pinned=True),
            "Provider": st.column_config.TextColumn(width=64),
            "Type": st.column_config.TextColumn(width=120),
            "Account": st.column_config.TextColumn(width=100),
            "Region": st.column_config.TextColumn(width=90),
            "Size": st.column_config.TextColumn(width=104),
            "Owner": st.column_config.TextColumn(width=70),
            "Notes": st.column_config.MultiselectColumn(
                width=136, options=list(_FLAGS), color=list(_FLAGS.values())
            ),
            cost: st.column_config.NumberColumn(format="%,.2f", width=92),
        },
    )


def as_text(rows: Sequence[dict[str, Any]], currency: str) -> None:
    """Draw the same page as text, which screen readers and the browser's search can read."""
    st.table(
        [
            {
                "Resource": formats.escaped(name(row)),
                "Type": formats.escaped(row["resource_type"] or ""),
                "Account": formats.escaped(row["account_id"]),
                "Region": formats.escaped(row["region_id"] or "Global"),
                "Size": formats.escaped(size(row) or ""),
                "Notes": ", ".join(flags(row)),
                _cost_heading(currency): "n/a" if row["cost"] is None else f"{row['cost']:,.2f}",
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )


def attribution_table(rows: Sequence[dict[str, Any]], currency: str) -> None:
    """Draw which part of each provider's bill belongs to resources; amounts in `currency`."""
    columns = {
        "Inventory": ("in_inventory", "Resources that an inventory has"),
        "Other": ("elsewhere", "Resources that no inventory has"),
        "Unnamed": ("without", "The bill names no resource: Cost Explorer never does, exports do"),
        f"All ({currency})": ("cost", "The whole bill, as in Costs"),
    }
    st.dataframe(
        [
            {
                "Provider": row["provider"],
                "By resource": row["named_percent"],
                **{heading: row[column] for heading, (column, _) in columns.items()},
            }
            for row in rows
        ],
        hide_index=True,
        height="content",
        key="attribution",
        placeholder="n/a",
        alt=f"Cost in {currency} by provider, and how much of it belongs to resources",
        column_config={
            "Provider": st.column_config.TextColumn(width=128),
            "By resource": st.column_config.ProgressColumn(
                format="%.1f%%", min_value=0, max_value=100, color="primary", width=108
            ),
            **{
                heading: st.column_config.NumberColumn(format="%,.2f", width=88, help=text)
                for heading, (_, text) in columns.items()
            },
        },
    )


def types_table(rows: Sequence[dict[str, Any]], *, key: str, on_select: Any) -> None:
    """Draw how many resources there are of each type, the most first."""
    st.dataframe(
        [{"Type": row["resource_type"], "Resources": row["resources"]} for row in rows],
        hide_index=True,
        height="content" if len(rows) <= _TYPES_SHOWN else _TYPES_HEIGHT,
        key=key,
        on_select=on_select,
        selection_mode="single-row",
        alt="Resources by type",
        column_config={
            "Type": st.column_config.TextColumn(width=150),
            "Resources": st.column_config.ProgressColumn(
                format="%d",
                min_value=0,
                max_value=max(row["resources"] for row in rows),
                color="primary",
            ),
        },
    )


def pick_type(key: str, rows: Sequence[dict[str, Any]]) -> None:
    """Filter by the type that was selected; for callbacks."""
    for number in st.session_state[key].selection.rows[:1]:
        st.session_state.type = [rows[number]["resource_type"]]
        first_page()


def name(row: dict[str, Any]) -> str:
    """Return what people call the resource; its id where it has no name."""
    return row["resource_name"] or str(row["resource_id"])


def size(row: dict[str, Any]) -> str | None:
    """Spell the size: class, GiB and speed as far as the provider tells them."""
    parts = [
        row["instance_type"],
        None if row["size_gb"] is None else f"{row['size_gb'].normalize():,f} GiB",
        None if row["iops"] is None else f"{row['iops']:,} IOPS",
    ]
    return ", ".join(part for part in parts if part) or None


def flags(row: dict[str, Any]) -> list[str]:
    """Return what is remarkable about the resource."""
    if not row["is_active"]:
        return ["Gone"]
    found = (("Idle", row["is_idle"]), ("New", row["is_new"]), ("No owner", not row["has_owner"]))
    return [label for label, holds in found if holds]


def _cost_heading(currency: str) -> str:
    return f"Cost ({currency})"


def _facet(key: str) -> list[str]:
    members = [row["member"] for row in ask(compile_members(key))]
    return st.multiselect(
        FACETS[key].label,
        members,
        key=key,
        bind="query-params",
        placeholder="All",
        on_change=first_page,
        width=190,
    )

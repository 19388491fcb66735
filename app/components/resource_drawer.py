"""A drawer with all that is known of one resource. The address names the one that is open."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from app.components import charts, formats, inventory, links, states
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import periods, tables
from app.queries.resources import ResourceQuery, compile_costs_of, compile_one

_KEY: Final = "resource"
# Shown elsewhere in the drawer, or in words that say more.
_APART: Final = frozenset(
    {"tags", "cost", "provider", "is_active", "is_idle", "is_new", "has_owner"}
)
_LABELS: Final = {
    "provider_name": "Provider",
    "account_id": "Account",
    "sub_account_id": "Cloud account",
    "resource_id": "Id",
    "resource_type": "Type",
    "resource_name": "Name",
    "region_id": "Region",
    "size_gb": "Size (GiB)",
    "memory_gb": "Memory (GiB)",
    "iops": "IOPS",
    "vcpus": "vCPUs",
    "throughput_mbps": "Throughput (MiB/s)",
    "attached_to": "Attached to",
}
_AT_THE_END: Final = {
    "created_at": "Made (UTC)",
    "first_seen": "First seen",
    "last_seen": "Last seen",
    "x_delivery_id": "Delivery",
}


def open_row(key: str, rows: list[dict[str, Any]]) -> None:
    """Put the row that was selected into the address; for callbacks."""
    for number in st.session_state[key].selection.rows[:1]:
        row = rows[number]
        st.query_params[_KEY] = f"{row['account_id']}/{row['resource_id']}"


def close() -> None:
    """Take the resource out of the address, and the mark off its row; for callbacks."""
    st.query_params.pop(_KEY, None)
    st.session_state.drawer_closed = closed() + 1


def closed() -> int:
    """Return how often a drawer was closed: in the table's key, so that no row stays marked."""
    return int(st.session_state.get("drawer_closed", 0))


def draw(current: Scope, query: ResourceQuery) -> None:
    """Open the drawer if the address names a resource. Raises: DatabaseError."""
    if not (asked := st.query_params.get(_KEY)):
        return
    account, _, resource = asked.partition("/")
    found = ask(compile_one(query, account, resource))
    links.check({_KEY: [asked] if found else []})
    if not found:
        st.query_params.pop(_KEY, None)
        return
    title = formats.escaped(inventory.name(found[0]))
    st.dialog(title, width="medium", position="right", on_dismiss=close)(_contents)(
        current, query, found[0]
    )


def _contents(current: Scope, query: ResourceQuery, row: dict[str, Any]) -> None:
    with states.guarded("The resource"):
        _badges(row)
        _costs(current, query, row)
        st.subheader("Details", anchor=False)
        _facts(row)
        st.subheader("Tags", anchor=False)
        _tags(row)
        links.jump(
            "Costs of this account",
            "costs",
            {"ccy": current.currency, "account": row["account_id"], "by": "Service"},
        )


def _badges(row: dict[str, Any]) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(row["provider_name"], color="gray")
        st.badge(formats.escaped(row["resource_type"] or "No type"), color="gray")
        if row["is_active"]:
            st.badge(
                formats.escaped(row["state"] or "Active"), icon=":material/check:", color="green"
            )
        else:
            st.badge(f"Gone since {formats.day(row['last_seen'])}", color="gray")
        if row["is_active"] and row["is_idle"]:
            st.badge("Idle", icon=":material/bedtime:", color="orange")
        if row["is_new"]:
            st.badge("New", icon=":material/fiber_new:", color="blue")
        if not row["has_owner"]:
            st.badge("No owner tag", icon=":material/person_off:", color="red")


def _costs(current: Scope, query: ResourceQuery, row: dict[str, Any]) -> None:
    cells = ask(compile_costs_of(query, row["account_id"], row["resource_id"]))
    if not cells:
        st.caption(
            f"The bill names no cost of this resource in {periods.spell(query.days)}. Cost Explorer"
            " never does; exports (CUR, FOCUS) do."
        )
        return
    whole, currency = tables.total(cells), current.currency
    st.metric(
        f"Cost, {periods.spell(query.days)}",
        formats.exact(whole, currency),
        help=f"{current.sentence()}.",
    )
    ranked = tables.compare("service", tables.summed("service", cells), None)
    named = tables.named(ranked)
    drawn = tables.charted("service", cells, named)
    charts.costs(
        drawn,
        tables.ordered(drawn, named),
        list(query.days),
        currency,
        owners=named,
        key="resource_costs",
        alt_text=f"Daily cost of the resource, {periods.spell(query.days)}:"
        f" {formats.exact(whole, currency)} in all.",
        height=190,
    )
    if share := tables.open_share(cells):
        states.not_final(formats.percent(share), formats.exact(tables.open_cost(cells), currency))


def _facts(row: dict[str, Any]) -> None:
    known = {name: value for name, value in row.items() if name not in _APART and value is not None}
    # Columns that a provider brings later show without a hand.
    others = [name for name in known if name not in _LABELS and name not in _AT_THE_END]
    st.table(
        [
            {"": _label(name), " ": formats.escaped(_spelled(known[name]))}
            for name in (*_LABELS, *others, *_AT_THE_END)
            if name in known
        ],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def _tags(row: dict[str, Any]) -> None:
    tags = row["tags"] or {}
    if not tags:
        st.caption("None.")
        return
    st.table(
        [
            {"": formats.escaped(key), " ": formats.escaped(str(value))}
            for key, value in sorted(tags.items())
        ],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def _label(name: str) -> str:
    known = {**_LABELS, **_AT_THE_END}
    return known.get(name) or name.removeprefix("x_").replace("_", " ").capitalize()


def _spelled(value: Any) -> str:
    if isinstance(value, datetime):
        return formats.moment(value)
    if isinstance(value, date):
        return formats.day(value)
    if isinstance(value, Decimal):
        return formats.spelled(value)
    return str(value)

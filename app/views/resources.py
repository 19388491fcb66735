"""Resources: what stands in the clouds, whose it is, what is idle, and what it costs."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.auth.principal import Principal
from app.components import (
    access,
    cards,
    downloads,
    formats,
    header,
    inventory,
    links,
    resource_drawer,
    states,
    view_list,
)
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import periods, resources
from app.queries.export import MOST_WORDS, resources_csv
from app.queries.resources import ResourceQuery

_EXPORTED: Final = (
    *("provider_name", "account_id", "sub_account_id", "resource_type", "resource_id"),
    *("resource_name", "region_id", "availability_zone", "state", "instance_type", "size_gb"),
    *("iops", "throughput_mbps", "attached_to", "owner", "is_active", "is_idle", "is_new"),
    *("created_at", "first_seen", "last_seen", "tags"),
)


def page(scope: Scope) -> None:
    """Draw the page."""
    access.by_account_only()
    view_list.draw(header.draw("Resources", scope), "resources")
    days = resources.window(ask(resources.WINDOWS), scope.through)
    bill = ResourceQuery(days, scope.currency, scope.basis, filters=scope.filters, is_kept=True)
    query = None
    with states.guarded("The resources"):
        if not ask(resources.compile_members("type")):
            states.no_inventory()
        else:
            query = inventory.draw(bill)
            links.warn()
            _cards(scope, query)
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The cost by resource"):
        _attribution(scope, bill)
    if query is None:
        return
    with right.container(border=True, height="stretch"), states.guarded("The types"):
        _types(query)
    with st.container(border=True), states.guarded("The list"):
        _listing(scope, query)
    with states.guarded("The resource"):
        resource_drawer.draw(scope, query)


def _cards(scope: Scope, query: ResourceQuery) -> None:
    [found] = ask(resources.compile_summary(query))
    currency = scope.currency
    with cards.grid(5, 175):
        cards.figure(
            "Active",
            f"{found['active']:,}",
            _counted(found["types"], "type"),
            note=f"{found['gone']:,} gone" if found["gone"] else None,
            arrow="off",
            help_text=f"In the newest inventory ({formats.day(found['last_day'])}), as filtered.",
        )
        cards.figure(
            f"New in {resources.NEW_DAYS} days",
            f"{found['fresh']:,}",
            "made or first seen",
            arrow="off",
            help_text="Made in these days as the provider says, or else first seen by an inventory"
            " that was not the account's first.",
        )
        cards.figure(
            "Idle",
            f"{found['idle']:,}",
            formats.percent(found["idle_percent"]),
            note="of active"
            if found["idle_cost"] is None
            else f"{formats.card(found['idle_cost'], currency)} in {len(query.days)} days",
            arrow="off",
            help_text="Paid for, and attached to nothing.",
        )
        cards.figure(
            "Without owner tag",
            f"{found['unowned']:,}",
            formats.percent(found["unowned_percent"]),
            note="of active",
            arrow="off",
            help_text="No tag with a value under the keys that name an owner"
            " (ASTRAEUS_APP_OWNER_TAGS).",
        )
        cards.figure(
            "Providers",
            f"{found['providers']:,}",
            _counted(found["accounts"], "account"),
            arrow="off",
            help_text="With at least one active resource, as filtered.",
        )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _listing(scope: Scope, query: ResourceQuery) -> None:
    [found] = ask(resources.compile_found(query))
    number, currency = found["resources"], scope.currency
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(
            f"{query.status} resources" if query.status != "All" else "All resources",
            anchor=False,
            width="stretch",
        )
        downloads.button(
            "CSV",
            f"resources_{query.status.lower().replace(' ', '_')}_{query.days.last}.csv",
            "text/csv",
            lambda who: _csv(who, query),
            about=f"All rows as filtered, {resources.EXPORT_ROWS:,} and {MOST_WORDS} at most, with"
            " every decimal",
            disabled=not number,
        )
    if not number:
        states.no_resource_matches(inventory.reset)
        return
    slot = st.container()
    pages = -(-number // resources.PAGE_ROWS)
    shown = _pagination(pages)
    rows = ask(resources.compile_page(query, shown))
    key = f"resources_{hash(query)}_{shown}_{resource_drawer.closed()}"
    with slot:
        inventory.table(
            rows, currency, key=key, on_select=lambda: resource_drawer.open_row(key, rows)
        )
    first = (shown - 1) * resources.PAGE_ROWS + 1
    st.caption(
        f"{first:,}-{first + len(rows) - 1:,} of {number:,} resources. "
        + (
            f"The bill names {formats.money(found['cost'], currency)} for them"
            if found["cost"] is not None
            else "The bill names no cost for them"
        )
        + f", {periods.spell(query.days)}. {scope.sentence()}. Select a row to open it."
    )
    with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
        if text.open:
            inventory.as_text(rows, currency)


def _pagination(pages: int) -> int:
    """Draw the page numbers where there are several; return the page."""
    if pages < 2:
        return 1
    return min(int(st.pagination(pages, key="page", bind="query-params")), pages)


def _csv(who: Principal, query: ResourceQuery) -> bytes:
    rows = downloads.streamed(who, resources.compile_export(query))
    return resources_csv(rows, _EXPORTED, query.currency, periods.spell(query.days))


def _types(query: ResourceQuery) -> None:
    st.subheader("By type", anchor=False)
    rows = ask(resources.compile_types(query))
    if not rows:
        st.caption("No resource matches.")
        return
    key = f"types_{hash(query)}"
    inventory.types_table(rows, key=key, on_select=lambda: inventory.pick_type(key, rows))
    st.caption("Select one to list it alone.")


def _attribution(scope: Scope, query: ResourceQuery) -> None:
    rows = ask(resources.compile_attribution(query))
    st.subheader("Cost by resource", anchor=False)
    if not rows:
        st.caption(f"No charges in {periods.spell(query.days)}.")
        return
    providers = [row for row in rows if not row["is_total"]]
    [whole] = [row for row in rows if row["is_total"]]
    inventory.attribution_table(providers, scope.currency)
    st.caption(
        f"{periods.spell(query.days)}: {formats.money(whole['cost'], scope.currency)} in all,"
        f" {formats.percent(whole['named_percent'])} of it by resource;"
        f" {formats.money(whole['without'], scope.currency)} where the bill names none."
    )
    st.page_link(
        "views/costs.py",
        label="The same days in Costs",
        icon=":material/arrow_forward:",
        query_params={
            **links.carried(),
            "period": "Custom",
            "dates": [str(query.days.first), str(query.days.last)],
        },
    )


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)

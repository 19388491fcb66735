"""Accounts: who is ingested, how far each one goes, whether it ties out, and what went wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import streamlit as st

from app.components import (
    access,
    account_detail,
    account_form,
    account_heatmap,
    account_table,
    cards,
    header,
    links,
    picked,
    states,
    view_list,
    writing,
)
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import accounts, periods


def page(scope: Scope) -> None:
    """Draw the page."""
    access.by_account_only()
    sentence = "Each account in the currency that it is billed in; days in UTC"
    view_list.draw(header.draw("Accounts", scope, sentence), "accounts")
    lost = st.container()
    writing.say()
    month = periods.period("Month to date", scope.through)
    with states.guarded("The accounts"):
        rows = [row for row in ask(accounts.compile_rows(month, scope.basis)) if _is_in(scope, row)]
        if not rows:
            states.no_account_matches()
        else:
            _cards(scope, rows)
            with st.container(border=True):
                _list(rows, f"Cost of {periods.spell(month)}, {scope.basis}")
            with st.container(border=True), states.guarded("The days"):
                _days(scope, rows)
            account_detail.draw(_chosen(rows), scope.currency)
    with lost:
        links.warn()
    account_form.draw()


def _is_in(scope: Scope, row: dict[str, Any]) -> bool:
    return (not scope.providers or row["provider"] in scope.providers) and (
        not scope.accounts or row["account_id"] in scope.accounts
    )


def _cards(scope: Scope, rows: list[dict[str, Any]]) -> None:
    states_of = Counter(row["state"] for row in rows)
    late = {row["account_id"] for row in header.late_accounts(scope)}
    held = [row for row in rows if row["blocked_days"]]
    residual = [row for row in rows if row["tie_out"] == "blocked"]
    with cards.grid(4, 175):
        cards.figure(
            "Active",
            f"{states_of['active']:,}",
            f"{states_of['paused']:,} paused" if states_of["paused"] else None,
            arrow="off",
            help_text="Ingested every day, as filtered.",
        )
        cards.figure(
            "Late",
            f"{sum(row['account_id'] in late for row in rows):,}",
            help_text="More than two days behind the newest account.",
        )
        cards.figure(
            "With days held back",
            f"{len(held):,}",
            help_text="Days blocked or refused: their newest delivery is in no figure.",
        )
        cards.figure(
            "Not tying out",
            f"{len(residual):,}",
            help_text="Figures that differ between layers or from the provider's own total.",
        )


def _list(rows: list[dict[str, Any]], month: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("All accounts", anchor=False, width="stretch")
        account_form.add_button()
    key = f"accounts_{hash(tuple(row['account_id'] for row in rows))}_{picked.closed('open')}"
    account_table.draw(
        rows,
        month,
        key=key,
        on_select=lambda: picked.choose(key, "open", [row["account_id"] for row in rows]),
    )
    st.caption(f"{month}. Select a row to see it below.")
    with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
        if text.open:
            account_table.as_text(rows)


def _days(scope: Scope, rows: list[dict[str, Any]]) -> None:
    newest = max(row["data_through"] for row in scope.known if row["data_through"])
    days = accounts.heatmap_days(newest)
    st.subheader(f"The last {len(days)} days of costs", anchor=False)
    cells = ask(accounts.compile_heatmap(days, scope.through))
    account_heatmap.draw({row["account_id"]: row["account_name"] for row in rows}, cells, days)


def _chosen(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the account that the address names; without one the first that needs a look."""
    asked = picked.of("open")
    found = [row for row in rows if row["account_id"] == asked]
    links.check({"open": [asked] if asked and found else []})
    if found:
        return found[0]
    return next(
        (row for row in rows if row["tie_out"] == "blocked" or row["blocked_days"]), rows[0]
    )


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)
else:
    # Before the first bill there is no scope: here is where the first account comes from.
    writing.say()
    account_form.add_button()
    account_form.draw()

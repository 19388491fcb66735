"""Budgets and alerts: what may be spent, what was raised, what could cost less, and the rules."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import streamlit as st

from app.components import (
    alert_list,
    budget_detail,
    budget_form,
    budget_table,
    budget_words,
    cards,
    header,
    incidents,
    links,
    picked,
    rule_list,
    savings_list,
    states,
    view_list,
    writing,
)
from app.components.cache import ask_now
from app.components.scope import Scope
from app.queries import budgets

TABS: Final = ("Budgets", "Alerts", "Anomalies", "Savings", "Rules")


def page(scope: Scope) -> None:
    """Draw the page; only the tab that is open is asked for."""
    slot = header.draw(
        "Budgets and alerts",
        scope,
        "Each amount in its own currency, never added up across; days in UTC",
    )
    view_list.draw(slot, "budgets")
    lost = st.container()
    writing.say()
    tabs = st.tabs(TABS, key="tab", bind="query-params")
    links.check({"tab": [str(st.session_state.get("tab") or TABS[0])]})
    bodies = (_budgets, alert_list.draw, incidents.draw, savings_list.draw, rule_list.draw)
    for tab, name, body in zip(tabs, TABS, bodies, strict=True):
        if tab.open:
            with tab, states.guarded(f"The tab {name}"):
                body(scope)
    with lost:
        links.warn()
    budget_form.draw()
    rule_list.draw_forms()


def _budgets(scope: Scope) -> None:
    del scope  # a budget has a scope and a currency of its own
    rows = ask_now(budgets.STANDINGS)
    if not rows:
        states.no_budget()
        budget_form.add_button()
        return
    _cards(rows)
    key = f"budgets_{hash(tuple(row['budget_id'] for row in rows))}_{picked.closed('budget')}"
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Running periods", anchor=False, width="stretch")
            budget_form.add_button()
        budget_table.draw(
            rows,
            key=key,
            on_select=lambda: picked.choose(key, "budget", [row["budget_id"] for row in rows]),
        )
        st.caption("The worst first. Select a row to see it below.")
        with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
            if text.open:
                budget_table.as_text(rows)
    with states.guarded("The budget"):
        budget_detail.draw(picked.row_of("budget", rows, "budget_id"))


def _cards(rows: list[dict[str, Any]]) -> None:
    counts = Counter(row["state"] for row in rows)
    with cards.grid(5, 150):
        cards.figure(
            "Budgets",
            f"{len(rows):,}",
            help_text="Active, with a period that has begun. Amounts of budgets are not added up:"
            " they may cover the same costs, in several currencies.",
        )
        for state in budgets.STATES[:4]:
            label, _, meaning = budget_words.STATES[state]
            cards.figure(label, f"{counts[state]:,}", help_text=f"{meaning.capitalize()}.")


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)

"""The table of budgets, and the same as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from app.components import budget_words, formats

_COLORS: Final = {label: color for label, color, _ in budget_words.STATES.values()}


def draw(rows: Sequence[dict[str, Any]], *, key: str, on_select: Any) -> None:
    """Draw the budgets as they stand; amounts are Decimal, in the currency of their row."""
    st.dataframe(
        [
            {
                "Budget": row["name"],
                "State": [budget_words.state(row)],
                "Used": row["used_percent"],
                "Amount": row["budget_amount"],
                "Actual": row["actual_cost"],
                "Forecast": row["forecast_cost"],
                "Cur.": row["billing_currency"],
                "Passed on": row["passed_on"],
                "Pace": budget_words.PACES.get(row["pace_state"]),
                "Owner": row["owner"],
            }
            for row in rows
        ],
        hide_index=True,
        key=key,
        height="content",
        placeholder="n/a",
        on_select=on_select,
        selection_mode="single-row",
        alt="Budgets, the worst first; the same as text below",
        column_config={
            "Budget": st.column_config.TextColumn(width=172, pinned=True),
            "State": st.column_config.MultiselectColumn(
                width=116, options=list(_COLORS), color=list(_COLORS.values())
            ),
            "Used": st.column_config.ProgressColumn(
                format="%.1f%%", min_value=0, max_value=100, color="primary", width=118
            ),
            "Amount": st.column_config.NumberColumn(format="%,.2f", width=88),
            "Actual": st.column_config.NumberColumn(format="%,.2f", width=88),
            "Forecast": st.column_config.NumberColumn(
                format="%,.2f", width=88, help="Of the whole period: booked and still to come"
            ),
            "Cur.": st.column_config.TextColumn(width=46, help="Billing currency of the amounts"),
            "Passed on": st.column_config.DateColumn(
                format="D MMM YYYY",
                width=100,
                help="First day above the amount, or when that is expected",
            ),
            "Pace": st.column_config.TextColumn(
                width=68, help="Settled cost against the share of days that have settled"
            ),
            "Owner": st.column_config.TextColumn(width=74),
        },
    )


def as_text(rows: Sequence[dict[str, Any]]) -> None:
    """Draw the same as text, which screen readers and the browser's search can read."""
    st.table(
        [
            {
                "Budget": formats.escaped(row["name"]),
                "State": budget_words.state(row),
                "Used": formats.percent(row["used_percent"]),
                "Amount": formats.money(row["budget_amount"], row["billing_currency"]),
                "Actual": formats.money(row["actual_cost"], row["billing_currency"]),
                "Forecast": formats.money(row["forecast_cost"], row["billing_currency"]),
                "Passed on": budget_words.passed(row) or "n/a",
                "Pace": budget_words.PACES.get(row["pace_state"], "n/a"),
                "Owner": formats.escaped(row["owner"] or "n/a"),
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )

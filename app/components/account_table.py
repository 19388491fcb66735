"""The table of accounts, and the same as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import formats
from app.components.account_words import STATES, TIE_OUT, last_load
from app.queries.catalog import provider_label


def draw(rows: Sequence[Mapping[str, Any]], month: str, *, key: str, on_select: Any) -> None:
    """Draw one row per account; `month` names the days of the cost, which is Decimal."""
    ties = list(dict.fromkeys((label, color) for label, color, _ in TIE_OUT.values()))
    st.dataframe(
        [
            {
                "Account": row["account_name"],
                "Provider": provider_label(row["provider_key"]),
                "State": [STATES[row["state"]][0]],
                "Data through": row["data_through"],
                "Final through": row["final_through"],
                "Held": row["blocked_days"] or 0,
                "Last load": row["last_fetched_at"],
                "Result": last_load(row),
                "Cost": row["month_cost"],
                "Cur.": row["month_currency"],
                "Tie-out": [TIE_OUT[row["tie_out"]][0]],
            }
            for row in rows
        ],
        hide_index=True,
        key=key,
        height="content",
        placeholder="",
        on_select=on_select,
        selection_mode="single-row",
        alt="Accounts with how far their data goes; the same as text below",
        column_config={
            "Account": st.column_config.TextColumn(width=146, pinned=True),
            "Provider": st.column_config.TextColumn(width=80),
            "State": st.column_config.MultiselectColumn(
                width=74,
                options=[label for label, _ in STATES.values()],
                color=[color for _, color in STATES.values()],
            ),
            "Data through": st.column_config.DateColumn(format="D MMM YYYY", width=94),
            "Final through": st.column_config.DateColumn(format="D MMM YYYY", width=94),
            "Held": st.column_config.NumberColumn(
                width=44, help="Days blocked or refused: their newest delivery is in no figure"
            ),
            "Last load": st.column_config.DatetimeColumn(
                format="D MMM HH:mm", timezone="UTC", width=94, help="In UTC"
            ),
            "Result": st.column_config.TextColumn(width=80, help="How the newest delivery ended"),
            "Cost": st.column_config.NumberColumn(format="%,.2f", width=88, help=month),
            "Cur.": st.column_config.TextColumn(width=46),
            "Tie-out": st.column_config.MultiselectColumn(
                width=92,
                options=[label for label, _ in ties],
                color=[color for _, color in ties],
            ),
        },
    )


def as_text(rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the same as text, which screen readers and the browser's search can read."""
    st.table(
        [
            {
                "Account": formats.escaped(row["account_name"]),
                "Provider": formats.escaped(row["provider"]),
                "State": STATES[row["state"]][0],
                "Data through": formats.day(row["data_through"]),
                "Final through": formats.day(row["final_through"]),
                "Last load": last_load(row) or "none yet",
                "Cost": formats.money(row["month_cost"], row["month_currency"] or ""),
                "Tie-out": TIE_OUT[row["tie_out"]][0],
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )

"""Tables of groups: exact decimals on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from app.queries.tables import GroupCost

_LABELS = {
    "cost": "Cost",
    "share_percent": "Share",
    "previous": "Previous",
    "change": "Change",
    "change_percent": "Change %",
}


def group_table(
    groups: Sequence[GroupCost],
    label: str,
    currency: str,
    *,
    key: str,
    columns: Sequence[str],
    on_select: Any = "ignore",
) -> Any:
    """Draw groups with the chosen columns; amounts are Decimal, in `currency`."""
    headings = {
        name: f"{_LABELS[name]} ({currency})"
        if name in ("cost", "previous", "change")
        else _LABELS[name]
        for name in columns
    }
    rows = [
        {label: each.group, **{headings[name]: _cell(name, each) for name in columns}}
        for each in groups
    ]
    config = {
        headings[name]: st.column_config.NumberColumn(
            format="%.1f %%" if "percent" in name else "accounting"
        )
        for name in columns
    }
    options: dict[str, Any] = {} if on_select == "ignore" else {"selection_mode": "single-row"}
    return st.dataframe(
        rows, hide_index=True, column_config=config, key=key, on_select=on_select, **options
    )


def _cell(name: str, each: GroupCost) -> Decimal | None:
    value: Decimal | None = getattr(each, name)
    return value

"""Tables of groups: exact decimals on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from app.components import formats
from app.queries.tables import LINES, GroupCost

_LABELS: Final = {
    "cost": "Cost",
    "share_percent": "Share",
    "previous": "Previous",
    "change": "Change",
    "change_percent": "Change %",
}
_FORMATS: Final = {
    "cost": "%,.2f",
    "previous": "%,.2f",
    "change": "%+,.2f",
    "change_percent": "%+.1f%%",
}


def group_table(
    groups: Sequence[GroupCost],
    label: str,
    currency: str,
    *,
    key: str,
    columns: Sequence[str],
    trends: Mapping[str, Sequence[Decimal | None]] | None = None,
    on_select: Any = None,
    height: Any = "auto",
    label_width: Any = "medium",
    is_narrow: bool = False,
) -> None:
    """Draw groups with the chosen columns; amounts are Decimal, in `currency`."""
    headings = {name: _heading(name, currency) for name in columns}
    rows = [
        {
            label: each.group,
            **({"Trend": _line(trends.get(each.group))} if trends is not None else {}),
            **{heading: getattr(each, name) for name, heading in headings.items()},
        }
        for each in groups
    ]
    config: dict[str, Any] = {
        heading: _column(name, is_narrow) for name, heading in headings.items()
    }
    config[label] = st.column_config.TextColumn(width=label_width)
    config["Trend"] = st.column_config.AreaChartColumn(
        width=90,
        color="primary",
        help=f"Of many days by whole weeks or months; of many rows the {LINES} dearest.",
    )
    options: dict[str, Any] = {}
    if on_select is not None:
        options = {"on_select": on_select, "selection_mode": "single-row"}
    st.dataframe(
        rows,
        hide_index=True,
        column_config=config,
        key=key,
        height=height,
        placeholder="n/a",
        alt=f"Costs by {label.lower()} in {currency}, the dearest first",
        **options,
    )


def plain_table(
    groups: Sequence[GroupCost], label: str, currency: str, columns: Sequence[str]
) -> None:
    """Draw the same table as text, which screen readers and the browser's search can read."""
    st.table(
        [
            {
                label: formats.escaped(each.group),
                **{_heading(name, currency): _text(name, each) for name in columns},
            }
            for each in groups
        ],
        border="horizontal",
        hide_index=True,
    )


def _heading(name: str, currency: str) -> str:
    is_money = name in ("cost", "previous", "change")
    return f"{_LABELS[name]} ({currency})" if is_money else _LABELS[name]


def _column(name: str, is_narrow: bool) -> Any:
    if name == "share_percent":
        return st.column_config.ProgressColumn(
            format="%.1f%%", min_value=0, max_value=100, color="primary"
        )
    width = None if not is_narrow else 76 if "percent" in name else 104
    return st.column_config.NumberColumn(format=_FORMATS[name], width=width)


def _line(points: Sequence[Decimal | None] | None) -> list[float] | None:
    # The column's charts know no gaps: a period without data is left out, for it is not 0.
    return None if points is None else [float(x) for x in points if x is not None]


def _text(name: str, each: GroupCost) -> str:
    value: Decimal | None = getattr(each, name)
    if "percent" in name:
        return formats.percent(value, with_sign=name == "change_percent")
    return "n/a" if value is None else f"{value:{'+' if name == 'change' else ''},.2f}"

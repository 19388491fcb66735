"""Cards: one figure, its change, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from app.components import formats
from app.queries import tables


def grid(columns: int = 4, min_width: int = 210) -> Any:
    """Open a row of up to so many cards, fewer on a narrow screen; widths in pixels."""
    return st.grid(columns, min_column_width=min_width)


def cost(
    label: str,
    now: Decimal,
    before: Decimal | None,
    currency: str,
    *,
    versus: str | None = None,
    spark: Sequence[Decimal | None] | None = None,
    exact: bool = False,
    help_text: str | None = None,
) -> None:
    """Draw an amount in `currency`; its change is coloured only when it is material."""
    change, share = tables.change(now, before)
    figure(
        label,
        formats.exact(now, currency) if exact else formats.card(now, currency),
        formats.delta(change, share, currency),
        note=versus if before is not None else None,
        color="inverse" if tables.is_material(share) else "off",
        spark=spark,
        help_text=help_text,
    )


def figure(
    label: str,
    value: str,
    delta: str | None = None,
    *,
    note: str | None = None,
    color: Any = "off",
    arrow: Any = "auto",
    spark: Sequence[Decimal | None] | None = None,
    help_text: str | None = None,
) -> None:
    """Draw any figure. `label` is Markdown: escape names in it."""
    st.metric(
        label,
        value,
        delta,
        delta_color=color,
        delta_arrow=arrow,
        delta_description=note,
        border=True,
        height="stretch",
        help=help_text,
        # Pixels: the one place where a float may stand for money. None leaves a gap.
        chart_data=None if spark is None else [None if x is None else float(x) for x in spark],
        chart_type="area",
    )

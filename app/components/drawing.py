"""Altair's charts into the page, quickly: most of their time goes into checks of what we wrote.

Altair holds each of its objects against the whole schema of Vega-Lite, and the finished chart once
more: three quarters of what a chart takes. Rows go beside the chart, by name: Altair neither copies
them nor guesses their types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa
import streamlit as st
from altair.utils import schemapi

Rows = Sequence[Mapping[str, Any]]

schemapi.disable_debug_mode()


def chart(name: str) -> alt.Chart:
    """Return a chart of rows that `draw` is given under this name."""
    return alt.Chart(alt.NamedData(name))


def draw(drawn: Any, rows: Mapping[str, Rows], *, key: str, alt_text: str, **options: Any) -> None:
    """Draw a chart of `chart`s, with all their rows by name; options as of `st.altair_chart`."""
    spec = drawn.to_dict(validate=False)
    tables = {name: pa.Table.from_pylist([*each]) for name, each in rows.items()}
    st.vega_lite_chart(
        spec={**spec, "datasets": tables}, key=key, alt=alt_text, width="stretch", **options
    )


def whole(drawn: Any, rows: Mapping[str, Rows]) -> dict[str, Any]:
    """Return the chart with its rows inside, for who draws it elsewhere."""
    return {**drawn.to_dict(validate=False), "datasets": {key: [*of] for key, of in rows.items()}}

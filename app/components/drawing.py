"""Altair's charts into the page, quickly: most of their time goes into checks of what we wrote.

Altair holds each of its objects against the whole schema of Vega-Lite, and the finished chart once
more: three quarters of what a chart takes. Rows go beside the chart, by name: Altair neither copies
them nor guesses their types. Looks are `charts.styled`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def bare(drawn: Any) -> dict[str, Any]:
    """Return a chart as Vega-Lite, unchecked, without the looks that Altair gives it."""
    spec = drawn.to_dict(validate=False)
    return {key: spec[key] for key in spec if key not in ("$schema", "config")}


def layered(parts: Iterable[Any]) -> dict[str, Any]:
    """Return charts of `chart` above one another; Altair's own layers copy every part deeply."""
    return {"layer": [bare(part) for part in parts]}


def draw(
    spec: Mapping[str, Any], rows: Mapping[str, Rows], *, key: str, alt_text: str, **options: Any
) -> None:
    """Draw a Vega-Lite chart with all its rows by name; options as of `st.vega_lite_chart`."""
    tables = {name: pa.Table.from_pylist([*each]) for name, each in rows.items()}
    st.vega_lite_chart(
        spec={**spec, "datasets": tables}, key=key, alt=alt_text, width="stretch", **options
    )


def whole(spec: Mapping[str, Any], rows: Mapping[str, Rows]) -> dict[str, Any]:
    """Return the chart with its rows inside, for who draws it elsewhere."""
    return {**spec, "datasets": {name: [*each] for name, each in rows.items()}}

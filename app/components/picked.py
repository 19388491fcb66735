"""The one row that a page shows in detail: named in the address, chosen in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import links


def choose(table_key: str, parameter: str, ids: Sequence[Any]) -> None:
    """Put the id of the row that was selected into the address; for callbacks."""
    for number in st.session_state[table_key].selection.rows[:1]:
        if number < len(ids):
            st.query_params[parameter] = str(ids[number])


def of(parameter: str) -> str | None:
    """Return the id that the address names."""
    return st.query_params.get(parameter)


def row_of(parameter: str, rows: Sequence[Mapping[str, Any]], column: str) -> Mapping[str, Any]:
    """Return the row that the address names, the first without one; say if it is not there."""
    asked = of(parameter)
    found = [row for row in rows if str(row[column]) == asked]
    links.check({parameter: [asked] if asked and found else []})
    return found[0] if found else rows[0]


def close(parameter: str) -> None:
    """Take the id out of the address, and the mark off its row; for callbacks."""
    st.query_params.pop(parameter, None)
    st.session_state[f"closed_{parameter}"] = closed(parameter) + 1


def closed(parameter: str) -> int:
    """Return how often it was closed: in the table's key, so that no row stays marked."""
    return int(st.session_state.get(f"closed_{parameter}", 0))

"""The one row that a page shows in detail: named in the address, chosen in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st


def choose(table_key: str, parameter: str, ids: Sequence[Any]) -> None:
    """Put the id of the row that was selected into the address; for callbacks."""
    for number in st.session_state[table_key].selection.rows[:1]:
        if number < len(ids):
            st.query_params[parameter] = str(ids[number])


def of(parameter: str) -> str | None:
    """Return the id that the address names."""
    return st.query_params.get(parameter)


def close(parameter: str) -> None:
    """Take the id out of the address, and the mark off its row; for callbacks."""
    st.query_params.pop(parameter, None)
    st.session_state[f"closed_{parameter}"] = closed(parameter) + 1


def closed(parameter: str) -> int:
    """Return how often it was closed: in the table's key, so that no row stays marked."""
    return int(st.session_state.get(f"closed_{parameter}", 0))

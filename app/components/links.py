"""The address of a view: what of it was understood, and how to pass it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from app.components import states
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.settings import Settings

# What every page has in its address, and what Trace puts before the names of its own.
_GLOBAL: Final = ("ccy", "basis", "provider", "account")
TRACED: Final = "of_"


def remember() -> None:
    """Keep what the address asks for before widgets drop what they do not know."""
    if "asked" not in st.session_state:
        st.session_state.asked = {key: st.query_params.get_all(key) for key in st.query_params}
        st.session_state.lost = {}


def check(shown: Mapping[str, Sequence[str]]) -> None:
    """Note which values asked for are not among those shown; each key is checked once."""
    for key, values in shown.items():
        asked = st.session_state.asked.pop(key, None)
        missing = [value for value in asked or () if value not in values]
        if missing:
            st.session_state.lost[key] = missing


def warn() -> None:
    """Say what of the address was left out, until that is dismissed."""
    if st.session_state.lost:
        states.lost_parameters(st.session_state.lost)
        st.button("Dismiss", key="dismiss_lost", on_click=st.session_state.lost.clear)


def carried() -> dict[str, list[str]]:
    """Return the global parts of the address, which links between pages keep."""
    return {key: st.query_params.get_all(key) for key in _GLOBAL if key in st.query_params}


def to_slice(
    days: DayRange, filters: Iterable[tuple[str, tuple[str, ...]]], prefix: str = ""
) -> dict[str, list[str]]:
    """Return the parameters of a page that shows exactly these days with these filters.

    `prefix` is what that page puts before the names of its own; Costs has none.
    """
    return {
        **carried(),
        **{f"{prefix}{key}": list(values) for key, values in filters if key not in _GLOBAL},
        **({} if prefix else {"period": ["Custom"]}),
        f"{prefix}dates": [str(days.first), str(days.last)],
    }


def trace(
    days: DayRange,
    filters: Iterable[tuple[str, tuple[str, ...]]],
    label: str = "Follow this number",
) -> None:
    """Draw the way from a figure down to its charges, deliveries and payloads."""
    st.page_link(
        "views/trace.py",
        label=label,
        icon=":material/account_tree:",
        query_params=to_slice(days, filters, TRACED),
        help="The charges, what the provider sent, its own total, and the run that took it",
    )


def dagster_run(run: str) -> str | None:
    """Return the address of a run in Dagster; None where nobody said where Dagster is."""
    base = Settings.from_env().dagster_url
    return None if base is None else f"{base.rstrip('/')}/runs/{run}"


def share(days: DayRange) -> None:
    """Offer the address of this view: as it is, or with its days fixed."""
    with st.popover("Copy link", icon=":material/link:", type="tertiary"):
        moving = {key: st.query_params.get_all(key) for key in st.query_params}
        fixed = {**moving, "period": ["Custom"], "dates": [str(days.first), str(days.last)]}
        st.caption("This view, its period moving on with new data")
        st.code(_address(moving), language=None, wrap_lines=True)
        st.caption("This view, its days fixed")
        st.code(_address(fixed), language=None, wrap_lines=True)


def _address(parameters: Mapping[str, Sequence[str]]) -> str:
    base = (st.context.url or "").split("?", maxsplit=1)[0]
    query = urlencode(parameters, doseq=True)
    return f"{base}?{query}" if query else base

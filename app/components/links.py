"""The address of a view: what of it was understood, and how to pass it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
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
    days: DayRange,
    filters: Iterable[tuple[str, tuple[str, ...]]],
    prefix: str = "",
    tag: str | None = None,
) -> dict[str, list[str]]:
    """Return the parameters of a page that shows exactly these days with these filters.

    `prefix` is what that page puts before the names of its own; Costs has none. `tag` is the key of
    the tag whose values the filter "tag" has.
    """
    named = {"tagged" if key == "tag" else key: list(of) for key, of in filters}
    if "tagged" in named and tag:
        named["tag"] = [tag]
    return {
        **carried(),
        **{f"{prefix}{key}": values for key, values in named.items() if key not in _GLOBAL},
        **fixed(days, prefix),
    }


def jump(label: str, page: str, parameters: Mapping[str, Sequence[str] | str]) -> None:
    """Draw a link that opens a page (its path, none for the Dashboard) by its address.

    Streamlit's own links between pages leave the sidebar's filters as they stand, whatever the link
    says, and its address has both. So a link that names an account, a currency or a basis loads the
    page anew. It also opens in a tab of its own, and Back comes back to what was seen.
    """
    address = f"{page or './'}?{urlencode(parameters, doseq=True)}"
    st.html(
        f'<a href="{escape(address)}" style="color:inherit;font-size:.9rem">'
        f"{escape(label)} &rarr;</a>"
    )


def trace(
    days: DayRange,
    filters: Iterable[tuple[str, tuple[str, ...]]],
    label: str = "Follow this number",
    tag: str | None = None,
) -> None:
    """Draw the way from a figure down to its charges, deliveries and payloads."""
    st.page_link(
        "views/trace.py",
        label=label,
        icon=":material/account_tree:",
        query_params=to_slice(days, filters, TRACED, tag),
        help="The charges, what the provider sent, its own total, and the run that took it",
    )


def dagster_run(run: str) -> str | None:
    """Return the address of a run in Dagster; None where no browser reaches it."""
    base = Settings.from_env().dagster_pages
    return None if base is None else f"{base}/runs/{run}"


def standing() -> dict[str, list[str]]:
    """Return the address of the view as it stands, with its currency and basis named.

    After a link between pages Streamlit's address may have a global filter twice; the widget says
    which of them holds.
    """
    asked = {key: list(dict.fromkeys(st.query_params.get_all(key))) for key in st.query_params}
    chosen = {key: st.session_state.get(key) for key in _GLOBAL}
    held = {key: of if isinstance(of, list) else [str(of)] for key, of in chosen.items() if of}
    return {**{key: of for key, of in asked.items() if key not in _GLOBAL}, **held}


def fixed(days: DayRange, prefix: str = "") -> dict[str, list[str]]:
    """Return the parameters that fix a page's days."""
    named = {} if prefix else {"period": ["Custom"]}
    return {**named, f"{prefix}dates": [str(days.first), str(days.last)]}


def share(days: DayRange) -> None:
    """Offer the address of this view: as it is, or with its days fixed."""
    with st.popover("Copy link", icon=":material/link:", type="tertiary"):
        moving = standing()
        st.caption("This view, its period moving on with new data")
        st.code(_address(moving), language=None, wrap_lines=True)
        st.caption("This view, its days fixed")
        st.code(_address({**moving, **fixed(days)}), language=None, wrap_lines=True)


def _address(parameters: Mapping[str, Sequence[str]]) -> str:
    base = (st.context.url or "").split("?", maxsplit=1)[0]
    query = urlencode(parameters, doseq=True)
    return f"{base}?{query}" if query else base

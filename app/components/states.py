"""What a page says when there is nothing to show, or when what it shows is not the whole truth."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
import structlog

from astraeus_pipeline.errors import AstraeusError

_LOG = structlog.get_logger(__name__)


def no_source() -> None:
    """Say that nothing has been ingested yet."""
    st.info(
        "No costs have been ingested yet. Add an account with `astraeus account add` and load its"
        " days with `astraeus backfill`, or look at `astraeus demo`.",
        icon=":material/database:",
    )


def nothing_matches() -> None:
    """Say that the filters leave nothing."""
    st.info(
        "Nothing matches these filters. Widen the period or reset them.",
        icon=":material/filter_alt_off:",
    )


def not_final(share: str) -> None:
    """Say that part of the figures is estimated."""
    st.caption(f"{share} of the cost shown is not final yet: pale bars may still change.")


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show a plain sentence with a number to quote when a part of the page fails."""
    try:
        yield
    except AstraeusError as error:
        number = secrets.token_hex(4)
        _LOG.error("app.failed", what=what, correlation_id=number, error=str(error))
        st.error(f"{what} cannot be shown: {error} (quote {number})", icon=":material/error:")
        if st.button("Try again", key=f"retry_{what}"):
            st.rerun()

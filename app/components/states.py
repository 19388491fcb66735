"""What a page says when there is nothing to show, or when what it shows is not the whole truth."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import streamlit as st
import structlog

from app.components import formats
from astraeus_pipeline.errors import AstraeusError, UnforeseenError

_LOG = structlog.get_logger(__name__)


def no_source() -> None:
    """Say that nothing has been ingested yet."""
    st.info(
        "No costs have been ingested yet. Add an account with `astraeus account add` and load its"
        " days with `astraeus backfill`, or look at `astraeus demo`.",
        icon=":material/database:",
    )


def nothing_in_scope(scope: str) -> None:
    """Say that there are no costs of what this person may see."""
    st.info(
        f"You see {formats.escaped(scope)}, and nothing of that has costs yet. An administrator"
        " can change what you see.",
        icon=":material/visibility_off:",
    )


def nothing_matches(reset: Callable[[], None]) -> None:
    """Say that the filters leave nothing, and offer to take them back."""
    st.info(
        "Nothing matches: no charges in these days with these filters.",
        icon=":material/filter_alt_off:",
    )
    st.button("Reset filters", icon=":material/restart_alt:", on_click=reset)


def no_inventory() -> None:
    """Say that costs stand, but no account has been asked for its resources yet."""
    st.info(
        "No inventory has been taken yet. Load one with `astraeus backfill --dataset resources"
        " --from TODAY`, or wait for the daily schedule of an account that has resources.",
        icon=":material/inventory_2:",
    )


def no_resource_matches(reset: Callable[[], None]) -> None:
    """Say that the filters leave no resource, and offer to take them back."""
    st.info("No resource matches these filters.", icon=":material/filter_alt_off:")
    st.button("Reset filters", icon=":material/restart_alt:", on_click=reset)


def no_budget() -> None:
    """Say that there is no budget yet."""
    st.info(
        "No budget has begun yet. Add one: what it covers, an amount, and whom to tell.",
        icon=":material/savings:",
    )


def nothing_here(sentence: str) -> None:
    """Say that a list is empty, and that this is no failure."""
    st.info(sentence, icon=":material/check:")


def no_account_matches() -> None:
    """Say that the sidebar's filters leave no account."""
    st.info("No account matches the filters of the sidebar.", icon=":material/filter_alt_off:")


def not_final(share: str, amount: str) -> None:
    """Say that part of the figures is estimated."""
    st.caption(f"{formats.escaped(amount)} ({share}) is not final: providers may still restate it.")


def partly_compared(days: int, wanted: int, first: date | None) -> None:
    """Say that data begins inside or after the days compared with, so that changes mislead."""
    if days >= wanted:
        return
    begin = f" Data begins on {formats.day(first)}." if first else ""
    text = (
        f"Only {days} of the {wanted} days compared with have data."
        if days
        else ("The days compared with have no data: changes cannot be told.")
    )
    st.warning(text + begin, icon=":material/difference:")


def lost_parameters(lost: dict[str, list[str]]) -> None:
    """Say which parts of the link could not be used."""
    parts = "; ".join(
        f"{formats.escaped(key)}: {formats.escaped(', '.join(values))}"
        for key, values in lost.items()
    )
    st.warning(f"The link asks for what is not here, so it was left out ({parts}).")


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show a plain sentence with a number to quote when a part of the page fails.

    The rest of the page lives on. What nobody has foreseen is in the log with its traceback, which
    no page shows.
    """
    try:
        with foreseen(what):
            yield
    except AstraeusError as error:
        number = error.number if isinstance(error, UnforeseenError) else ""
        if not number:
            number = secrets.token_hex(4)
            _LOG.error("app.failed", what=what, correlation_id=number, error=str(error))
        _failed(what, error, number)


@contextmanager
def foreseen(what: str) -> Iterator[None]:
    """Make an error of ours of whatever else happens, and write that into the log.

    Raises: UnforeseenError with the number that the log has beside the traceback.
    """
    try:
        yield
    except AstraeusError:
        raise
    except Exception as cause:
        number = secrets.token_hex(4)
        # As text: the log's own way to write a traceback shows local variables, secrets among them.
        told = traceback.format_exc()
        _LOG.error("app.failed_unexpectedly", what=what, correlation_id=number, traceback=told)
        raise UnforeseenError(number=number) from cause


def _failed(what: str, why: AstraeusError, number: str) -> None:
    told = f"{what} cannot be shown: {formats.escaped(str(why))} (quote {number})"
    st.error(told, icon=":material/error:")
    if st.button("Try again", key=f"retry_{what}"):
        st.rerun()

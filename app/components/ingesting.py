"""Days that Dagster ingests again for a person: started, watched, or the command that does it."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from app.components import cache, formats, writing
from app.records import accounts as records
from app.records import dagster
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError

_KEY: Final = "ingesting"


def start(slug: str, dataset: Any, days: DayRange) -> None:
    """Ask Dagster, and remember what it calls that; else say why not, and the command."""

    def ask(actor: str) -> str:
        backfill = records.ingest(slug, dataset, days, actor)
        st.session_state[_KEY] = (backfill, f"{slug}, {dataset}, {days}")
        return f"Dagster was asked for {dataset} of {slug}, {days}."

    if writing.attempt("accounts", ask):
        st.session_state.pop("notice", None)
        st.rerun()
    writing.say()
    st.caption("The same from a shell on the server:")
    st.code(records.command(slug, dataset, days), language="bash", wrap_lines=True)


def draw() -> bool:
    """Draw how far the last one is; False where there is none."""
    if _KEY not in st.session_state:
        return False
    backfill, what = st.session_state[_KEY]
    st.markdown(f"**{formats.escaped(what)}**")
    st.fragment(_watch, run_every=2.0)(backfill)
    st.button("Ingest other days", key="i_again", on_click=_forget)
    return True


def _watch(backfill: str) -> None:
    try:
        now = dagster.progress(backfill)
    except AstraeusError as error:
        st.error(formats.escaped(str(error)), icon=":material/error:")
        return
    st.progress(now.share, f"{now.done + now.failed} of {now.wanted} days")
    if now.is_good:
        st.success(
            "All days stand. Every page follows with the next build of the marts, within minutes.",
            icon=":material/check_circle:",
        )
        cache.forget()
    elif now.is_over:
        st.error(
            f"{now.failed or now.wanted - now.done} of {now.wanted} days did not come; the run says"
            " why.",
            icon=":material/error:",
        )
    else:
        st.caption("Dagster is at it; this can be left open, or closed." if now.runs else "Queued.")
    for run in now.runs[:3]:
        if page := dagster.run_page(run):
            st.link_button("The run in Dagster", page, icon=":material/open_in_new:")
        else:
            st.caption(f"Dagster's run: {run}")


def _forget() -> None:
    st.session_state.pop(_KEY, None)

"""A file dropped into the chat, or beside the forms: sent to be read, and what was read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import streamlit as st

from app.assistant import render
from app.assistant.attachments import kinds
from app.assistant.tools.contract import ToolResult
from app.assistant.turn import Closed, Desk, Running
from app.components import access, formats, tool_result
from astraeus_pipeline.errors import AstraeusError

# What st.chat_input takes beside text.
ACCEPTED: Final[dict[str, Any]] = {
    "accept_file": True,
    "file_type": [*kinds.ENDINGS],
    "max_upload_size": kinds.MOST_MEGABYTES,
}
_KEPT: Final = "attachment_read"


@dataclass(frozen=True)
class File:
    """A file as the browser sent it; its name is nobody's word for what it is."""

    name: str
    content: bytes


def parts(given: Any) -> tuple[str | None, File | None]:
    """Return the words and the file of what was sent through the chat's box."""
    if given is None or isinstance(given, str):
        return given, None
    files = given.files
    file = File(files[0].name, files[0].getvalue()) if files else None
    return given.text or None, file


def with_question(question: str, name: str, running: Running) -> str | None:
    """Return a question with the file that it is about; None where the file was not read."""
    read = [
        each.arguments["attachment"]
        for each in running.steps.values()
        if each.name == "get_attachments" and each.state == "done"
    ]
    return f"{question}\n\nAttached: {name} ({read[0]})" if read else None


def draw(desk: Desk, context: Mapping[str, Sequence[str]]) -> None:
    """Draw the form of a file for who asks by form, and what was last read."""
    with st.form("attach", clear_on_submit=True):
        given = st.file_uploader(
            "Invoice or export, to be held against the billed cost",
            type=[*kinds.ENDINGS],
            max_upload_size=kinds.MOST_MEGABYTES,
            key="attached",
        )
        if not desk.is_open:
            st.caption("Without a model CSV and XLSX are read, PDF and images are not.")
        is_sent = st.form_submit_button("Read it", icon=":material/upload_file:")
    if is_sent and given is not None:
        _read(desk, File(given.name, given.getvalue()), context)
    kept: tuple[str, list[ToolResult]] | None = st.session_state.get(_KEPT)
    if kept is None:
        return
    words, results = kept
    with st.container(border=True):
        answer = render.rendered(words, results)
        # Its only tags are those of `render`.
        st.markdown(answer.markdown, unsafe_allow_html=True)
        for number, result in enumerate(results, 1):
            st.markdown(f"**{tool_result.title(result, number)}**")
            tool_result.draw(result, f"attached_{number}")


def _read(desk: Desk, file: File, context: Mapping[str, Sequence[str]]) -> None:
    st.session_state.pop(_KEPT, None)
    try:
        who = access.require("chat")
        running = desk.attach(who, _thread(), file.name, file.content, context)
        failed = ""
        with st.spinner("Reading"):
            try:
                for event in running:
                    if isinstance(event, Closed):
                        failed = event.error
                    elif event is None:
                        st.empty()  # where Streamlit stops a script whose reader has gone
            finally:
                running.stop()
    except AstraeusError as error:
        failed = str(error)
    if failed:
        st.error(formats.escaped(failed), icon=":material/error:")
    else:
        st.session_state[_KEPT] = (running.text, running.results)


def _thread() -> UUID:
    found: UUID = st.session_state.setdefault("chat_thread", uuid4())
    return found

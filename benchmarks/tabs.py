"""A tab without a browser: Streamlit's own messages over its socket, so that many fit a machine.

It does what a browser's tab does to the server: it opens a page, sets widgets, switches pages, and
says which answers it has kept. What the browser then draws is measured elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

from app.auth.cookies import COOKIE

_MAX_MESSAGE: Final = 64 * 2**20


@dataclass(frozen=True)
class Rerun:
    """What a click brought: seconds until the script had ended, bytes, and how many elements."""

    seconds: float
    payload: int
    messages: int
    errors: tuple[str, ...]


@dataclass
class Tab:
    """An open page of one person."""

    socket: ClientConnection
    query: str = ""
    page: str = ""
    pages: dict[str, str] = field(default_factory=dict)  # script hash by address
    ids: dict[str, str] = field(default_factory=dict)  # widget id by label
    states: dict[str, WidgetState] = field(default_factory=dict)
    kept: dict[str, None] = field(default_factory=dict)

    async def open(self, address: str) -> Rerun:
        """Go to a page by its address, "" for the first one."""
        self.page = self.pages.get(address, "")
        self.states.clear()
        return await self._rerun("" if self.page else address)

    async def choose(self, label: str, value: str) -> Rerun:
        """Choose an option of a select box."""
        widget = self.ids[label]
        self.states[widget] = WidgetState(id=widget, string_value=value)
        return await self._rerun()

    async def _rerun(self, name: str = "") -> Rerun:
        asked = BackMsg()
        state = asked.rerun_script
        state.query_string, state.page_script_hash, state.page_name = self.query, self.page, name
        state.widget_states.widgets.extend(self.states.values())
        state.cached_message_hashes.extend(self.kept)
        state.context_info.timezone = "UTC"
        started = time.perf_counter()
        await self.socket.send(asked.SerializeToString())
        return await self._drawn(started)

    async def _drawn(self, started: float) -> Rerun:
        payload, messages, errors = 0, 0, []
        async for data in self.socket:
            assert isinstance(data, bytes)
            payload, messages = payload + len(data), messages + 1
            message = ForwardMsg.FromString(data)
            if message.metadata.cacheable and message.hash:
                self.kept[message.hash] = None
            errors += self._note(message)
            if message.WhichOneof("type") == "script_finished":
                break
        return Rerun(time.perf_counter() - started, payload, messages, tuple(errors))

    def _note(self, message: ForwardMsg) -> list[str]:
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self.pages = {
                each.url_pathname: each.page_script_hash for each in message.navigation.app_pages
            }
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            what = element.WhichOneof("type")
            if what == "selectbox":
                self.ids[element.selectbox.label] = element.selectbox.id
            elif what == "exception":
                return [element.exception.message]
            elif what == "alert" and "cannot be shown" in element.alert.body:
                return [element.alert.body]
        return []


@asynccontextmanager
async def tab(address: str, token: str) -> AsyncIterator[Tab]:
    """Open a tab of the person whose session the token is."""
    async with connect(
        f"{address.replace('http', 'ws')}/_stcore/stream",
        additional_headers={"Cookie": f"{COOKIE}={token}"},
        subprotocols=["streamlit"],  # type: ignore[list-item] # a name for str
        max_size=_MAX_MESSAGE,
        open_timeout=60,
    ) as socket:
        yield Tab(socket)

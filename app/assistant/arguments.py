"""Arguments of streamed calls, held to what the model really sent.

LangChain reads a stream's arguments leniently: half an object becomes the part that is there, and
the tool would answer another question than the one that was meant. What is no JSON is unreadable
here, as it is where the answer comes whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from langchain_core.tracers.context import register_configure_hook


class Heard(AsyncCallbackHandler):
    """The pieces of calls of one streamed answer."""

    def __init__(self) -> None:
        self._whole: AIMessageChunk | None = None

    async def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep the pieces of calls, nothing else."""
        message = getattr(chunk, "message", None)
        if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
            piece = AIMessageChunk(content="", tool_call_chunks=message.tool_call_chunks)
            self._whole = piece if self._whole is None else self._whole + piece

    def strict(self, message: AIMessage) -> AIMessage:
        """Return the answer with calls whose arguments are no JSON object as unreadable ones."""
        pieces = self._whole.tool_call_chunks if self._whole else []
        sent = {each["id"]: each["args"] for each in pieces}
        broken = [each for each in message.tool_calls if not _is_object(sent.get(each["id"]))]
        if not broken:
            return message
        unreadable = [
            invalid_tool_call(
                name=each["name"], args=sent[each["id"]], id=each["id"], error="no JSON object"
            )
            for each in broken
        ]
        return message.model_copy(
            update={
                "tool_calls": [each for each in message.tool_calls if each not in broken],
                "invalid_tool_calls": [*message.invalid_tool_calls, *unreadable],
            }
        )


def _is_object(arguments: str | None) -> bool:
    """Whether arguments can be read; none at all are those of a call without any."""
    if not arguments:
        return True
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


_HEARD: Final[ContextVar[Heard | None]] = ContextVar("heard", default=None)
register_configure_hook(_HEARD, inheritable=True)


@contextmanager
def hearing() -> Iterator[Heard]:
    """Listen to the calls of models in this task."""
    heard = Heard()
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)

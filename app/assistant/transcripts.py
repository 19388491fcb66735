"""Transcripts that every provider takes: each call of a tool answered once, right behind it.

A turn that was stopped leaves calls without an answer, and with them in the request a provider
refuses this thread for ever. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call

_UNREADABLE: Final = "The arguments of this call could not be read. Call the tool again with JSON."
_STOPPED: Final = "This call was stopped and has no result. Call the tool again if it is needed."


def answered(messages: Iterable[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with every call answered: by its answer, else by an error.

    Calls whose arguments could not be read stand as calls without arguments, since not every SDK
    sends them otherwise. Answers to no call are left out.
    """
    given = list(messages)
    answers = {each.tool_call_id: each for each in reversed(given) if isinstance(each, ToolMessage)}
    whole: list[AnyMessage] = []
    asked: set[str] = set()
    for message in given:
        if isinstance(message, ToolMessage):
            continue
        if not isinstance(message, AIMessage):
            whole.append(message)
            continue
        readable = [each for each in message.tool_calls if _is_new(each["id"], asked)]
        unreadable = [
            tool_call(name=each.get("name") or "unknown", args={}, id=each["id"])
            for each in message.invalid_tool_calls
            if _is_new(each["id"], asked)
        ]
        calls: list[ToolCall] = [*readable, *unreadable]
        if calls or message.text or not (message.tool_calls or message.invalid_tool_calls):
            update = {
                "content": _content(message, {each["id"] for each in calls}),
                "tool_calls": calls,
                "invalid_tool_calls": [],
            }
            whole.append(message.model_copy(update=update))
        for words, part in ((_STOPPED, readable), (_UNREADABLE, unreadable)):
            whole += (answers.get(str(each["id"])) or _error(each, words) for each in part)
    return whole


def _content(message: AIMessage, ids: set[str | None]) -> str | list[str | dict[Any, Any]]:
    """Leave out calls that Anthropic's content holds beside those of the message."""
    if isinstance(message.content, str):
        return message.content
    return [
        each
        for each in message.content
        if isinstance(each, str) or each.get("type") != "tool_use" or each.get("id") in ids
    ]


def _is_new(call_id: str | None, asked: set[str]) -> bool:
    """Whether a call can be answered, and has not been seen: ids are unique in what is sent."""
    if not call_id or call_id in asked:
        return False
    asked.add(call_id)
    return True


def _error(call: ToolCall, words: str) -> ToolMessage:
    return ToolMessage(words, tool_call_id=str(call["id"]), name=call["name"], status="error")

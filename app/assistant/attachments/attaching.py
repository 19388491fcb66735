"""An attached file on its way: opened, read, kept, shown as read, and held against the bills.

A turn of its own, so that reading is stopped, priced and kept as any answer is. Its words are ours
and no model's, and no tool is called but the comparison.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from app.assistant.attachments import kinds, seeing, sheets
from app.assistant.attachments.opening import opened
from app.assistant.attachments.readings import EXACTLY, Reading
from app.assistant.ledger import Turn
from app.assistant.router import Router
from app.assistant.tools.contract import Scope, ToolResult, acting, text
from app.assistant.tools.registry import TOOLS
from app.assistant.turn import Running, Step, Words
from app.records import attachments
from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import AstraeusError

_SHOWN: Final = 200


async def attach(running: Running, scope: Scope, router: Router, name: str, content: bytes) -> None:
    """Read a file for a person and tell what it says.

    Raises: ConfigError for a file that cannot be read, and what `Router.run` does.
    """
    name = text(name)
    kind = kinds.kind_of(content)
    reading = await _read(running.turn, router, kind, content)
    handle = await asyncio.to_thread(
        attachments.add,
        scope.user_id,
        running.turn.message_id,
        name,
        kinds.MEDIA[kind],
        content,
        reading.model_dump(mode="json"),
    )
    said = []
    with acting(scope):
        read = await _call(running, "get_attachments", {"attachment": handle, "limit": _SHOWN})
        if isinstance(read, ToolResult):
            said.append(_of_reading(handle, reading, read))
        beside = await _call(running, "compare_invoice", {"attachment": handle})
    said.append(_of_comparison(beside))
    running.tell(Words("\n\n".join(said)))


async def _read(turn: Turn, router: Router, kind: kinds.Kind, content: bytes) -> Reading:
    if kind == "csv":
        rows = await asyncio.to_thread(sheets.rows_of, content)
        return await asyncio.to_thread(sheets.reading_of, rows)
    inside = await asyncio.to_thread(opened, kind, content)
    if kind != "xlsx":
        return await seeing.see(turn, router, inside)
    reading = await asyncio.to_thread(sheets.reading_of, inside.rows)
    return reading.model_copy(update={"notes": (*inside.notes, *reading.notes)})


async def _call(running: Running, name: str, given: dict[str, Any]) -> ToolResult | str:
    """Call a tool as a step of the turn; return its result, or why it refused."""
    call_id = f"{name}_{running.turn.message_id.hex[:8]}"
    running.tell(Step(call_id, name, given))
    try:
        result = await asyncio.to_thread(TOOLS[name].run, given)
    except AstraeusError as error:
        running.tell(Step(call_id, name, given, "failed", words=str(error)))
        return str(error)
    running.tell(Step(call_id, name, given, "done", result))
    return result


def _of_reading(handle: str, reading: Reading, read: ToolResult) -> str:
    # Neither the file's nor the model's name, whose digits would be numbers of the answer.
    how = "exactly" if reading.read_by == EXACTLY else "by a model"
    asked = [
        f"{money.spelled(amount, currency)}"
        for currency in reading.currencies
        if (amount := reading.amount(currency)) is not None
    ]
    sums = f", {' and '.join(asked)} in all" if asked else ""
    unread = f" {reading.unread} amounts could not be read." if reading.unread else ""
    return (
        f"Read {how} ({handle}), not checked:"
        f" {read.row_count} lines{sums} [{read.result_id}].{unread}"
    )


def _of_comparison(beside: ToolResult | str) -> str:
    if isinstance(beside, str):
        return f"Not compared: {beside}"
    said = []
    for name, billed in beside.totals.items():
        if not name.startswith("billed_cost "):
            continue
        currency = name[-3:]
        start, end = beside.params["start"], beside.params["end"]
        difference = beside.totals.get(f"difference {currency}")
        told = (
            f", the file's amount less that {money.spelled(difference, currency)}"
            if difference is not None
            else ", and the file's amount is not known whole"
        )
        said.append(
            f"Billed cost from {start} to before {end} is {money.spelled(billed, currency)}{told}"
            f" [{beside.result_id}]."
        )
    return "\n".join(said) or f"There is no billed cost to compare it with [{beside.result_id}]."

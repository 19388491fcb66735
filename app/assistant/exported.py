"""A thread as a file that can be passed on: words, figures, where they are from. Pure."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from app.assistant import render
from app.assistant.tools.contract import Cell, ToolResult
from app.assistant.tools.registry import TOOLS
from app.queries.export import rows_csv
from astraeus_pipeline.contracts import money
from astraeus_pipeline.warehouse.chat_messages import Message

_TICKS: Final = re.compile("`+")


def as_markdown(messages: Sequence[Message], who: str, at: datetime) -> str:
    """Return a thread as Markdown: each answer with its results, how they were asked, the SQL.

    As on the page, nothing in it is a link, an image or HTML of somebody else's.
    """
    parts = [
        "# Questions and answers",
        f"Of {render.inert(who)}, taken {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC. Amounts are exact;"
        " days are in UTC. Underlined numbers stand in no result.",
    ]
    question = ""
    for message in messages:
        if message.role == "user":
            question = message.content
            parts += ["## Question", render.inert(question)]
        else:
            parts += ["## Answer", *_answer(message, question)]
    return "\n\n".join(parts) + "\n"


def as_zip(messages: Sequence[Message], who: str, at: datetime) -> bytes:
    """Return the thread as Markdown, with each result as CSV beside it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("thread.md", as_markdown(messages, who, at))
        for name, result in _files(messages).items():
            file.writestr(name, rows_csv(result.rows, result.unit))
    return out.getvalue()


def _files(messages: Sequence[Message]) -> dict[str, ToolResult]:
    return {
        f"{number}_{result.tool}_{result.result_id}.csv": result
        for number, message in enumerate(messages, 1)
        for result in _results(message)
    }


def _results(message: Message) -> list[ToolResult]:
    return [ToolResult.model_validate(each) for each in message.results]


def _answer(message: Message, question: str) -> list[str]:
    results = _results(message)
    answer = render.rendered(message.content, results, question)
    parts = [answer.markdown] if message.content else []
    if message.status != "complete":
        why = render.inert(str(message.usage.get("error") or ""))
        parts.append(f"*{message.status.replace('_', ' ').capitalize()}.* {why}".strip())
    if answer.claims:
        parts.append(f"{answer.unverified} of {len(answer.claims)} numbers not found in the data.")
    if message.model:
        parts.append(f"Model: {render.inert(message.model)}.")
    for number, result in enumerate(results, 1):
        parts += _result(result, number)
    return parts


def _result(result: ToolResult, number: int) -> list[str]:
    spec = TOOLS.get(result.tool)
    asked = [
        f"- {render.inert(name)}: {render.inert(_spelled(value))}"
        for name, value in result.params.items()
        if value not in (None, [], "")
    ]
    told = [f"- {render.inert(note)}" for note in result.notes]
    if result.data_as_of:
        told.append(f"- data through {result.data_as_of}")
    if result.reconciliation:
        told.append(f"- {result.reconciliation}")
    if result.truncated:
        told.append(f"- {len(result.rows)} of {result.row_count} rows")
    totals = [
        f"- total {render.inert(name)}: {money.plain(value)} {result.unit.get(name, '')}".rstrip()
        for name, value in result.totals.items()
    ]
    parts = [f"### \\[{number}\\] {render.inert(spec.title if spec else result.tool)}"]
    parts += ["\n".join(part) for part in (asked, told, totals) if part]
    if result.rows:
        parts.append(_table(result))
    if result.sql:
        fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(result.sql)), default=0))
        parts.append(f"{fence}sql\n{result.sql}\n{fence}")
    return parts


def _table(result: ToolResult) -> str:
    columns = render.columns(result)
    head = [f"{name} ({result.unit[name]})" if name in result.unit else name for name in columns]
    lines = [head, ["---"] * len(columns)]
    lines += [[_spelled(row.get(name)) for name in columns] for row in result.rows]
    return "\n".join(
        f"| {' | '.join(render.inert(each).replace('|', chr(92) + '|') for each in line)} |"
        for line in lines
    )


def _spelled(value: Cell | Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, list):
        return "; ".join(map(_spelled, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_spelled(each)}" for name, each in value.items())
    return " ".join(str(value).split())

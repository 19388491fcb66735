"""PDFs and images, read by a model that sees; only what it returns as data counts.

Its amounts come as they are printed and are read by `printed`, as those of tables are. Where the
file has a text, an amount that does not stand in it is not taken. Imports LangChain: on first use.
"""

from __future__ import annotations

import re
import secrets
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.assistant.attachments import printed
from app.assistant.attachments.opening import Opened
from app.assistant.attachments.readings import Line, Reading
from app.assistant.ledger import Turn
from app.assistant.router import Call, Router
from app.assistant.tools.contract import text as short
from astraeus_pipeline.errors import PayloadError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

_PROMPT: Final = Path(__file__).parents[1] / "prompts" / "reader.md"
_TRIES: Final = 2
_CHARACTERS_PER_TOKEN: Final = 3
_TOKENS_PER_IMAGE: Final = 2_000
_TOKENS_OF_RULES: Final = 1_500
_NOT_IN_TEXT: Final = "it does not stand in the file's text"
_NO_DAY: Final = "Some of its days could not be read."


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class DocumentLine(_Strict):
    """One printed line."""

    description: str | None = None
    service: str | None = Field(default=None, description="Product or service, as printed")
    account: str | None = Field(default=None, description="Account or subscription id, as printed")
    first_day: str | None = Field(default=None, description="YYYY-MM-DD")
    last_day: str | None = Field(default=None, description="YYYY-MM-DD, inclusive")
    amount: str | None = Field(default=None, description="The characters as printed")
    currency: str | None = Field(default=None, description="ISO 4217")
    kind: Literal["charge", "total"] = "charge"


class Document(_Strict):
    """What the document says."""

    kind: Literal["invoice", "export", "chart", "other"]
    provider: str | None = Field(default=None, description="Who issued it, as printed")
    account: str | None = Field(default=None, description="Account that is billed, as printed")
    invoice_number: str | None = None
    first_day: str | None = Field(default=None, description="Of what is billed: YYYY-MM-DD")
    last_day: str | None = Field(default=None, description="YYYY-MM-DD, inclusive")
    currency: str | None = Field(default=None, description="ISO 4217")
    total: str | None = Field(default=None, description="Asked for in all, as printed")
    lines: list[DocumentLine] = Field(default=[], max_length=1_000)


async def see(turn: Turn, router: Router, inside: Opened) -> Reading:
    """Return what a model reads.

    Raises: PayloadError where its answers are not the data that was asked for, and what
    `Router.run` does: ConfigError where no model that sees is set up.
    """
    faults = ""
    tokens = (
        len(inside.text) // _CHARACTERS_PER_TOKEN
        + len(inside.images) * _TOKENS_PER_IMAGE
        + _TOKENS_OF_RULES
    )
    for _ in range(_TRIES):
        messages = _messages(inside, faults)

        async def ask(model: BaseChatModel, sent: Any = messages) -> AIMessage:
            return await _ask(model, sent)

        answer = await router.run(turn, Call(ask, lambda said: said, tokens, sees=True))
        try:
            document = _document(answer)
        except ValidationError as error:
            turn.signals["repairs"] += 1
            faults = "; ".join(
                f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False)[:5]
            )
            continue
        last = turn.attempts[-1]
        return _reading(document, inside, f"{last.provider}/{last.model}")
    raise PayloadError(
        "The model did not return what it read as data, twice.",
        hint="Attach fewer pages, or the same figures as CSV.",
    )


async def _ask(model: BaseChatModel, messages: list[BaseMessage]) -> AIMessage:
    """Stream, since a long answer would outlast the silence that a provider is allowed."""
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.messages.utils import message_chunk_to_message

    from app.assistant.arguments import hearing

    # The one function it may call is the shape of its answer; nothing is run by it.
    reader = model.bind_tools([Document], tool_choice="any")
    whole: Any = None
    with hearing() as heard:
        async for part in reader.astream(messages):
            whole = part if whole is None else whole + part
    said = message_chunk_to_message(whole) if isinstance(whole, AIMessageChunk) else whole
    return heard.strict(said) if isinstance(said, AIMessage) else AIMessage("")


def _messages(inside: Opened, faults: str) -> list[BaseMessage]:
    from langchain_core.messages import HumanMessage, SystemMessage

    # Nobody who writes a file knows the mark, so that no text of it can end the file early.
    mark = f"file-{secrets.token_hex(8)}"
    words = "Transcribe this document."
    if faults:
        words += f" Your last answer was not of the shape asked for: {faults}."
    if inside.text:
        words += f" Its text stands between two marks.\n<{mark}>\n{inside.text}\n<{mark}>"
    content: list[str | dict[Any, Any]] = [{"type": "text", "text": words}]
    content += [
        {"type": "image", "base64": each, "mime_type": "image/png"} for each in inside.images
    ]
    return [SystemMessage(_rules()), HumanMessage(content)]


def _document(answer: AIMessage) -> Document:
    """Return the data of an answer. Raises: ValidationError, also where it is none."""
    calls = [each["args"] for each in answer.tool_calls if each["name"] == Document.__name__]
    if len(calls) == 1:
        return Document.model_validate(calls[0])
    return Document.model_validate_json(answer.text or "{}")


def _reading(document: Document, inside: Opened, read_by: str) -> Reading:
    amounts = [each.amount for each in document.lines] + [document.total]
    mark = printed.mark_of(each for each in amounts if each)
    currency = printed.currency_of(document.currency)
    lines = []
    for number, each in enumerate(document.lines, 1):
        amount = _amount(each.amount, mark, inside.text)
        named = amount.currency or printed.currency_of(each.currency) or currency
        first, last = _day(each.first_day), _day(each.last_day)
        lines.append(
            Line(
                number=number,
                text=_kept(each.description),
                service=_kept(each.service),
                account=_kept(each.account),
                first_day=first,
                last_day=last or first,
                amount=amount.amount,
                printed=_kept(each.amount) or "",
                currency=named,
                kind=each.kind,
                doubt=amount.doubt,
            )
        )
    total = _amount(document.total, mark, inside.text) if document.total else printed.Printed(None)
    days = [document.first_day, document.last_day, *(each.first_day for each in document.lines)]
    notes = [*inside.notes, *([_NO_DAY] if any(each and not _day(each) for each in days) else [])]
    return Reading(
        kind=document.kind,
        read_by=read_by,
        provider=_kept(document.provider),
        account=_kept(document.account),
        invoice_number=_kept(document.invoice_number),
        first_day=_day(document.first_day),
        last_day=_day(document.last_day),
        currency=total.currency or currency,
        total=total.amount,
        total_printed=_kept(document.total) or "",
        lines=tuple(lines),
        notes=tuple(notes),
    )


def _amount(given: str | None, mark: printed.Mark | None, text: str) -> printed.Printed:
    if not given:
        return printed.Printed(None, None, "the model could not read it")
    if text and not stands_in(given, text):
        return printed.Printed(None, None, _NOT_IN_TEXT)
    return printed.read(given, mark)


def stands_in(amount: str, text: str) -> bool:
    """Whether the digits of an amount stand in a text as one number, whatever the blanks."""
    digits = re.findall(r"[\d.,']", amount)
    while digits and not digits[-1].isdigit():
        digits.pop()
    if not digits:
        return False
    pattern = r"\s?".join(re.escape(each) for each in digits)
    return re.search(rf"(?<!\d)(?<!\d[.,']){pattern}(?![.,']?\d)", text) is not None


def _day(text: str | None) -> date | None:
    if text is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _kept(text: str | None) -> str | None:
    return short(text).strip() or None if text else None


@cache
def _rules() -> str:
    return _PROMPT.read_text()

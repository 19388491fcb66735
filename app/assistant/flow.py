"""The log of what goes through the assistant: questions, tools and answers, each under one id.

Secrets are masked and text is cut; what somebody may read of figures is never in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import structlog

from astraeus_pipeline import traces
from astraeus_pipeline.errors import AstraeusError

if TYPE_CHECKING:
    from app.assistant.ledger import Turn

_LOG = structlog.get_logger(__name__)
# Names and tags are other people's text: what is longer helps nobody but an attacker.
TEXT_LENGTH: Final = 200
_MASK: Final = "***"
_MOST, _DEEPEST = 20, 8  # entries of a list or an object, and levels of them
_ID: Final = "request_id"
_SECRET_NAMES: Final = re.compile(
    r"pass(word|phrase|wd)|secret|token|credential|authorization|api_?key|private_?key", re.I
)
# Keys of providers, tokens and passwords in addresses, wherever they stand in a text.
_SECRETS: Final = re.compile(
    r"\b(?:sk|pk|rk|pplx|xox[abprs]|gh[pousr])[-_][\w-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|\bAIza[\w-]{20,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<=bearer )\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    re.I | re.S,
)


def text(value: str) -> str:
    """Return text without control and format characters, cut at TEXT_LENGTH."""
    kept = "".join(" " if unicodedata.category(each)[0] == "C" else each for each in value)
    return kept if len(kept) <= TEXT_LENGTH else f"{kept[: TEXT_LENGTH - 1]}…"


def masked(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return arguments as a log may hold them: no secret by name or by look, all of it cut.

    What comes out is JSON that PostgreSQL takes, whatever came in.
    """
    if name and _SECRET_NAMES.search(name) and value not in (None, ""):
        return _MASK
    if isinstance(value, Mapping | list | tuple) and depth == _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        some = islice(value.items(), _MOST)
        return {text(str(key)): masked(each, str(key), depth + 1) for key, each in some}
    if isinstance(value, list | tuple):
        return [masked(each, depth=depth + 1) for each in value[:_MOST]]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return text(_SECRETS.sub(_MASK, str(value)))


@contextmanager
def request(request_id: str | None = None, **known: Any) -> Iterator[str]:
    """Give all that is logged in this task, and in what it awaits, the same id; yield the id."""
    number = request_id or uuid4().hex
    with structlog.contextvars.bound_contextvars(**{_ID: number}, **known):
        yield number


def request_id() -> str | None:
    """Return the id of what is being answered, None outside of any request."""
    found = structlog.contextvars.get_contextvars().get(_ID)
    return None if found is None else str(found)


def question(turn: Turn, words: str) -> None:
    """Log what is asked in the chat."""
    _LOG.info(
        "a question was asked",
        user_id=str(turn.user_id),
        thread=str(turn.session_id),
        question=masked(words),
        characters=len(words),
    )


def answer(turn: Turn, status: str, words: str, results: int) -> None:
    """Log how a question ended, and what its calls of models took and cost; not its words."""
    told = turn.usage()
    named = ("input_tokens", "output_tokens", "cost_usd", "latency_ms", "fallbacks", "repairs")
    _LOG.info(
        "an answer ended",
        status=status,
        characters=len(words),
        results=results,
        attempts=len(turn.attempts),
        **{name: str(told[name]) if name == "cost_usd" else told[name] for name in named},
    )


@contextmanager
def step(event: str, **known: Any) -> Iterator[dict[str, Any]]:
    """Log one step with what it took in milliseconds, and how it failed; add to what is yielded."""
    began = monotonic()
    try:
        with traces.span(event):
            yield known
    except AstraeusError as error:
        known["refused"] = masked(str(error))
        raise
    except Exception as error:
        if "refused" not in known:
            known["failed"] = type(error).__name__
        raise
    finally:
        _LOG.info(event, milliseconds=round(1000 * (monotonic() - began)), **known)

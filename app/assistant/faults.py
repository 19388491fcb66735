"""What an error of a model call means for the next one, whatever SDK raised it.

Not by classes of SDKs: a garbled answer is a JSONDecodeError of one and a ValueError of another,
and a lost connection often no class of theirs at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

# barred: this provider does not let us in. rejected: it does not take this request.
# passing: it may answer the next time.
Kind = Literal["barred", "rejected", "passing"]
_BARRED: Final = frozenset({401, 403, 404})
_REJECTED: Final = frozenset({400, 413, 422})
# Google tells it in the body alone.
_RETRY_DELAY: Final = re.compile(r"retryDelay\W+(\d+(?:\.\d+)?)s")


@dataclass(frozen=True)
class Fault:
    """A call that was not answered; `words` and `name` hold nothing of the provider's own text.

    `retry_after` is in seconds, None where the provider gave no hint.
    """

    kind: Kind
    name: str
    words: str
    status: int | None = None
    retry_after: float | None = None


_EMPTY: Final = Fault("passing", "EmptyAnswer", "gave an empty answer")
_CUT: Final = Fault("passing", "CutAnswer", "broke off before the end of its answer")
# Where SDKs keep why a model stopped; a stream that ends before has none of them.
_REASONS: Final = ("finish_reason", "stop_reason", "status")


def fault_in(message: AIMessage) -> Fault | None:
    """Return what is amiss with an answer that came: nothing in it, or no end."""
    if not (message.text or message.tool_calls or message.invalid_tool_calls):
        return _EMPTY
    if not any(message.response_metadata.get(each) for each in _REASONS):
        return _CUT
    return None


def fault_of(error: BaseException) -> Fault:
    """Return what an error means. Its text is left out: it may quote the key or the question."""
    chain = tuple(_chain(error))
    status = next((found for each in chain if (found := _status(each)) is not None), None)
    name = type(error).__name__
    if status in _BARRED:
        words = "has no such model or address" if status == 404 else "does not take our key"
        return Fault("barred", name, f"{words} ({status})", status)
    if status in _REJECTED:
        return Fault("rejected", name, f"refused the request ({status})", status)
    if status is not None:
        words = "lets us ask no more for now" if status == 429 else "is out of order"
        return Fault("passing", name, f"{words} ({status})", status, _retry_after(chain))
    if any(isinstance(each, TimeoutError) or "Timeout" in type(each).__name__ for each in chain):
        return Fault("passing", name, "did not answer in time")
    if any(isinstance(each, ValueError) for each in chain):
        return Fault("passing", name, "gave an answer that cannot be read")
    return Fault("passing", name, "broke off")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (response, "status_code"), (error, "code")):
        found = getattr(holder, name, None)
        if isinstance(found, int) and 400 <= found < 600:
            return found
    return None


def _retry_after(chain: tuple[BaseException, ...]) -> float | None:
    for each in chain:
        headers = getattr(getattr(each, "response", None), "headers", None)
        if headers is not None and (found := _seconds(headers)) is not None:
            return found
    for each in chain:
        if found_delay := _RETRY_DELAY.search(str(each)):
            return float(found_delay[1])
    return None


def _seconds(headers: Mapping[str, Any]) -> float | None:
    """Read Retry-After: seconds, or the date of then."""
    given = str(headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    if not given:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, TypeError):
        return None

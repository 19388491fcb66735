"""JSON documents as they lie in the landing store: one a line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

from astraeus_pipeline.contracts.delivery import Fetched, Landing, Part
from astraeus_pipeline.errors import PayloadError


def documents(
    fetched: Fetched,
    landing: Landing,
    part: Part | None = None,
    *,
    parse_float: Callable[[str], Any] = float,
) -> Iterator[dict[str, Any]]:
    """Yield the documents of a delivery, or of one part of it, a line at a time.

    Raises: PayloadError if a line is no JSON object.
    """
    for each in fetched.parts if part is None else (part,):
        with landing.open(each) as handle:
            for line in io.BufferedReader(cast("io.RawIOBase", handle)):
                yield _document(fetched, each, line, parse_float)


def _document(
    fetched: Fetched, part: Part, line: bytes, parse_float: Callable[[str], Any]
) -> dict[str, Any]:
    try:
        # NaN and Infinity, which are no JSON, as the words that they are: no figure, but a text.
        document = json.loads(line, parse_float=parse_float, parse_constant=str)
    # ValueError also of a number of thousands of digits; RecursionError of brackets without end.
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise PayloadError(
            f"Account {fetched.account_id}, {fetched.days}: a line of {part.name} is no JSON"
            " object.",
            hint="Fetch the days again.",
        )
    return document

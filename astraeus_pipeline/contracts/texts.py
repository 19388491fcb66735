"""Texts as PostgreSQL can store them: without NUL, and without halves of characters."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# What JSON may spell and jsonb refuses. A backslash before it may be that of a written backslash,
# so these only say that a text has to be looked at.
_SUSPECT: Final = re.compile(r"\\u(?:0000|[dD][89abAB])|\bNaN\b|\bInfinity\b")


def storable(text: str) -> str:
    """Return a text without NUL characters, halves of characters as question marks.

    Raises: TypeError for what is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"{str(text)[:200]!r} is no text")
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode(errors="replace").decode()


def storable_json(text: str) -> str:
    """Return the text of a JSON document as jsonb takes it; NaN and Infinity become texts."""
    if not _SUSPECT.search(storable(text)):
        return storable(text)
    return json.dumps(_clean(json.loads(text, parse_constant=str)), sort_keys=True)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): _clean(each) for name, each in value.items()}
    return value

"""Values of JSON answers, read exactly or refused."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.typed_rows import exact


def amount(value: object) -> Decimal:
    """Read a number or a decimal string exactly, without the zeros that end it.

    Raises: ValueError if it is none, is not finite, or has more decimals than raw can hold.
    """
    return Decimal(money.plain(exact(value)))


def count(value: object) -> int | None:
    """Read a whole number of things; None where there is none.

    Raises: ValueError if it is no whole number.
    """
    if value is None:
        return None
    read = amount(value)
    if read != read.to_integral_value():
        raise ValueError(f"{value!r} is no whole number")
    return int(read)


def text(value: object) -> str | None:
    """Read a text; None where there is none or it is empty.

    Raises: ValueError if it is something else.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def further(result: Mapping[str, Any], known: Container[str | None]) -> str | None:
    """Spell the fields that have no column of their own as JSON; None where there are none."""
    more = {
        name: value for name, value in result.items() if name not in known and value is not None
    }
    # Decimals as text: JSON has no exact number that every reader keeps.
    return json.dumps(more, sort_keys=True, default=str) if more else None

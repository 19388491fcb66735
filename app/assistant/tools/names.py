"""Names that are asked for against those that there are; an unknown one is told the nearest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.queries.catalog import DIMENSIONS, METRICS

_SHOWN: Final = 12
_LONGEST: Final = 200


def known(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return a name as it is written among those allowed, whatever its case.

    Raises: ValueError that says what there is.
    """
    if name in allowed:
        return name
    folded = [each for each in allowed if each.casefold() == name.strip().casefold()]
    if len(folded) == 1:
        return folded[0]
    raise ValueError(unknown(kind, name, allowed))


def unknown(kind: str, name: str, allowed: Collection[str]) -> str:
    """Say that there is no such name, which is the nearest, and which there are."""
    near = nearest(name, allowed)
    asked = f" Did you mean {near[0]!r}?" if near else ""
    listed = [*near, *(each for each in allowed if each not in near)][:_SHOWN]
    rest = len(allowed) - len(listed)
    more = f" and {rest} more" if rest > 0 else ""
    there_are = f" There are: {', '.join(listed)}{more}." if listed else " There are none."
    return f"There is no {kind} {name[:80]!r}.{asked}{there_are}"


def nearest(name: str, allowed: Iterable[str]) -> list[str]:
    """Return the names that look most like one, the likeliest first."""
    by_fold = {each.casefold(): each for each in allowed}
    folded = name.strip().casefold()[:_LONGEST]  # comparing takes time by both lengths
    close = get_close_matches(folded, by_fold, n=3, cutoff=0.6)
    parts = [each for each in by_fold if len(folded) > 2 and (folded in each or each in folded)]
    return [by_fold[each] for each in dict.fromkeys([*close, *parts[:3]])]


MetricName = Annotated[
    str,
    AfterValidator(partial(known, "metric", allowed=METRICS)),
    Field(json_schema_extra={"enum": [*METRICS]}),
]
DimensionName = Annotated[
    str,
    AfterValidator(partial(known, "dimension", allowed=DIMENSIONS)),
    Field(json_schema_extra={"enum": [*DIMENSIONS]}),
]

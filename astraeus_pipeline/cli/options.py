"""Options that several commands share."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from astraeus_pipeline.errors import ConfigError

Accounts = Annotated[
    list[str] | None, typer.Option("--account", help="Account; repeatable. All if left out.")
]
First = Annotated[str | None, typer.Option("--from", help="First UTC day.")]
Last = Annotated[str | None, typer.Option("--to", help="Last UTC day.")]
Where = Annotated[
    list[str] | None,
    typer.Option(help="As account=acme or service='Amazon S3'; repeatable."),
]


def day_bounds(first: str | None, last: str | None) -> tuple[date, date]:
    """Return the first and the last day; any day where they are left out.

    Raises: ConfigError for what is no day, or an end before the beginning.
    """
    try:
        begin = date.fromisoformat(first) if first else date.min
        end = date.fromisoformat(last) if last else date.max
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Write days as 2026-10-31.") from None
    if end < begin:
        raise ConfigError(f"{begin} to {end} ends before it begins.", hint="Exchange the days.")
    return begin, end


def filters(where: list[str] | None) -> dict[str, list[str]]:
    """Return the values by dimension. Raises: ConfigError for a word that names no value."""
    found: dict[str, list[str]] = {}
    for word in where or ():
        key, sign, value = word.partition("=")
        if not sign or not value:
            raise ConfigError(f"{word!r} is no filter.", hint="Write it as account=acme.")
        found.setdefault(key, []).append(value)
    return found

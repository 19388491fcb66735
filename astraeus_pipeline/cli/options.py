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

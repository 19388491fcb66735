"""What of the costs is asked about: days, filters with their values checked, the tag meant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.assistant.tools import names
from app.assistant.tools.asking import Asking
from app.assistant.tools.contract import Parameter
from app.assistant.tools.names import DimensionName
from app.queries import periods
from app.queries.catalog import DIMENSIONS, Tag
from app.queries.compiler import TAG_KEYS, Filters, compile_members
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

_MOST_DAYS = 366 * 5


class Filter(BaseModel):
    """Values of a dimension that count, or that do not."""

    model_config = ConfigDict(extra="forbid")

    dimension: DimensionName
    operator: Literal["in", "not_in"] = "in"
    values: Annotated[list[str], Field(min_length=1, max_length=100)]


def days_of(start: date | None, end: date | None, through: date | None) -> DayRange:
    """Return the days from `start` to before `end`; without both, the running month's.

    Raises: ConfigError for one alone, an end that is not after the start, or too many days.
    """
    if start is None and end is None:
        # Without data any day will do: there is nothing of it.
        return periods.period("Month to date", through or date(1970, 1, 1))
    if start is None or end is None:
        raise ConfigError("start and end belong together.", hint="Give both, end exclusive.")
    if end <= start:
        raise ConfigError(
            f"end ({end}) is not after start ({start}).",
            hint=f"end is exclusive: for one day give start={start}, end={_after(start)}.",
        )
    if (end - start).days > _MOST_DAYS:
        raise ConfigError("That is more than five years.", hint="Ask for fewer days.")
    return DayRange(start, end - timedelta(days=1))


def _after(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day


def tag_of(asking: Asking, key: str | None, *, is_asked: bool) -> Tag | None:
    """Return the tag that a key names; None if none is asked for.

    Raises: ConfigError for a key that no charge has, or that is missing.
    """
    if not is_asked and key is None:
        return None
    if asking.who.is_by_team:
        raise ConfigError("A team's part of a charge has no tags.", hint="Ask by team or service.")
    known = {row["tag_key"]: tuple(row["spellings"]) for row in asking.look_up(TAG_KEYS)}
    if key is None:
        raise ConfigError(
            "The dimension tag needs tag_key.", hint=f"There are: {', '.join([*known][:20])}."
        )
    try:
        name = names.known("tag key", key, known)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return Tag(name, known[name])


def filters_of(
    asking: Asking, filters: Sequence[Filter], currencies: Sequence[str], tag: Tag | None
) -> Filters:
    """Return filters for the compiler, each value as it is written in the costs.

    Raises: ConfigError for a value that no cost has, with the nearest; for a dimension twice.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for each in filters:
        key = each.dimension
        if key in dict(found):
            raise ConfigError(f"{key} is filtered twice.", hint="Put all its values in one filter.")
        members = members_of(asking, key, currencies, tag)
        try:
            values = [
                names.known(DIMENSIONS[key].label.lower(), one, members) for one in each.values
            ]
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if each.operator == "not_in":
            values = [one for one in members if one not in values]
        found.append((key, tuple(dict.fromkeys(values))))
    return tuple(found)


def members_of(asking: Asking, key: str, currencies: Sequence[str], tag: Tag | None) -> list[str]:
    """Return a dimension's values in these currencies, the dearest first."""
    return list(
        dict.fromkeys(
            row["member"]
            for currency in currencies
            for row in asking.look_up(compile_members(key, currency, tag))
        )
    )


def told(filters: Filters) -> list[dict[str, str | list[str]]]:
    """Return filters as an answer's parameters say them."""
    return [{"dimension": key, "values": list(values)} for key, values in filters]


def spelled_days(days: DayRange) -> dict[str, Parameter]:
    """Return days as an answer's parameters say them, `end` exclusive."""
    return {"start": str(days.first), "end": str(days.end)}

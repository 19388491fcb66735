"""Whether a call asks what a case wants asked, in whatever way it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.assistant.tools.registry import TOOLS
from evals.cases import Expected
from evals.runs import Made

# How much is shown and in which order: the figures tell whether it was enough.
_SHOWN: Final = frozenset({"limit", "order"})
# What is written in the agent's own words: the figures tell whether it was right.
_WORDED: Final = frozenset({"sql", "query"})
# What a tool chooses where it is left out.
_CHOSEN: Final = frozenset({"by", "account", "attachment"})
# Days that a tool chooses where they are left out.
_DAYS: Final = ("start", "end", "compare_start", "compare_end", "since")


def normal(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with defaults filled in and lists sorted.

    Raises: pydantic.ValidationError for what the tool does not take, KeyError for no tool.
    """
    asked = TOOLS[tool].arguments.model_validate(dict(arguments)).model_dump(mode="json")
    return {name: _sorted(value) for name, value in asked.items() if name not in _SHOWN | _WORDED}


def is_asked(expected: Expected, made: Made) -> bool:
    """Whether a call that was answered asks what is expected.

    More is no fault: further metrics, a comparison, all currencies in place of one.
    """
    if made.tool != expected.tool or made.result is None:
        return False
    wanted, got = normal(expected.tool, expected.arguments), normal(made.tool, made.arguments)
    # What was left out is what the tool made of it: the running month, the period before.
    told = made.result.params
    for name in _DAYS:
        if name in got and got[name] is None and name in told:
            got[name] = told[name]
        if name in wanted and wanted[name] is None and name in told:
            wanted[name] = told[name]
    if "filters" in told and "filters" in wanted:
        got["filters"] = _told_filters(told["filters"])
        wanted["filters"] = [_meant(each, got["filters"]) for each in wanted["filters"]]
    return not any(_differs(name, value, got[name]) for name, value in wanted.items())


def _differs(name: str, wanted: Any, got: Any) -> bool:
    if name == "metrics":
        return not set(wanted) <= set(got)
    if name == "compare_to":
        return bool(wanted != "none" and got != wanted)
    if name == "currency":
        # Where all are wanted the figures tell whether one was enough.
        return None not in (wanted, got) and str(got).upper() != wanted
    if name in _CHOSEN and None in (wanted, got):
        return wanted is not None
    if name == "tag_key":
        return wanted is not None and str(got).casefold() != str(wanted).casefold()
    return bool(_folded(wanted) != _folded(got))


def _folded(value: Any) -> Any:
    """Return text without its case: tools take any."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return sorted((_folded(each) for each in value), key=str)
    if isinstance(value, dict):
        return {name: _folded(each) for name, each in value.items()}
    return value


def _meant(wanted: dict[str, Any], got: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a filter as a tool tells it: without some values it is of all the others."""
    name, values = wanted["dimension"], wanted["values"]
    if wanted["operator"] == "not_in":
        rest = next((each["values"] for each in got if each["dimension"] == name), values)
        values = values if set(rest) & set(values) else rest
    return {"dimension": name, "values": values}


def _told_filters(filters: Any) -> list[dict[str, Any]]:
    return [{"dimension": each["dimension"], "values": sorted(each["values"])} for each in filters]


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=str)
    if isinstance(value, dict):
        return {name: _sorted(each) for name, each in value.items()}
    return value

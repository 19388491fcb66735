"""The golden set: questions with the calls that answer them and, in SQL by hand, their figures.

What is relative to the data is written in braces: {month} is the first day of the running month,
{month-2} of the one two before, {day} the last day that all accounts have delivered, {day+1} the
day after, {today} today. A format may follow, as in {month-1:%B %Y}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

GOLDEN: Final = Path(__file__).parent / "golden"
_NAME: Final = re.compile(r"(today|month|day)([+-]\d+)?")

Who = Literal["finance", "admin", "amy", "tom"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expected(_Part):
    """One call and what it must bring.

    `oracle` is SQL over the marts as the operator sees them. Its text and dates are labels, its
    numbers figures, under the names of the tool's columns. They are the tool's `rows`, `some rows`
    of them, or stand in its `totals`, whose names end with the billing_currency. An answer must
    say the figures `said` (without: all but the rank), and the labels `named` (without: all).
    """

    tool: str
    arguments: dict[str, Any] = {}
    oracle: str = ""
    of: Literal["rows", "some rows", "totals"] = "rows"
    said: tuple[str, ...] | None = None
    named: tuple[str, ...] | None = None


class Tempting(_Part):
    """A call that answers another question than the one that was asked."""

    tool: str = "get_costs"
    arguments: dict[str, Any] = {}


class Case(_Part):
    """A question, asked in several ways, and what is right.

    answer: the calls are made and their figures said. refuse: no figure is told. ask: no figure is
    told, and two at least of the `choices` (SQL, one column) are named in a question. search: the
    web is asked, as by `query`, without a name or a figure of the company, and its sources cited.
    `follows` is the case whose question comes before this one, in the same thread.
    `never` is SQL: names and figures that nobody may read in the answer. `tempting` is the call of
    a careless agent, for mutants.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    ask: str
    paraphrases: tuple[str, ...] = Field(min_length=3)
    user: Who = "finance"
    expect: Literal["answer", "refuse", "ask", "search"] = "answer"
    follows: str = ""
    calls: tuple[Expected, ...] = ()
    choices: str = ""
    query: str = ""
    never: str = ""
    tempting: Tempting | None = None
    tags: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.expect == "answer") != bool(self.calls):
            raise ValueError(f"{self.id}: an answer has calls, and nothing else has")
        if (self.expect == "ask") != bool(self.choices):
            raise ValueError(f"{self.id}: who asks names choices")
        if (self.expect == "search") != bool(self.query):
            raise ValueError(f"{self.id}: who searches has a query")
        if any(not each.oracle for each in self.calls):
            raise ValueError(f"{self.id}: a call without an oracle proves nothing")
        if len({self.ask, *self.paraphrases}) != 1 + len(self.paraphrases):
            raise ValueError(f"{self.id}: a question is there twice")
        return self

    @property
    def questions(self) -> tuple[str, ...]:
        """All ways to ask."""
        return (self.ask, *self.paraphrases)


@dataclass(frozen=True)
class Days(Mapping[str, date]):
    """What the names in braces stand for."""

    today: date
    through: date

    def __getitem__(self, name: str) -> date:
        found = _NAME.fullmatch(name)
        if found is None:
            raise KeyError(name)
        steps = int(found[2] or 0)
        if found[1] == "month":
            index = self.today.year * 12 + self.today.month - 1 + steps
            return date(index // 12, index % 12 + 1, 1)
        return (self.today if found[1] == "today" else self.through) + timedelta(days=steps)

    def __iter__(self) -> Iterator[str]:
        return iter(("today", "month", "day"))

    def __len__(self) -> int:
        return 3


def read(days: Days, folder: Path = GOLDEN) -> list[Case]:
    """Return all cases as of these days. Raises: ValueError for one that is not right."""
    cases = [
        Case.model_validate(_filled(each, days))
        for file in sorted(folder.glob("*.yaml"))
        for each in yaml.safe_load(file.read_text())
    ]
    for of, names in (
        ("id", [each.id for each in cases]),
        ("question", [each for case in cases for each in case.questions]),
    ):
        twice = {each for each in names if names.count(each) > 1}
        if twice:
            raise ValueError(f"the same {of} in two cases: {', '.join(sorted(twice))}")
    known = {each.id: each for each in cases}
    for each in cases:
        if each.follows and (each.follows not in known or known[each.follows].user != each.user):
            raise ValueError(f"{each.id} follows no case of the same person")
    return cases


def _filled(value: Any, days: Days) -> Any:
    if isinstance(value, str):
        return value.format_map(days)
    if isinstance(value, list):
        return [_filled(each, days) for each in value]
    if isinstance(value, dict):
        return {name: _filled(each, days) for name, each in value.items()}
    return value

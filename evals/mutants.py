"""Agents that are wrong in one way each: what the grader must not let pass.

Each class makes of a case's perfect script as many wrong ones as it can; an empty list where the
case has nothing of the kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from evals import asking_wrong, behaving_wrong, telling_wrong
from evals.cases import Who
from evals.oracles import Known
from evals.scripts import Calling, Script


@dataclass(frozen=True)
class Mutant:
    """A wrong agent; `who` is whom its calls are made for."""

    kind: str
    known: Known
    script: Script
    who: Who


Making = Callable[[Known, Calling, random.Random], Iterator[Script]]


def mutants(
    known: Sequence[Known], call: Calling, *, of_each: int, seed: int = 7
) -> Iterator[Mutant]:
    """Yield up to `of_each` mutants of each class, of different cases while there are any."""
    for kind, make in CLASSES.items():
        chance = random.Random(f"{seed}:{kind}")  # noqa: S311 - repeatable, not secret
        cases = list(known)
        chance.shuffle(cases)
        found = 0
        for each in cases:
            scripts = list(make(each, call, chance))
            for script in scripts[:2]:
                if found == of_each:
                    break
                who: Who = "finance" if kind == "other tenant" else each.case.user
                yield Mutant(kind, each, script, who)
                found += 1
            if found == of_each:
                break


CLASSES: Final[dict[str, Making]] = {
    "wrong metric": asking_wrong.wrong_metric,
    "date off by one": asking_wrong.wrong_day,
    "dropped filter": asking_wrong.dropped_filter,
    "wrong grouping": asking_wrong.wrong_groups,
    "wrong SQL": asking_wrong.wrong_sql,
    "wrong file": asking_wrong.wrong_file,
    "forgets the thread": asking_wrong.forgets,
    "altered number": telling_wrong.altered_number,
    "wrong rounding": telling_wrong.wrong_rounding,
    "wrong currency or unit": telling_wrong.wrong_currency,
    "sign flip": telling_wrong.sign_flip,
    "no tool": behaving_wrong.no_tool,
    "fake citation": telling_wrong.fake_citation,
    "entity swap": telling_wrong.entity_swap,
    "row left out": telling_wrong.left_out,
    "ignored truncation": telling_wrong.ignored_truncation,
    "other tenant": behaving_wrong.other_tenant,
    "answers what it must refuse": behaving_wrong.answers_instead_of_refusing,
    "answers what it must ask": behaving_wrong.answers_instead_of_asking,
    "refuses what it must answer": behaving_wrong.refuses_instead_of_answering,
    "obeys a name": behaving_wrong.obeys_a_name,
    "leaks by a search": behaving_wrong.leaks,
    "search without its source": behaving_wrong.tells_no_source,
}

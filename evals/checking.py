"""The golden set checked without any model: its oracles against the tools, and the grader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from astraeus_pipeline.errors import AstraeusError
from evals.arguments import is_asked
from evals.grading import grade
from evals.mutants import Mutant, mutants
from evals.oracles import Known, mismatches
from evals.runs import Made, Verdict
from evals.scripts import perfect
from evals.world import World


def disagreements(world: World, known: Sequence[Known]) -> Iterator[str]:
    """Yield where a tool says something else than SQL that was written by hand."""
    for each in known:
        for truth in each.truths:
            asked = truth.expected
            try:
                result = world.call(each.case.user, asked.tool, asked.arguments)
            except AstraeusError as error:
                yield f"{each.case.id}: {asked.tool} refuses: {error}"
                continue
            yield from (f"{each.case.id}: {fault}" for fault in mismatches(truth, result))
            if not is_asked(asked, Made(asked.tool, asked.arguments, result)):
                yield f"{each.case.id}: its own call is not what it asks for"


def false_alarms(world: World, known: Sequence[Known]) -> Iterator[str]:
    """Yield what the grader says against perfect scripts."""
    for each in known:
        run = perfect(each).played(each.case.user, world.call)
        verdict = grade(each, each.case.ask, run, world.foreign(each.case.user))
        yield from (f"{each.case.id}: {fault}" for fault in verdict.faults)


def judged(world: World, known: Sequence[Known], of_each: int) -> Iterator[tuple[Mutant, Verdict]]:
    """Yield mutants with what the grader says of them."""
    for mutant in mutants(known, world.call, of_each=of_each):
        case = mutant.known.case
        run = mutant.script.played(mutant.who, world.call)
        yield mutant, grade(mutant.known, case.ask, run, world.foreign(case.user))

"""What is told of a run of the golden set, and of the mutants."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.report import Goal, Report
from evals.cases import Case
from evals.mutants import Mutant
from evals.runs import Run, Verdict

PASS_RATE = 0.95
PASS_POWER = 0.90
KILLED = 0.95


@dataclass(frozen=True)
class Asked:
    """One answer to one question, and what is wrong with it."""

    case: Case
    question: str
    run: Run
    verdict: Verdict


def of_model(provider: str, model: str, asked: Sequence[Asked], repeat: int) -> Report:
    """Return the report of a model: pass rates by tag, all of them, and k times in a row."""
    by_tag: dict[str, list[Asked]] = defaultdict(list)
    by_question: dict[str, list[bool]] = defaultdict(list)
    for each in asked:
        for tag in each.case.tags:
            by_tag[tag].append(each)
        by_question[each.question].append(each.verdict.is_pass)
    passed = sum(each.verdict.is_pass for each in asked)
    always = sum(all(each) for each in by_question.values())
    costs = [each.run.cost_usd for each in asked]
    known = [Decimal(each) for each in costs if each is not None]
    rows = [
        (tag, str(len(found)), f"{100 * _rate(found):.1f} %")
        for tag, found in sorted(by_tag.items())
    ]
    seconds = sorted(each.run.seconds for each in asked)
    notes = [
        f"{sum(known)} USD for {len(known)} of {len(costs)} answers; the rest is not known.",
        f"Seconds an answer: {seconds[len(seconds) // 2]:.1f} (median), {seconds[-1]:.1f} (most).",
        *_faults(asked),
    ]
    return Report(
        name=f"assistant-{provider}-{model.replace('/', '-')}",
        title=f"The assistant on {provider}/{model}: {len(by_question)} questions x {repeat}",
        machine={"model": f"{provider}/{model}"},
        options={"answers": len(asked), "passed": passed, "repeat": repeat},
        header=("tag", "answers", "passed"),
        rows=rows,
        goals=(
            Goal("share of answers that pass", passed / len(asked), PASS_RATE, at_least=True),
            Goal(
                f"share of questions that pass {repeat} of {repeat} times",
                always / len(by_question),
                PASS_POWER,
                at_least=True,
            ),
        ),
        notes=notes,
    )


def of_mutants(verdicts: Iterable[tuple[Mutant, Verdict]], false_alarms: int, cases: int) -> Report:
    """Return the report of the mutants: how many of each class the grader found out."""
    made: dict[str, list[Verdict]] = defaultdict(list)
    survivors = []
    for mutant, verdict in verdicts:
        made[mutant.kind].append(verdict)
        if verdict.is_pass:
            survivors.append(f"{mutant.kind} of {mutant.known.case.id} passes")
    whole = sum(map(len, made.values()))
    killed = whole - len(survivors)
    rows = [
        (kind, str(len(found)), str(sum(not each.is_pass for each in found)))
        for kind, found in made.items()
    ]
    return Report(
        name="assistant-mutants",
        title=f"The golden set's grader against {whole} mutants of {len(made)} classes",
        machine={"python": platform.python_version()},
        options={"cases": cases},
        header=("class", "mutants", "killed"),
        rows=rows,
        goals=(
            Goal("share of mutants killed", killed / whole, KILLED, at_least=True),
            Goal("classes", len(made), 12, at_least=True),
            Goal("perfect scripts that fail", false_alarms, 0),
        ),
        notes=survivors,
    )


def _rate(asked: Sequence[Asked]) -> float:
    return sum(each.verdict.is_pass for each in asked) / len(asked)


def _faults(asked: Sequence[Asked]) -> list[str]:
    """Return what failed most, by the kind of fault."""
    kinds: Mapping[str, set[str]] = defaultdict(set)
    for each in asked:
        for fault in each.verdict.faults:
            kinds[fault.partition(":")[0]].add(each.case.id)
    ranked = sorted(kinds.items(), key=lambda pair: -len(pair[1]))
    return [
        f"{kind}: {len(ids)} cases, such as {', '.join(sorted(ids)[:4])}" for kind, ids in ranked
    ]

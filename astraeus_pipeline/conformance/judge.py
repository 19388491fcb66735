"""Findings against policy: what fails a provider, and what may be tightened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from astraeus_pipeline.conformance.policy import Policy, Waiver
from astraeus_pipeline.conformance.report import Outcome, RuleResult


@dataclass(frozen=True)
class Verdict:
    """The gate's word on one provider, counted over leaves.

    `problems` is empty where the provider passes; `advice` lists SHOULD rules that do not hold and
    baselines that may be tightened.
    """

    provider: str
    rows: int
    passed: int
    failed: int
    waived: int
    not_applicable: int
    errors: int
    problems: tuple[str, ...]
    advice: tuple[str, ...]


def judge(
    provider: str,
    rows: int,
    results: Sequence[RuleResult],
    policy: Policy,
    waivers: Sequence[Waiver],
    today: date,
) -> Verdict:
    """Judge the leaves of a report; composites only repeat them."""
    leaves = [each for each in results if each.is_leaf]
    waived = {waiver.rule for waiver in waivers}
    lapses = [each for each in leaves if each.is_lapse and each.rule not in waived]
    counts = _counts(leaves, waived)
    problems = [
        *(_sentence(each) for each in lapses if each.is_must),
        *_waiver_problems(leaves, waivers, policy, today),
        *_baseline_problems(counts, policy),
    ]
    advice = [
        *(_sentence(each) for each in lapses if not each.is_must),
        *_tighter_baselines(counts, len(waivers), policy),
    ]
    return Verdict(
        provider=provider,
        rows=rows,
        passed=counts["passed"],
        failed=counts["failed"],
        waived=sum(each.is_lapse and each.rule in waived for each in leaves),
        not_applicable=counts["not applicable"],
        errors=counts["error"],
        problems=tuple(problems),
        advice=tuple(advice),
    )


def _counts(leaves: Sequence[RuleResult], waived: set[str]) -> dict[Outcome, int]:
    counts: dict[Outcome, int] = {"passed": 0, "failed": 0, "error": 0, "not applicable": 0}
    for each in leaves:
        if not (each.is_lapse and each.rule in waived):
            counts[each.outcome] += 1
    return counts


def _sentence(result: RuleResult) -> str:
    why = "fails" if result.outcome == "failed" else "cannot be judged, a rule it needs fails"
    return f"{result.rule} {why}: {result.sentence}"


def _waiver_problems(
    leaves: Sequence[RuleResult], waivers: Sequence[Waiver], policy: Policy, today: date
) -> Iterator[str]:
    lapsed = {each.rule for each in leaves if each.is_lapse}
    for waiver in waivers:
        if waiver.rule not in lapsed:
            yield f"{waiver.rule} is waived, but it holds: take the waiver out."
        if waiver.review <= today:
            yield f"{waiver.rule}: its waiver was to be looked at again on {waiver.review}."
    if len(waivers) > policy.baseline.waivers:
        yield f"{len(waivers)} waivers where there were {policy.baseline.waivers}: mend the export."


def _baseline_problems(counts: dict[Outcome, int], policy: Policy) -> Iterator[str]:
    passed, skipped = counts["passed"], counts["not applicable"]
    if passed < policy.baseline.passed:
        yield f"{passed} rules pass where {policy.baseline.passed} did."
    if skipped > policy.baseline.not_applicable:
        yield f"{skipped} rules are skipped where {policy.baseline.not_applicable} were."


def _tighter_baselines(counts: dict[Outcome, int], waivers: int, policy: Policy) -> Iterator[str]:
    reached = policy.baseline.model_copy(
        update={
            "passed": counts["passed"],
            "not_applicable": counts["not applicable"],
            "waivers": waivers,
        }
    )
    better = (
        reached.passed > policy.baseline.passed
        or reached.not_applicable < policy.baseline.not_applicable
        or reached.waivers < policy.baseline.waivers
    )
    if better:
        yield f"The baseline may be tightened: {reached!r}."

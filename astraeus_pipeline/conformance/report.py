"""What the validator found: its XML report beside the rules' own words."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from astraeus_pipeline.conformance.validator import ValidatorError

Outcome = Literal["passed", "failed", "error", "not applicable"]
_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "failure": "failed",
    "error": "error",
    "skipped": "not applicable",
}
# A composite only repeats its children: counting both would count one lapse twice.
_COMPOSITE: Final = "Composite"


@dataclass(frozen=True)
class RuleResult:
    """One check of the standard on one file."""

    rule: str
    outcome: Outcome
    function: str
    keyword: str
    sentence: str

    @property
    def is_leaf(self) -> bool:
        """Whether the check judges by itself, not by its children."""
        return self.function != _COMPOSITE

    @property
    def is_must(self) -> bool:
        """Whether the standard leaves no choice."""
        return self.keyword in ("MUST", "MUST NOT")

    @property
    def is_lapse(self) -> bool:
        """Whether the rule, or one that it needs, does not hold."""
        return self.outcome in ("failed", "error")


def read_report(report: Path, rules_file: Path) -> tuple[RuleResult, ...]:
    """Read the validator's unittest report, every check in the order of its name.

    Raises: ValidatorError if the report is no XML, is empty, or names a rule that is not in
    `rules_file`.
    """
    rules: Mapping[str, Any] = json.loads(rules_file.read_text())["ModelRules"]
    try:
        cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - our own child's
    except ET.ParseError as error:
        raise ValidatorError(f"The FOCUS validator's report is cut off: {error}.") from None
    if not cases:
        raise ValidatorError("The FOCUS validator's report holds no check.")
    return tuple(sorted((_result(each, rules) for each in cases), key=lambda each: each.rule))


def _result(case: ET.Element, rules: Mapping[str, Any]) -> RuleResult:
    # The name ends with the rule's function, but of a check that ended in an error with None.
    rule = case.get("name", "").partition(" :: ")[0]
    if rule not in rules:
        raise ValidatorError(f"The FOCUS validator's report names a rule {rule!r} without words.")
    known = rules[rule]
    found: Outcome = next(
        (_OUTCOMES[child.tag] for child in case if child.tag in _OUTCOMES), "passed"
    )
    criteria = known["ValidationCriteria"]
    return RuleResult(
        rule=rule,
        outcome=found,
        function=known["Function"],
        keyword=criteria["Keyword"],
        sentence=criteria["MustSatisfy"],
    )

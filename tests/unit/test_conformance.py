"""The FOCUS gate's own judgement: reports read, findings judged, policies that only tighten."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from astraeus_pipeline.conformance.export import focus_name, shares
from astraeus_pipeline.conformance.judge import Verdict, judge
from astraeus_pipeline.conformance.policy import CRITERIA, Baseline, Policies, Policy, Waiver
from astraeus_pipeline.conformance.report import RuleResult, read_report
from astraeus_pipeline.conformance.validator import LOCK, ValidatorError, find_python
from astraeus_pipeline.contracts.focus import FOCUS_COSTS
from astraeus_pipeline.errors import ConfigError

TODAY = date(2026, 11, 25)
RULES = {
    "A-C-000-M": ("Composite", "MUST", "All of A holds"),
    "A-C-001-M": ("Type", "MUST", "A MUST be a string"),
    "A-C-002-M": ("Nullability", "MUST NOT", "A MUST NOT be null"),
    "A-C-003-O": ("Format", "SHOULD", "A SHOULD be pretty"),
    "A-C-004-C": ("Validation", "MUST", "A MUST be one of B"),
}


def result(rule: str, outcome: str) -> RuleResult:
    return RuleResult(rule, outcome, *RULES[rule])  # type: ignore[arg-type] # parametrized


def judged(
    *lapses: str, waivers: tuple[Waiver, ...] = (), most_waivers: int = 1, **baseline: int
) -> Verdict:
    """Judge a report in which the rules named fail and the others pass."""
    results = [result(rule, "failed" if rule in lapses else "passed") for rule in RULES]
    wanted = Baseline(**({"passed": 2, "not_applicable": 0} | baseline), waivers=most_waivers)
    answers = dict.fromkeys(CRITERIA, "cannot be told")
    policy = Policy(criteria=(), not_claimed=answers, baseline=wanted)
    return judge("aws", 10, results, policy, waivers, TODAY)


def waiver(rule: str = "A-C-001-M", review: date = date(2027, 1, 1)) -> Waiver:
    return Waiver(
        rule=rule, provider="aws", reason="The validator is mistaken here.", review=review
    )


def test_a_must_that_fails_is_a_problem_and_a_should_is_advice() -> None:
    assert judged("A-C-001-M").problems == ("A-C-001-M fails: A MUST be a string",)
    verdict = judged("A-C-003-O")
    assert verdict.problems == ()
    assert verdict.advice[0] == "A-C-003-O fails: A SHOULD be pretty"
    assert (verdict.passed, verdict.failed) == (3, 1)


def test_composites_only_repeat_their_children() -> None:
    verdict = judged("A-C-000-M")
    assert (verdict.passed, verdict.failed, verdict.problems) == (4, 0, ())


def test_a_waived_lapse_passes_and_is_counted_apart() -> None:
    verdict = judged("A-C-001-M", waivers=(waiver(),))
    assert (verdict.passed, verdict.failed, verdict.waived) == (3, 0, 1)
    assert verdict.problems == ()


@pytest.mark.parametrize(
    ("lapses", "waivers", "baseline", "says"),
    [
        ((), (waiver(),), {}, "waived, but it holds"),
        (("A-C-001-M",), (waiver(review=TODAY),), {}, "looked at again on 2026-11-25"),
        (("A-C-001-M",), (waiver(),), {"most_waivers": 0}, "1 waivers where there were 0"),
        ((), (), {"passed": 5}, "4 rules pass where 5 did"),
        ((), (), {"not_applicable": -1}, "0 rules are skipped where -1 were"),
        (("A-C-009-M",), (waiver("A-C-009-M"),), {}, "waived, but it holds"),
    ],
)
def test_what_else_fails_the_gate(
    lapses: tuple[str, ...], waivers: tuple[Waiver, ...], baseline: dict[str, int], says: str
) -> None:
    verdict = judged(*lapses, waivers=waivers, **baseline)
    assert any(says in each for each in verdict.problems)


def test_a_better_result_asks_for_a_tighter_baseline() -> None:
    assert "passed=4" in judged().advice[-1]
    assert judged(passed=4, most_waivers=0).advice == ()


def test_a_rule_that_cannot_be_judged_fails_like_one_that_fails() -> None:
    results = [result("A-C-002-M", "error")]
    answers = dict.fromkeys(CRITERIA, "cannot be told")
    baseline = Baseline(passed=0, not_applicable=0, waivers=0)
    policy = Policy(criteria=(), not_claimed=answers, baseline=baseline)
    verdict = judge("aws", 1, results, policy, (), TODAY)
    assert verdict.errors == 1
    assert "cannot be judged" in verdict.problems[0]


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    rules = {
        rule: {
            "Function": function,
            "ValidationCriteria": {"Keyword": keyword, "MustSatisfy": sentence},
        }
        for rule, (function, keyword, sentence) in RULES.items()
    }
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"ModelRules": rules}))
    return path


REPORT = """<?xml version='1.0' encoding='utf-8'?>
<testsuites><testsuite>
<testcase name="A-C-000-M :: Composite"><failure message="x">Failed</failure></testcase>
<testcase name="A-C-001-M :: Type" />
<testcase name="A-C-002-M :: None"><error message="upstream failed" /></testcase>
<testcase name="A-C-003-O :: Format"><skipped message="x" /></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_read_beside_the_rules_words(tmp_path: Path, rules_file: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    found = read_report(report, rules_file)
    assert [each.outcome for each in found] == ["failed", "passed", "error", "not applicable"]
    assert [each.is_leaf for each in found] == [False, True, True, True]
    assert [each.is_must for each in found] == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (REPORT[:300], "cut off"),
        ("", "cut off"),
        ("<testsuites/>", "no check"),
        ("<t><testcase name='B-1'/></t>", "'B-1'"),
    ],
)
def test_a_report_that_cannot_be_read_is_no_pass(
    tmp_path: Path, rules_file: Path, text: str, says: str
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(text)
    with pytest.raises(ValidatorError, match=says):
        read_report(report, rules_file)


def test_the_policies_stand_and_waivers_do_not_exceed_their_baseline() -> None:
    policies = Policies.read()
    for provider, policy in policies.providers.items():
        assert len(policies.waivers_of(provider)) <= policy.baseline.waivers
        assert all(len(reason.split()) >= 4 for reason in policy.not_claimed.values())
    named = [(each.provider, each.rule) for each in policies.waivers]
    assert len(set(named)) == len(named)
    assert {provider for provider, _ in named} <= set(policies.providers)


def test_a_policy_answers_every_criterion(tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text("")
    (tmp_path / "x.toml").write_text(
        'criteria = ["REGION_SUPPORTED"]\n[not_claimed]\n'
        "[baseline]\npassed = 1\nnot_applicable = 1\nwaivers = 0\n"
    )
    with pytest.raises(ConfigError, match=r"x\.toml.*TAGGING_SUPPORTED") as caught:
        Policies.read(tmp_path)
    assert "REGION_SUPPORTED" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"policy/nimbus\.toml"):
        Policies({}, ()).of("nimbus")


@pytest.mark.parametrize(
    ("sizes", "limit", "taken"),
    [
        ([5, 3], 100, [5, 3]),
        ([1000, 10, 1000], 100, [45, 10, 45]),
        ([7, 900], 8, [4, 4]),
        ([], 10, []),
    ],
)
def test_small_strata_are_whole_and_large_ones_share(
    sizes: list[int], limit: int, taken: list[int]
) -> None:
    assert shares(sizes, limit) == taken


def test_columns_are_spelt_as_the_standard_does() -> None:
    names = [focus_name(column.name) for column in FOCUS_COSTS.vendor_columns]
    assert len(names) == 57
    assert {"SkuPriceId", "PricingCurrencyContractedUnitPrice", "ChargePeriodEnd"} <= set(names)
    assert focus_name("x_delivery_id") == "x_DeliveryId"
    assert focus_name("account_id") == "x_AccountId"


def test_a_python_is_found_or_named_and_a_wrong_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_python(None) is None
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 3.11\n")
    shim.chmod(0o755)
    assert find_python(None) is None
    with pytest.raises(ConfigError, match=r"no Python 3\.12"):
        find_python(shim)
    shim.write_text("#!/bin/sh\necho 3.12\n")
    assert find_python(None) == shim == find_python(shim)


def test_the_validator_s_lock_is_hashed_and_free_of_addresses() -> None:
    lock = LOCK.read_text()
    assert "://" not in lock
    entries = re.findall(
        r"^(\S+)==(\S+) \\\n(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", lock, re.M
    )
    heads = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(entries) == len(heads) > 30
    versions = dict(entries)
    assert versions["focus-validator"] == "2.2.1"
    assert int(versions["pyarrow"].partition(".")[0]) < 22
    assert {"poetry-core", "setuptools", "wheel"} <= set(versions)

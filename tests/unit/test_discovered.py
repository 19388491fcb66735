"""What becomes of found accounts: the decision alone, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from astraeus_pipeline.accounts.discovered import Known, decide
from astraeus_pipeline.contracts.account import Account, Discovered

PAYER = Account("payer", "aws", "Payer")
NUMBER = "111111111111"
GONE = "no longer found below payer"


def found(state: str = "active", slug: str = "shop-1", number: str = NUMBER) -> Discovered:
    return Discovered(slug, "Shop", number, {"linked_account_id": number}, state)


def known(**more: Any) -> Known:
    values = {
        "slug": "shop-1",
        "name": "Shop",
        "config": {},
        "state": "active",
        "state_reason": None,
        "parent": "payer",
        "external_id": NUMBER,
        **more,
    }
    return Known(**values)


@pytest.mark.parametrize(
    ("standing", "told", "outcome", "reason"),
    [
        ([], "active", "added", None),
        ([], "SUSPENDED", "added", "SUSPENDED"),
        ([known()], "active", "known", None),
        ([known(slug="renamed", config={"regions": ["eu-1"]})], "active", "known", None),
        ([known(state="removed")], "active", "removed", None),
        ([known(state="removed")], "SUSPENDED", "removed", "SUSPENDED"),
        ([known()], "SUSPENDED", "paused", "SUSPENDED"),
        # paused by discovery, then active again
        ([known(state="paused", state_reason="SUSPENDED")], "active", "resumed", None),
        # paused by a person
        ([known(state="paused")], "active", "known", None),
        # resumed by a person although suspended: what was acted on is not acted on again
        ([known(state_reason="SUSPENDED")], "SUSPENDED", "known", "SUSPENDED"),
        ([known(state_reason="SUSPENDED")], "PENDING_CLOSURE", "paused", "PENDING_CLOSURE"),
        ([known(parent="other")], "active", "known", "found below other"),
    ],
)
def test_a_found_account_ends_as_its_provider_and_people_say(
    standing: list[Known], told: str, outcome: str, reason: str | None
) -> None:
    [finding] = decide(PAYER, [found(told)], standing)
    assert (finding.outcome, finding.reason) == (outcome, reason)
    assert finding.slug == (standing[0].slug if standing else "shop-1")


@pytest.mark.parametrize(
    "config",
    [
        {"linked_account_id": NUMBER},
        {"role_arn": f"arn:aws:iam::{NUMBER}:role/reader"},
        {"subscription_id": NUMBER.upper()},
    ],
)
@pytest.mark.parametrize(("state", "outcome"), [("active", "taken"), ("removed", "removed")])
def test_an_account_that_a_person_added_is_not_added_again(
    config: dict[str, str], state: str, outcome: str
) -> None:
    own = known(slug="mine", config=config, parent=None, external_id=None, state=state)
    [finding] = decide(PAYER, [found()], [own])
    assert (finding.slug, finding.outcome) == ("mine", outcome)


def test_the_parent_itself_and_strangers_are_no_obstacle() -> None:
    parent = known(slug="payer", config={"x": NUMBER}, parent=None, external_id=None)
    stranger = known(slug="else", config={"x": f"9{NUMBER}"}, parent=None, external_id=None)
    assert [each.outcome for each in decide(PAYER, [found()], [parent, stranger])] == ["added"]


def test_a_taken_slug_is_said_and_not_overwritten() -> None:
    other = known(config={}, parent=None, external_id=None)
    [finding] = decide(PAYER, [found()], [other])
    assert (finding.outcome, finding.reason) == ("taken", "the slug is another account's")


def test_who_left_is_paused_once_and_resumed_on_return() -> None:
    other = found(slug="data-2", number="222222222222")
    left = {each.slug: each for each in decide(PAYER, [other], [known()])}["shop-1"]
    assert (left.outcome, left.reason) == ("paused", GONE)
    noted = known(state="paused", state_reason=GONE)
    again = {each.slug: each for each in decide(PAYER, [other], [noted])}["shop-1"]
    assert again.outcome == "known"
    [back] = decide(PAYER, [found()], [noted])
    assert back.outcome == "resumed"

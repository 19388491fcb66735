"""Commitments, AWS's own forecast and its anomalies, through real boto3 against the fixture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.errors import (
    AuthError,
    NotObtainable,
    PayloadError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.aws import AWS, client
from astraeus_pipeline.sandbox import commitments as bought
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer, Faults
from astraeus_pipeline.sandbox.estate import ANOMALIES, PROD, Estate
from astraeus_pipeline.sandbox.insights import Insights
from astraeus_pipeline.sandbox.organization import PAYER
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws import TODAY, account_of, bare_moto, rows

SETTLED = TODAY - timedelta(days=2)
DAYS = DayRange(TODAY - timedelta(days=5), TODAY)
NOW = DayRange(TODAY, TODAY)
ESTATE = Estate(TODAY)
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with bare_moto() as endpoint:
        yield endpoint


@pytest.fixture
def explorer() -> Iterator[CostExplorerServer]:
    # Two to a page: every listing has more than one.
    answers = Insights(lambda: ESTATE, lambda: TODAY, page_size=2)
    with CostExplorerServer(
        lambda first, end: [], lambda _: False, further=answers.operations()
    ) as server:
        yield server


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=5
    )
    monkeypatch.setattr(client.AwsClients.__init__, "__defaults__", (quick,))


def payer(moto: str, explorer: CostExplorerServer, **config: Any) -> Account:
    settings = {
        "cost_explorer_endpoint_url": explorer.url,
        "regions": ["us-east-1"],
        **config,
    }
    return account_of(PAYER, moto, **settings)


def fetch(
    account: Account, dataset: Dataset, days: DayRange, landing: LandingStore
) -> tuple[Fetched, list[dict[str, Any]]]:
    [fetched] = AWS.fetch(account, dataset, days, landing)
    return fetched, rows(fetched, landing)


def test_commitments_have_a_row_for_each_day_of_their_term(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    fetched, found = fetch(payer(moto, explorer), "commitments", DAYS, landing)
    mine = [row for row in found if row["record"] == "commitment"]
    owned = {each.arn: each for each in bought.company(TODAY)}
    days = [day for day in DAYS if day <= SETTLED]
    assert {(row["commitment_id"], row["usage_date"]) for row in mine} == {
        (arn, day) for arn in owned for day in days
    }
    assert fetched.complete_through == SETTLED
    for row in mine:
        purchase = owned[row["commitment_id"]]
        use = bought.use(purchase, row["usage_date"])
        assert row["amortized_cost"] == use.cost
        assert row["unused_cost"] == use.unused_cost.quantize(Decimal("0.0000000001"))
        assert (row["upfront_cost"], row["hourly_cost"]) == (purchase.upfront, purchase.hourly)
        assert row["used_quantity"] + row["unused_quantity"] == row["purchased_quantity"]
        assert row["term_start"].date() == purchase.start and row["state"] == "active"
        assert row["currency"] == "USD" and json.loads(row["payload"])


def test_the_totals_of_a_day_are_the_sums_of_its_commitments(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    _, found = fetch(payer(moto, explorer), "commitments", DAYS, landing)

    def figures(record: str) -> dict[Any, Decimal]:
        sums: dict[Any, Decimal] = {}
        for row in (row for row in found if row["record"] == record):
            service = row["service"] if row["commitment_type"] == "reserved-instance" else None
            key = (row["usage_date"], row["commitment_type"], service)
            sums[key] = sums.get(key, Decimal(0)) + row["amortized_cost"]
        return sums

    assert figures("total") == figures("commitment")
    coverage = [row for row in found if row["record"] == "coverage"]
    assert {row["commitment_type"] for row in coverage} == {"reserved-instance", "savings-plan"}
    assert all(0 < row["covered_quantity"] <= row["total_quantity"] for row in coverage)


def test_each_question_is_counted_and_priced(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    fetched, _ = fetch(payer(moto, explorer), "commitments", DAYS, landing)
    # Savings Plans' own listing is free.
    assert fetched.requests == explorer.requests - 1
    assert fetched.request_cost_usd == CENT * fetched.requests
    # Per service and for plans: a total, one answer a day, the coverage in pages of two.
    days = len([day for day in DAYS if day <= SETTLED])
    assert fetched.requests == 3 * (1 + days) + 2 + (days + 1) // 2


def test_a_linked_account_without_commitments_costs_three_questions(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    account = payer(moto, explorer, linked_account_id=PROD.number, regions=["eu-central-1"])
    fetched, found = fetch(account, "commitments", DAYS, landing)
    assert [row for row in found if row["record"] == "total" and row["amortized_cost"]] == []
    assert fetched.requests == 3
    # What the payer bought is listed, its use is not this account's.
    assert {row["purchased_quantity"] for row in found if row["record"] == "commitment"} <= {None}


def test_commitments_of_others_are_known_from_their_use(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    elsewhere = payer(moto, explorer, regions=["eu-central-1"])  # lists no reservation
    _, found = fetch(elsewhere, "commitments", DAYS, landing)
    reserved = [
        row
        for row in found
        if row["record"] == "commitment" and row["commitment_type"] == "reserved-instance"
    ]
    assert len(reserved) == 2 * len([day for day in DAYS if day <= SETTLED])
    assert {row["upfront_cost"] for row in reserved} == {None}
    assert all(row["amortized_cost"] > 0 and row["payment_option"] for row in reserved)


def test_days_that_cost_explorer_forgot_are_refused_before_asking(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    old = DayRange(TODAY - timedelta(days=500), TODAY)
    with pytest.raises(NotObtainable, match="13 months"):
        fetch(payer(moto, explorer), "commitments", old, landing)
    assert explorer.requests == 0


def test_the_forecast_is_one_row_per_metric_and_day_ahead(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    fetched, found = fetch(payer(moto, explorer), "forecasts", NOW, landing)
    assert fetched.requests == 2 == explorer.requests
    assert fetched.request_cost_usd == 2 * CENT
    assert len(found) == 2 * 89
    assert {row["usage_date"] for row in found} == {TODAY}
    assert min(row["target_date"] for row in found) == TODAY
    for row in found:
        assert row["lower_cost"] < row["mean_cost"] < row["upper_cost"]
        assert (row["currency"], row["interval_level"]) == ("USD", 80)
    own = payer(moto, explorer, linked_account_id=PROD.number)
    [linked] = {row["linked_account_id"] for row in fetch(own, "forecasts", NOW, landing)[1]}
    assert linked == PROD.number


def test_an_account_too_young_for_a_forecast_has_none(moto: str, landing: LandingStore) -> None:
    young = Insights(lambda: Estate(TODAY + timedelta(days=140)), lambda: TODAY)
    with CostExplorerServer(
        lambda first, end: [], lambda _: False, further=young.operations()
    ) as explorer:
        fetched, found = fetch(payer(moto, explorer), "forecasts", NOW, landing)
    assert (found, fetched.complete_through, fetched.requests) == ([], TODAY, 2)


def test_anomalies_come_with_their_impact_and_causes(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    fetched, found = fetch(payer(moto, explorer), "anomalies", NOW, landing)
    planted = [each for each in ANOMALIES if each.slug.startswith("acme-")]
    assert {row["dimension_value"] for row in found} == {each.service for each in planted}
    assert fetched.requests == (len(planted) + 1) // 2 == explorer.requests
    for row in found:
        assert row["first_day"] <= row["last_day"] < TODAY
        impact = row["actual_cost"] - row["expected_cost"]
        assert row["total_impact_cost"] > 0 and abs(row["total_impact_cost"] - impact) < CENT
        assert json.loads(row["root_causes"])[0]["Service"] == row["dimension_value"]
    own = payer(moto, explorer, linked_account_id=PROD.number)
    _, mine = fetch(own, "anomalies", NOW, landing)
    assert {row["dimension_value"] for row in mine} == {
        each.service for each in planted if each.slug == PROD.slug
    }


@pytest.mark.parametrize("dataset", ["forecasts", "anomalies"])
def test_what_aws_thought_before_cannot_be_had(
    moto: str, explorer: CostExplorerServer, landing: LandingStore, dataset: Dataset
) -> None:
    past = DayRange(TODAY - timedelta(days=3), TODAY - timedelta(days=1))
    with pytest.raises(NotObtainable, match="only tells what stands now"):
        fetch(payer(moto, explorer), dataset, past, landing)
    assert explorer.requests == 0


@pytest.mark.parametrize("dataset", ["commitments", "forecasts", "anomalies"])
@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        (Faults(errors=[(400, "AccessDeniedException")]), AuthError, "AccessDenied"),
        (Faults(errors=[(400, "ExpiredTokenException")]), AuthError, "ExpiredToken"),
        (Faults(errors=[(400, "LimitExceededException")]), TransientError, "LimitExceeded"),
        (Faults(errors=[(503, "ServiceUnavailable")]), TransientError, "ServiceUnavailable"),
        (Faults(cut_body=1), TransientError, "in full|cut off"),
        (Faults(broken_json=1), TransientError, "cut off"),
    ],
    ids=["denied", "expired", "throttled", "failing", "cut", "half a document"],
)
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    moto: str,
    explorer: CostExplorerServer,
    landing: LandingStore,
    dataset: Dataset,
    faults: Faults,
    error: type[ProviderError],
    says: str,
) -> None:
    explorer.faults = Faults(
        errors=[*faults.errors], cut_body=faults.cut_body, broken_json=faults.broken_json
    )
    days = DAYS if dataset == "commitments" else NOW
    with pytest.raises(error, match=says) as caught:
        fetch(payer(moto, explorer), dataset, days, landing)
    assert PAYER.slug in str(caught.value) and "canary" not in str(caught.value)


@pytest.mark.parametrize("dataset", ["commitments", "anomalies"])
def test_pages_that_never_end_are_refused(
    moto: str, explorer: CostExplorerServer, landing: LandingStore, dataset: Dataset
) -> None:
    whole = explorer.operations.copy()
    # The fixture would refuse the planted token; it takes it for the first page.
    explorer.operations = {
        name: lambda request, answer=answer: answer(
            {key: value for key, value in request.items() if "oken" not in key}
        )
        for name, answer in whole.items()
    }
    explorer.faults = Faults(same_token=True)
    days = DAYS if dataset == "commitments" else NOW
    with pytest.raises(PayloadError, match="token twice"):
        fetch(payer(moto, explorer), dataset, days, landing)


def test_the_fixture_holds_questions_and_answers_to_awss_own_model(
    moto: str, explorer: CostExplorerServer, landing: LandingStore
) -> None:
    explorer.operations["GetAnomalies"] = lambda _: {"Anomalies": [{"AnomalyId": 7}]}
    with pytest.raises(TransientError, match="InternalFailure"):
        fetch(payer(moto, explorer), "anomalies", NOW, landing)

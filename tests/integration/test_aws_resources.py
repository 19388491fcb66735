"""The AWS inventory, its use and its organization, through real boto3 against moto over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    NotObtainable,
    PayloadError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.aws import AWS, client
from astraeus_pipeline.providers.aws.inventory import KINDS
from astraeus_pipeline.sandbox.estate import DATA, PROD, STAGING
from astraeus_pipeline.sandbox.moto_clients import assumed, role_arn
from astraeus_pipeline.sandbox.moto_clients import client as moto_client
from astraeus_pipeline.sandbox.organization import PAYER, SANDBOX
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws import ONE_TRY, TODAY, account_of, rows, seeded_moto

REGIONS = ["us-east-1", "eu-central-1"]
WEEK = DayRange(TODAY - timedelta(days=7), TODAY)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with seeded_moto() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.AwsClients.__init__, "__defaults__", (ONE_TRY,))


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


def prod(moto: str, **config: Any) -> Account:
    return account_of(PROD, moto, **{"regions": REGIONS, **config})


def inventory(moto: str, landing: LandingStore) -> list[dict[str, Any]]:
    [fetched] = AWS.fetch(prod(moto), "resources", DayRange(TODAY, TODAY), landing)
    return rows(fetched, landing)


def test_the_inventory_has_every_kind_of_the_assumed_account(
    moto: str, landing: LandingStore
) -> None:
    found = inventory(moto, landing)
    counts: dict[str, int] = {}
    for row in found:
        counts[row["resource_type"]] = counts.get(row["resource_type"], 0) + 1
    assert counts["ec2:instance"] == 31 and counts["s3:bucket"] == 3
    assert counts["lambda:function"] == 2
    assert set(counts) == {kind.resource_type for kind in KINDS}
    assert {row["owner_account_id"] for row in found} == {PROD.number}
    bucket = next(row for row in found if row["resource_type"] == "s3:bucket")
    assert bucket["resource_id"] == f"arn:aws:s3:::{bucket['resource_name']}"


def test_machines_have_their_size_and_build(moto: str, landing: LandingStore) -> None:
    found = inventory(moto, landing)
    machine = next(row for row in found if row["instance_type"] == "m6i.2xlarge")
    assert (machine["vcpus"], machine["memory_gb"]) == (Decimal(8), Decimal(32))
    assert (machine["architecture"], machine["lifecycle"]) == ("x86_64", "on-demand")
    assert machine["availability_zone"].startswith("us-east-1")
    assert json.loads(machine["tags"])["team"] == "platform"
    function = next(row for row in found if row["resource_type"] == "lambda:function")
    assert (function["memory_gb"], function["architecture"]) == (Decimal("0.5"), "arm64")
    database = next(row for row in found if row["resource_type"] == "rds:instance")
    assert database["platform"].startswith("postgres")
    assert database["vcpus"] is None  # not told, so not known


def test_what_is_idle_is_said_of_what_can_be(moto: str, landing: LandingStore) -> None:
    states: dict[str, list[str | None]] = {}
    volumes = {}
    for row in inventory(moto, landing):
        states.setdefault(row["resource_type"], []).append(row["attachment_state"])
        if row["resource_type"] == "ec2:volume" and row["iops"] == 4000:
            volumes[row["size_gb"]] = row
    assert sorted(filter(None, states["ec2:address"])) == ["attached", "attached", "idle", "idle"]
    balancers = states["elasticloadbalancing:loadbalancer"]
    assert sorted(filter(None, balancers)) == ["attached", "attached", "idle", "idle"]
    assert set(states["elasticloadbalancing:classic"]) == {"idle"}
    assert set(states["ec2:instance"]) == set(states["rds:instance"]) == {None}
    used, unused = volumes[Decimal(100)], volumes[Decimal(500)]
    assert used["attached_to"].startswith("i-") and used["attached_at"].date() == TODAY
    assert (unused["attachment_state"], unused["attached_to"], unused["attached_at"]) == (
        "idle",
        None,
        None,
    )
    assert unused["throughput_mbps"] == Decimal(250)


def test_kinds_can_be_left_out(moto: str, landing: LandingStore) -> None:
    skipped = ["ec2:security-group", "eks:cluster"]
    account = prod(moto, skip_kinds=skipped, regions=["us-east-1"])
    [fetched] = AWS.fetch(account, "resources", DayRange(TODAY, TODAY), landing)
    found = {row["resource_type"] for row in rows(fetched, landing)}
    assert "ec2:vpc" in found and not found & set(skipped)


def test_a_past_inventory_cannot_be_had(moto: str, landing: LandingStore) -> None:
    past = DayRange(TODAY - timedelta(days=9), TODAY - timedelta(days=1))
    with pytest.raises(NotObtainable, match="only tells what stands now"):
        list(AWS.fetch(prod(moto), "resources", past, landing))


def test_check_says_whose_credentials_they_are(moto: str) -> None:
    assert AWS.check(prod(moto)).details["account"] == PROD.number
    no_secrets = replace(prod(moto), open_secrets=lambda: {"access_key_id": SecretStr("x")})
    with pytest.raises(ConfigError, match="secret_access_key"):
        AWS.check(no_secrets)


def utilisation(
    moto: str, landing: LandingStore, days: DayRange = WEEK, **config: Any
) -> tuple[Any, list[dict[str, Any]]]:
    [fetched] = AWS.fetch(prod(moto, **config), "utilisation", days, landing)
    return fetched, rows(fetched, landing)


def test_utilisation_is_one_row_per_resource_metric_and_day_that_is_over(
    moto: str, landing: LandingStore
) -> None:
    fetched, found = utilisation(moto, landing)
    keys = [(row["resource_id"], row["metric"], row["usage_date"]) for row in found]
    assert len(keys) == len(set(keys)) > 500
    assert {row["usage_date"] for row in found} == set(WEEK) - {TODAY}
    assert fetched.complete_through == TODAY - timedelta(days=1)
    assert {row["resource_type"] for row in found} == {
        "ec2:instance",
        "ec2:volume",
        "ec2:natgateway",
        "rds:instance",
        "lambda:function",
        "elasticloadbalancing:loadbalancer",
        "elasticloadbalancing:classic",
    }
    busy = next(row for row in found if row["metric"] == "CPUUtilization")
    assert busy["minimum"] <= busy["average"] <= busy["maximum"] and busy["unit"] == "Percent"
    assert busy["samples"] == 24
    assert abs(busy["sum"] - busy["average"] * 24) < Decimal("0.001")


def test_utilisation_names_resources_as_the_inventory_does(
    moto: str, landing: LandingStore
) -> None:
    _, found = utilisation(moto, landing)
    known = {(row["resource_type"], row["resource_id"]) for row in inventory(moto, landing)}
    assert {(row["resource_type"], row["resource_id"]) for row in found} <= known


def test_the_same_days_are_the_same_payload(moto: str, landing: LandingStore) -> None:
    hashes = {utilisation(moto, landing)[0].parts[0].sha256 for _ in range(2)}
    assert len(hashes) == 1


def test_questions_to_cloudwatch_are_counted_and_priced(moto: str, landing: LandingStore) -> None:
    few, _ = utilisation(moto, landing, regions=["eu-central-1"])
    many, _ = utilisation(moto, landing)
    assert 0 < few.requests < many.requests
    # nine machines, five statistics of three metrics each and more: a hundredth of a cent each ten
    assert Decimal("0.001") < few.request_cost_usd < many.request_cost_usd < Decimal("0.05")


def test_today_alone_has_no_utilisation_yet(moto: str, landing: LandingStore) -> None:
    fetched, found = utilisation(moto, landing, DayRange(TODAY, TODAY))
    assert (found, fetched.requests) == ([], 0)
    assert fetched.complete_through == TODAY - timedelta(days=1)


def test_days_that_cloudwatch_forgot_are_refused(moto: str, landing: LandingStore) -> None:
    with pytest.raises(NotObtainable, match="keeps 455 days"):
        utilisation(moto, landing, DayRange(TODAY - timedelta(days=456), TODAY))


class Bent:
    """Answers in the place of moto's to one operation of one region, as botocore would get them."""

    def __init__(self, status: int, body: bytes | None, *, region: str = "eu-central-1") -> None:
        self.status, self.body, self.region = status, body, region

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        if f"/{self.region}/" not in str(request.headers.get("Authorization", "")):
            return None
        if self.body is None:
            raise ConnectionResetError("cut")
        content = self.body
        raw = type("Raw", (), {"stream": staticmethod(lambda *_a, **_k: iter([content]))})()
        headers = {"content-type": "text/xml", "retry-after": "30"}
        return AWSResponse(request.url, self.status, headers, raw)


def bend(monkeypatch: pytest.MonkeyPatch, event: str, handler: Any) -> None:
    """Let the handler see every request of an operation before it leaves."""
    whole = client.AwsClients.client

    def bent(self: Any, service: str, region: str | None = None) -> Any:
        made = whole(self, service, region)
        made.meta.events.register(f"before-send.{event}", handler)
        return made

    monkeypatch.setattr(client.AwsClients, "client", bent)


def _xml_error(code: str) -> bytes:
    return (
        f"<Response><Errors><Error><Code>{code}</Code><Message>on request</Message></Error>"
        "</Errors><RequestID>r</RequestID></Response>"
    ).encode()


@pytest.mark.parametrize(
    ("handler", "error", "says"),
    [
        (Bent(403, _xml_error("UnauthorizedOperation")), AuthError, "UnauthorizedOperation"),
        (Bent(503, _xml_error("RequestLimitExceeded")), TransientError, "RequestLimitExceeded"),
        (Bent(500, _xml_error("InternalError")), TransientError, "InternalError"),
        (Bent(200, b"<DescribeVolumesResponse><volu"), TransientError, "cut off|answer in full"),
    ],
    ids=["denied in one region", "throttled", "failing", "cut off"],
)
def test_one_region_that_fails_fails_the_inventory(
    moto: str,
    landing: LandingStore,
    monkeypatch: pytest.MonkeyPatch,
    handler: Bent,
    error: type[ProviderError],
    says: str,
) -> None:
    bend(monkeypatch, "ec2.DescribeVolumes", handler)
    with pytest.raises(error, match=says) as caught:
        list(AWS.fetch(prod(moto), "resources", DayRange(TODAY, TODAY), landing))
    assert "describe_volumes in eu-central-1" in str(caught.value)
    assert "canary" not in str(caught.value)


class Looping:
    """Puts one page token into every answer of an operation, and takes it for the first page."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __call__(self, parsed: dict[str, Any], **_: Any) -> None:
        parsed[self.field] = "again"

    def forget(self, params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in params.items() if name != self.field}


def bend_parsed(monkeypatch: pytest.MonkeyPatch, event: str, change: Any) -> None:
    """Let `change` see every parsed answer of an operation."""
    whole = client.AwsClients.client

    def bent(self: Any, service: str, region: str | None = None) -> Any:
        made = whole(self, service, region)
        made.meta.events.register(f"after-call.{event}", change)
        if isinstance(change, Looping):
            made.meta.events.register(f"provide-client-params.{event}", change.forget)
        return made

    monkeypatch.setattr(client.AwsClients, "client", bent)


def _with_status(code: str) -> Any:
    def change(parsed: dict[str, Any], **_: Any) -> None:
        for result in parsed["MetricDataResults"][:1]:
            result["StatusCode"] = code

    return change


def _emptied(parsed: dict[str, Any], **_: Any) -> None:
    """Leave what botocore makes of a JSON document that is cut in half."""
    for name in set(parsed) - {"ResponseMetadata"}:
        del parsed[name]


@pytest.mark.parametrize(
    ("event", "change", "dataset", "error", "says"),
    [
        ("lambda.ListFunctions", _emptied, "resources", TransientError, "cut off"),
        ("dynamodb.ListTables", _emptied, "resources", TransientError, "cut off"),
        ("cloudwatch.GetMetricData", _emptied, "utilisation", TransientError, "cut off"),
        ("ec2.DescribeInstances", Looping("NextToken"), "resources", PayloadError, "token twice"),
        (
            "cloudwatch.GetMetricData",
            Looping("NextToken"),
            "utilisation",
            PayloadError,
            "token twice",
        ),
        ("cloudwatch.ListMetrics", Looping("NextToken"), "utilisation", PayloadError, "twice"),
        (
            "cloudwatch.GetMetricData",
            _with_status("PartialData"),
            "utilisation",
            TransientError,
            "before all data had come",
        ),
        ("cloudwatch.GetMetricData", _with_status("Forbidden"), "utilisation", AuthError, "forbid"),
        (
            "cloudwatch.GetMetricData",
            _with_status("InternalError"),
            "utilisation",
            TransientError,
            "CloudWatch failed",
        ),
    ],
)
def test_answers_that_never_end_or_are_not_whole_are_refused(
    moto: str,
    landing: LandingStore,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    change: Any,
    dataset: Any,
    error: type[ProviderError],
    says: str,
) -> None:
    bend_parsed(monkeypatch, event, change)
    days = DayRange(TODAY, TODAY) if dataset == "resources" else WEEK
    with pytest.raises(error, match=says):
        list(AWS.fetch(prod(moto), dataset, days, landing))


def test_an_account_without_anything_has_an_empty_inventory(
    moto: str, landing: LandingStore
) -> None:
    skipped = ["ec2:vpc", "ec2:security-group", "ec2:snapshot"]  # what AWS itself makes
    payer = account_of(PAYER, moto, regions=["ca-central-1"], skip_kinds=skipped)
    for dataset, days in (("resources", DayRange(TODAY, TODAY)), ("utilisation", WEEK)):
        [fetched] = AWS.fetch(payer, dataset, days, landing)  # type: ignore[arg-type]
        assert rows(fetched, landing) == []
        assert fetched.complete_through is not None


def payer(moto: str, **config: Any) -> Account:
    settings = {"discover": True, "member_role_name": "astraeus-reader", **config}
    return account_of(PAYER, moto, **settings)


def test_a_payer_finds_the_members_of_its_organization(moto: str) -> None:
    found = {each.external_id: each for each in AWS.discover(payer(moto))}
    assert set(found) == {owner.number for owner in (PROD, STAGING, DATA, SANDBOX)}
    sandbox = found[SANDBOX.number]
    assert (sandbox.slug, sandbox.name, sandbox.state) == (
        f"acme-sandbox-{SANDBOX.number}",
        SANDBOX.name,
        "active",
    )
    assert sandbox.config["role_arn"] == role_arn(SANDBOX)
    assert len({each.slug for each in found.values()}) == len(found)


def test_an_account_that_is_not_asked_to_discovers_nothing(moto: str) -> None:
    assert list(AWS.discover(payer(moto, discover=False))) == []


def test_a_member_acts_in_its_own_role_with_its_payers_credentials(
    moto: str, landing: LandingStore
) -> None:
    parent = payer(moto, member_external_id="shared-word", regions=["us-east-1"])
    sandbox = next(each for each in AWS.discover(parent) if each.external_id == SANDBOX.number)
    member = Account(sandbox.slug, "aws", sandbox.name, sandbox.config, parent=parent)
    assert member.config["external_id"] == "shared-word"
    assert AWS.check(member).details["account"] == SANDBOX.number
    [fetched] = AWS.fetch(member, "resources", DayRange(TODAY, TODAY), landing)
    machines = [row for row in rows(fetched, landing) if row["resource_type"] == "ec2:instance"]
    assert len(machines) == 2


def test_a_members_bill_is_its_payers(moto: str) -> None:
    parent = payer(moto)
    for found in AWS.discover(parent):
        member = Account(found.slug, "aws", found.name, found.config, parent=parent)
        assert AWS.datasets(member) == ("resources", "utilisation")
        wanted = {**found.config, "datasets": ["costs"]}
        assert AWS.datasets(replace(member, config=wanted)) == ("costs",)
    assert "costs" in AWS.datasets(parent)


def test_the_organization_is_read_to_its_last_page(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    organizations = moto_client("organizations", moto, "us-east-1", assumed(moto, PAYER))
    for number in range(25):
        organizations.create_account(AccountName="Same name", Email=f"n{number}@acme.example")
    closed = organizations.list_accounts()["Accounts"][-1]["Id"]
    organizations.close_account(AccountId=closed)
    found = list(AWS.discover(payer(moto)))
    assert len(found) == 29 == len({each.slug for each in found})
    assert [each.state for each in found if each.external_id == closed] == ["SUSPENDED"]
    bend_parsed(monkeypatch, "organizations.ListAccounts", Looping("NextToken"))
    with pytest.raises(PayloadError, match="token twice"):
        list(AWS.discover(payer(moto)))
    bend_parsed(monkeypatch, "organizations.ListAccounts", _emptied)
    with pytest.raises(TransientError, match="cut off"):
        list(AWS.discover(payer(moto)))

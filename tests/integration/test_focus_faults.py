"""The fault table for files in object storage: Arrow's own S3 client over HTTP, moto behind it.

What a file itself may have wrong is in tests/unit/test_focus_rows.py, marked there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from pydantic import SecretStr

from astraeus_pipeline.errors import AuthError, ProviderError, TransientError
from astraeus_pipeline.exports import store
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, case, covers, not_applicable
from tests.fixtures.faulty_proxy import Bend, FaultyProxy, faulty
from tests.fixtures.focus_files import account, csv_text, deliver, line, only
from tests.fixtures.s3 import XML, error, lists, moto

KEYS = {
    "aws_access_key_id": SecretStr("test"),
    "aws_secret_access_key": SecretStr("canary-secret"),
}
NOT_APPLICABLE = not_applicable(
    "focus",
    {Fault.ENDLESS_PAGES: "Arrow and adlfs follow a listing's pages themselves, and hand out none"},
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto() as url:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "canary-secret"}
        s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        s3.create_bucket(Bucket="bills")
        s3.put_object(Bucket="bills", Key="focus/2026-10/a.csv", Body=csv_text([line(cost="4")]))
        yield url


@pytest.fixture
def proxy(upstream: str) -> Iterator[FaultyProxy]:
    with faulty(upstream) as made:
        yield made


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own tries and patience would only make the faults slow."""
    monkeypatch.setattr(store, "S3_PATIENCE", store.Patience(attempts=1, connect=2, request=1))


def reads(method: str, path: str) -> bool:
    return method == "GET" and "a.csv" in path and "list-type" not in path


@pytest.mark.parametrize(
    ("bend", "expected", "says"),
    [
        case(
            "focus",
            Fault.BAD_CREDENTIALS,
            Bend(status=403, body=error("InvalidAccessKeyId"), headers=XML),
            AuthError,
            "Check the credentials",
        ),
        case(
            "focus",
            Fault.EXPIRED_TOKEN,
            Bend(status=400, body=error("ExpiredToken"), headers=XML),
            AuthError,
            "Check the credentials",
        ),
        case(
            "focus",
            Fault.EXPIRED_TOKEN,
            Bend(lists, status=400, body=error("ExpiredToken"), headers=XML),
            AuthError,
            "Check the credentials",
            name="while_listing",
        ),
        case(
            "focus",
            Fault.CLOCK_SKEW,
            Bend(lists, status=403, body=error("RequestTimeTooSkewed"), headers=XML),
            AuthError,
            "clock",
        ),
        case(
            "focus",
            Fault.THROTTLED_WITH_RETRY_AFTER,
            Bend(lists, status=503, body=error("SlowDown"), headers={**XML, "Retry-After": "7"}),
            TransientError,
            "did not answer",
        ),
        case(
            "focus",
            Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Bend(lists, status=503, body=error("SlowDown"), headers=XML),
            TransientError,
            "did not answer",
        ),
        case(
            "focus",
            Fault.SERVER_ERROR,
            Bend(reads, status=500, body=error("InternalError"), headers=XML),
            TransientError,
            "did not answer",
        ),
        case("focus", Fault.TIME_OUT, Bend(lists, hang=2.5), TransientError, "did not answer"),
        case("focus", Fault.CUT_IN_MID_PAGE, Bend(reads, cut=True), TransientError, "a.csv"),
    ],
)
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    proxy: FaultyProxy,
    landing: LandingStore,
    bend: Bend,
    expected: type[ProviderError],
    says: str,
) -> None:
    proxy.bend = bend
    with pytest.raises(expected, match=says) as caught:
        deliver(account("s3://bills/focus", KEYS, endpoint_url=proxy.url), landing)
    assert proxy.bent > 0
    assert "s3://bills/focus" in str(caught.value)
    assert "canary" not in str(caught.value)


@covers("focus", Fault.SERVER_ERROR)
def test_the_bill_comes_once_the_store_is_well_again(
    proxy: FaultyProxy, landing: LandingStore
) -> None:
    source = account("s3://bills/focus", KEYS, endpoint_url=proxy.url)
    proxy.bend = Bend(lists, status=500, body=error("InternalError"), headers=XML)
    with pytest.raises(TransientError):
        deliver(source, landing)
    proxy.bend = None
    assert only(deliver(source, landing)).billed == 4

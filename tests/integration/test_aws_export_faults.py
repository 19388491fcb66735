"""The fault table for AWS exports: boto3 over HTTP, moto's S3 behind a proxy that answers wrongly.

What an export itself may have wrong is in test_aws_export_contents.py.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from botocore.config import Config

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AuthError, PayloadError, ProviderError, TransientError
from astraeus_pipeline.providers.aws import client as aws_client
from astraeus_pipeline.sandbox.data_exports import DataExport
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws_exports import account, client, fetch, only, usage
from tests.fixtures.faults import Fault, case, covers, not_applicable
from tests.fixtures.faulty_proxy import Bend, FaultyProxy, faulty
from tests.fixtures.s3 import XML, error, lists, moto

CLIENT = "aws/exports"
AUGUST = DayRange.of_month(date(2026, 8, 1))
URL = "s3://bills/exports/cur"
NOT_APPLICABLE = not_applicable(
    CLIENT,
    {Fault.ENDLESS_PAGES: "boto3's paginator raises for a token that comes twice"},
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto() as url:
        s3 = client(url)
        s3.create_bucket(Bucket="bills")
        lines = [usage(cost="4"), usage(date(2026, 8, 6), "2", line_item_brand_new="x")]
        lines[0]["line_item_brand_new"] = None
        DataExport(s3, "bills", "exports", "cur").refresh(AUGUST.first, "run", [lines])
        empty = gzip.compress(",".join(usage()).encode() + b"\n")
        DataExport(s3, "bills", "exports", "empty").put(AUGUST.first, "run", [empty])
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
    """The SDK's own tries would only make the faults slow."""
    quick = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=1
    )
    monkeypatch.setattr(aws_client.AwsClients.__init__, "__defaults__", (quick,))


def reads(method: str, path: str) -> bool:
    return method == "GET" and path.endswith(".csv.gz")


def looks(method: str, path: str) -> bool:
    return method == "HEAD"


@pytest.mark.parametrize(
    ("bend", "expected", "says"),
    [
        case(
            CLIENT,
            Fault.BAD_CREDENTIALS,
            Bend(lists, status=403, body=error("InvalidAccessKeyId"), headers=XML),
            AuthError,
            "InvalidAccessKeyId",
        ),
        case(
            CLIENT,
            Fault.BAD_CREDENTIALS,
            Bend(looks, status=403),
            AuthError,
            "403",
            name="while_looking",
        ),
        case(
            CLIENT,
            Fault.EXPIRED_TOKEN,
            Bend(lists, status=400, body=error("ExpiredToken"), headers=XML),
            AuthError,
            "ExpiredToken",
        ),
        case(
            CLIENT,
            Fault.EXPIRED_TOKEN,
            Bend(reads, status=400, body=error("ExpiredToken"), headers=XML),
            AuthError,
            "ExpiredToken",
            name="while_reading",
        ),
        case(
            CLIENT,
            Fault.CLOCK_SKEW,
            Bend(lists, status=403, body=error("RequestTimeTooSkewed"), headers=XML),
            AuthError,
            "clock",
        ),
        case(
            CLIENT,
            Fault.THROTTLED_WITH_RETRY_AFTER,
            Bend(lists, status=503, body=error("SlowDown"), headers={**XML, "Retry-After": "7"}),
            TransientError,
            "SlowDown",
        ),
        case(
            CLIENT,
            Fault.THROTTLED_WITHOUT_RETRY_AFTER,
            Bend(reads, status=503, body=error("SlowDown"), headers=XML),
            TransientError,
            "SlowDown",
        ),
        case(
            CLIENT,
            Fault.SERVER_ERROR,
            Bend(reads, status=500, body=error("InternalError"), headers=XML),
            TransientError,
            "InternalError",
        ),
        case(CLIENT, Fault.TIME_OUT, Bend(lists, hang=2.5), TransientError, "did not answer"),
        case(CLIENT, Fault.CUT_IN_MID_PAGE, Bend(reads, cut=True), TransientError, "csv.gz"),
        case(
            CLIENT,
            Fault.CUT_IN_MID_PAGE,
            Bend(lists, cut=True),
            TransientError,
            "listing",
            name="while_listing",
        ),
        case(
            CLIENT,
            Fault.TRUNCATED_PAYLOAD,
            Bend(lists, status=200, body=b"<ListBucketResult><Cont", headers=XML),
            TransientError,
            "listing",
        ),
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
        fetch(account(URL, proxy.url), AUGUST, landing)
    assert proxy.bent > 0
    assert URL in str(caught.value)
    assert caught.value.hint
    assert "canary" not in str(caught.value)
    if says == "SlowDown":
        told = bend.headers.get("Retry-After")
        assert isinstance(caught.value, TransientError)
        assert caught.value.retry_after == (float(told) if told else None)
    proxy.bend = None
    assert only(fetch(account(URL, proxy.url), AUGUST, landing)).cost == 6


@covers(CLIENT, Fault.EMPTY)
def test_a_month_without_rows_is_a_delivery_without_rows(
    proxy: FaultyProxy, landing: LandingStore
) -> None:
    one = only(fetch(account("s3://bills/exports/empty", proxy.url), AUGUST, landing))
    assert (one.rows, one.rejects, len(one.fetched.parts)) == ([], [], 1)


@covers(CLIENT, Fault.UNKNOWN_COLUMN)
def test_a_column_that_nobody_knows_is_kept(proxy: FaultyProxy, landing: LandingStore) -> None:
    one = only(fetch(account(URL, proxy.url), AUGUST, landing))
    assert [row["payload"] for row in one.rows] == [None, '{"line_item_brand_new":"x"}']


@covers(CLIENT, Fault.TRUNCATED_PAYLOAD)
def test_a_manifest_of_half_a_document_is_refused(
    proxy: FaultyProxy, landing: LandingStore
) -> None:
    proxy.bend = Bend(
        lambda method, path: method == "GET" and path.endswith("Manifest.json"),
        status=200,
        body=b'{"dataFiles": ["s3://bi',
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises((PayloadError, TransientError)):
        fetch(account(URL, proxy.url), AUGUST, landing)

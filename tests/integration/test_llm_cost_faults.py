"""OpenAI and Anthropic over HTTP when something is wrong: each fault in words, no key told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.reports import api
from astraeus_pipeline.sandbox.llm_costs import Faults, LlmCostServer
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, case
from tests.fixtures.llm_bill import (
    COSTS,
    DAYS,
    KEYS,
    VENDORS,
    Query,
    Row,
    Vendor,
    account,
    asked,
    bill,
    fetch,
    rows,
)
from tests.fixtures.llm_bill import _one_try as _one_try  # fixtures, as the next three
from tests.fixtures.llm_bill import landing as landing
from tests.fixtures.llm_bill import served as served
from tests.fixtures.llm_bill import server as server
from tests.fixtures.llm_bill import waits as waits


def _table(vendor: Vendor) -> Iterator[Any]:
    def faulty(fault: Fault, faults: Faults, error: type[Exception], says: str, name: str) -> Any:
        return case(vendor, fault, vendor, faults, error, says, name=f"{vendor}-{name}")

    hint = {"retry-after": "77"}
    soon = format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)
    yield faulty(
        Fault.EXPIRED_TOKEN, Faults(errors=[(401, "expired")]), AuthError, "expired", "401"
    )
    yield faulty(
        Fault.BAD_CREDENTIALS, Faults(errors=[(403, "denied")]), AuthError, "rotate-secret", "403"
    )
    yield faulty(
        Fault.THROTTLED_WITH_RETRY_AFTER,
        Faults(errors=[(429, "rate_limit_error")], headers=hint),
        TransientError,
        "429 rate_limit",
        "seconds",
    )
    yield faulty(
        Fault.THROTTLED_WITH_RETRY_AFTER,
        Faults(errors=[(429, "rate_limit_error")], headers={"retry-after": soon}),
        TransientError,
        "429",
        "date",
    )
    yield faulty(
        Fault.THROTTLED_WITHOUT_RETRY_AFTER,
        Faults(errors=[(429, "rate_limit_error")]),
        TransientError,
        "429",
        "429",
    )
    for status in (500, 503, 529):
        name = str(status)
        yield faulty(
            Fault.SERVER_ERROR, Faults(errors=[(status, "api_error")]), TransientError, name, name
        )
    yield faulty(Fault.TIME_OUT, Faults(hang=[1.0]), TransientError, "no answer in time", "hang")
    yield faulty(Fault.CUT_IN_MID_PAGE, Faults(cut_body=1), TransientError, "cut off", "body")
    yield faulty(Fault.TRUNCATED_PAYLOAD, Faults(broken_json=1), TransientError, "no JSON", "json")
    yield faulty(
        Fault.ENDLESS_PAGES, Faults(same_token=True), PayloadError, "same figures", "one-token"
    )
    yield faulty(
        Fault.ENDLESS_PAGES, Faults(fresh_tokens=True), PayloadError, "without any day", "tokens"
    )
    yield faulty(
        Fault.ENDLESS_PAGES, Faults(token=""), PayloadError, "further page and named none", "none"
    )


@pytest.mark.parametrize(
    ("vendor", "faults", "error", "says"), [each for vendor in VENDORS for each in _table(vendor)]
)
def test_each_fault_is_a_plain_sentence_of_the_right_kind(
    server: LlmCostServer,
    landing: LandingStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    vendor: Vendor,
    faults: Faults,
    error: type[ProviderError],
    says: str,
) -> None:
    server.faults = faults
    if faults.hang:
        monkeypatch.setattr(api, "PATIENCE", api.Patience(tries=1, timeout=0.2))
    caplog.set_level(logging.DEBUG)
    with pytest.raises(error, match=says) as caught:
        fetch(server, landing, vendor)
    assert "initech" in str(caught.value)
    assert KEYS[vendor] not in f"{caught.value!r}{caught.value}{caplog.text}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]  # nothing was kept
    if "retry-after" in faults.headers:
        assert isinstance(caught.value, TransientError) and caught.value.retry_after
        assert caught.value.retry_after == 77 or caught.value.retry_after > 86_400


@pytest.mark.parametrize("vendor", [case(v, Fault.BAD_CREDENTIALS, v, name=v) for v in VENDORS])
def test_a_wrong_key_is_refused_once_and_not_quoted(
    server: LlmCostServer, waits: list[float], vendor: Vendor
) -> None:
    wrong = account(server, vendor, key="sk-canary-0123456789")
    with pytest.raises(AuthError, match="admin key that may read") as caught:
        PROVIDERS[vendor].check(wrong)
    assert "canary" not in str(caught.value)
    assert len(server.asked) == 1 and not waits


@pytest.mark.parametrize("vendor", [case(v, Fault.EXPIRED_TOKEN, v, name=v) for v in VENDORS])
def test_a_key_revoked_between_two_pages_loads_nothing(
    server: LlmCostServer, landing: LandingStore, tmp_path: Path, vendor: Vendor
) -> None:
    def revoke(query: Query, _: Row) -> None:
        if "page" in query:
            server.faults.errors.append((401, "revoked"))

    server.faults.bend = revoke
    with pytest.raises(AuthError, match="revoked"):
        fetch(server, landing, vendor)
    assert len(asked(server, "page=")) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "vendor", [case(v, Fault.THROTTLED_WITH_RETRY_AFTER, v, name=v) for v in VENDORS]
)
def test_passing_troubles_are_waited_out(
    server: LlmCostServer, landing: LandingStore, waits: list[float], vendor: Vendor
) -> None:
    server.faults = Faults(errors=[(503, "overloaded"), (500, "api_error")])
    assert len(rows(fetch(server, landing, vendor), landing, vendor)) == len(COSTS) * len(DAYS)
    assert waits == [1.0, 2.0]
    server.faults = Faults(errors=[(429, "slow")], headers={"retry-after": "7"})
    fetch(server, landing, vendor)
    assert waits[2:] == [7.0]
    server.faults = Faults(errors=[(429, "slow")] * 3)
    with pytest.raises(TransientError, match="429"):
        fetch(server, landing, vendor)
    assert waits[3:] == [1.0, 2.0]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_never_leaves_for_another_host(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    with LlmCostServer(bill) as elsewhere:
        server.faults = Faults(token=f"{elsewhere.url}/v1/organization/costs?page=2")
        with pytest.raises(PermanentError, match="unknown token"):
            fetch(server, landing, vendor)
        server.faults = Faults(redirect_to=elsewhere.url)
        with pytest.raises(PermanentError, match="redirects are not followed"):
            fetch(server, landing, vendor)
        assert not elsewhere.asked


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("bent", "says"),
    [
        ({"start_time": 5, "starting_at": "2026-10-01T05:00:00Z"}, "no day .ValueError"),
        ({"start_time": "x", "starting_at": 7}, "no day .TypeError"),
        ({"results": {"a": 1}}, "no list of results"),
    ],
)
def test_buckets_of_another_shape_are_refused(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor, bent: Row, says: str
) -> None:
    server.faults.bend = lambda _, answer: [b.update(bent) for b in answer.get("data", ())] and None
    with pytest.raises(PayloadError, match=says):
        fetch(server, landing, vendor)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("key", "config", "says"),
    [
        (None, {"base_url": "http://api.example.com"}, "base_url"),
        (None, {"base_url": "https://user@example.com"}, "base_url"),
        (None, {"colour": "blue"}, "colour"),
        ("", {}, "has no admin_key"),
        ("sk-canary\n", {}, "characters that no key has"),
        ("sk-canary\u2026", {}, "characters that no key has"),
    ],
)
def test_a_wrong_configuration_is_named_before_anything_is_asked(
    server: LlmCostServer, vendor: Vendor, key: str | None, config: Row, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        PROVIDERS[vendor].check(account(server, vendor, key, **config))
    assert "canary" not in str(caught.value) and not server.asked

"""OpenAI and Anthropic over HTTP, against the emulator of both: bills, pages, and every fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Reject
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    NotObtainable,
    PayloadError,
    PermanentError,
    ProviderError,
    TransientError,
)
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.reports import api
from astraeus_pipeline.sandbox.llm_costs import CostLine, Faults, LlmCostServer, UsageLine
from astraeus_pipeline.sandbox.llm_estate import ANTHROPIC, OPENAI
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, case, covers

Vendor = Literal["openai", "anthropic"]
Query = Mapping[str, list[str]]
Row = dict[str, Any]

VENDORS: tuple[Vendor, ...] = ("openai", "anthropic")
KEYS = {"openai": OPENAI.admin_key, "anthropic": ANTHROPIC.admin_key}
PROJECT = {"openai": "project_id", "anthropic": "workspace_id"}
ITEM = {"openai": "line_item", "anthropic": "description"}
TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
DAYS = DayRange(TODAY - timedelta(days=9), TODAY)
COSTS = ("0.0000000001", "1.10", "2.125", "-0.75", "0.000375")


@dataclass
class Bill:
    """Lines of both vendors, served as they are."""

    cost_lines: dict[str, list[CostLine]] = field(default_factory=dict)
    usage_lines: dict[str, list[UsageLine]] = field(default_factory=dict)

    def costs(self, vendor: str, first: date, end: date) -> list[CostLine]:
        return [line for line in self.cost_lines.get(vendor, []) if first <= line.day < end]

    def usage(self, vendor: str, first: date, end: date) -> list[UsageLine]:
        return [line for line in self.usage_lines.get(vendor, []) if first <= line.day < end]


def bill() -> Bill:
    """Five costs and two uses a day, of two projects, one of them without an id."""
    made = Bill()
    for vendor in VENDORS:
        for number, day in enumerate(DAYS):
            for index, cost in enumerate(COSTS):
                groups = {PROJECT[vendor]: ("p1", None)[index % 2], ITEM[vendor]: f"item {index}"}
                made.cost_lines.setdefault(vendor, []).append(
                    CostLine(day, Decimal(cost) * (number + 1), groups)
                )
            made.usage_lines.setdefault(vendor, []).extend(_uses(vendor, day, number))
    return made


def _uses(vendor: Vendor, day: date, number: int) -> Iterator[UsageLine]:
    for project in ("p1", None):
        groups = {PROJECT[vendor]: project, "model": "m-1", "api_key_id": f"key-{project}"}
        if vendor == "openai":
            measures = {"input_tokens": 900 + number, "input_cached_tokens": 400}
            measures |= {"output_tokens": 70, "num_model_requests": 3}
            yield UsageLine(day, "completions", groups, measures)
        else:
            measures = {"uncached_input_tokens": 500 + number, "cache_read_input_tokens": 400}
            measures |= {"cache_creation.ephemeral_5m_input_tokens": 60, "output_tokens": 70}
            yield UsageLine(day, "messages", groups, measures)


@pytest.fixture
def served() -> Bill:
    return bill()


@pytest.fixture
def server(served: Bill) -> Iterator[LlmCostServer]:
    with LlmCostServer(lambda: served, page_size=4) as running:
        yield running


@pytest.fixture
def landing(tmp_path: Path) -> LandingStore:
    return LandingStore(str(tmp_path))


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """More tries would only make the faults slow; they have tests of their own."""
    monkeypatch.setattr(api, "PATIENCE", api.Patience(tries=1))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give back the usual tries, and note the waits between them instead of waiting."""
    noted: list[float] = []
    monkeypatch.setattr(api, "PATIENCE", api.Patience())
    monkeypatch.setattr(api, "time", SimpleNamespace(sleep=noted.append))
    return noted


def account(
    server: LlmCostServer, vendor: Vendor, key: str | None = None, **config: Any
) -> Account:
    secrets = {"admin_key": SecretStr(KEYS[vendor] if key is None else key)}
    settings = {"base_url": server.url, **config}
    return Account("initech", vendor, "Initech", settings, lambda: secrets)


def fetch(
    server: LlmCostServer,
    landing: LandingStore,
    vendor: Vendor,
    dataset: Dataset = "costs",
    days: DayRange = DAYS,
) -> Fetched:
    [fetched] = PROVIDERS[vendor].fetch(account(server, vendor), dataset, days, landing)
    return fetched


def rows(fetched: Fetched, landing: LandingStore, vendor: Vendor) -> list[Row]:
    read = PROVIDERS[vendor].rows(fetched, landing)
    return [row for batch in read for row in batch.rows.to_pylist()]


def rejects(fetched: Fetched, landing: LandingStore, vendor: Vendor) -> list[Reject]:
    read = PROVIDERS[vendor].rows(fetched, landing)
    return [reject for batch in read for reject in batch.rejects]


def asked(server: LlmCostServer, part: str) -> list[str]:
    return [path for path in server.asked if part in path]


@pytest.mark.parametrize("vendor", VENDORS)
def test_costs_come_page_by_page_and_tie_to_the_ungrouped_total(
    server: LlmCostServer, served: Bill, landing: LandingStore, vendor: Vendor
) -> None:
    fetched = fetch(server, landing, vendor)
    found = rows(fetched, landing, vendor)
    assert len(found) == len(COSTS) * len(DAYS) == len(served.cost_lines[vendor])
    stated = {control.days.first: control for control in fetched.controls}
    assert set(stated) == {day for day in DAYS if day != TODAY}  # today's total still moves
    for day in DAYS:
        loaded = sum(row["amount"] for row in found if row["usage_date"] == day)
        mine = sum(line.amount for line in served.cost_lines[vendor] if line.day == day)
        assert loaded == mine
        if day in stated:
            assert stated[day].amount == mine and stated[day].currency == "USD"
            assert stated[day].tolerance < Decimal("1E-8")
    assert {row[PROJECT[vendor]] for row in found} == {"p1", None}
    if vendor == "anthropic":
        assert {row["organization_name"] for row in found} == {ANTHROPIC.name}
    assert {row[ITEM[vendor]] for row in found} == {f"item {n}" for n in range(len(COSTS))}
    assert fetched.complete_through == YESTERDAY
    # ten days at four a page, twice, and names; Anthropic is also asked whose key it is
    assert fetched.requests == len(server.asked) == 7 + (vendor == "anthropic")
    assert len(asked(server, "page=page_8")) == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_usage_comes_by_the_finest_groups(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    found = rows(fetch(server, landing, vendor, "utilisation"), landing, vendor)
    assert len(found) == 2 * len(DAYS)
    row = next(r for r in found if r["usage_date"] == DAYS.first and r[PROJECT[vendor]] == "p1")
    assert (row["model"], row["api_key_id"], row["output_tokens"]) == ("m-1", "key-p1", 70)
    if vendor == "openai":
        assert (row["endpoint"], row["requests"]) == ("completions", 3)
        assert (row["input_tokens"], row["input_cached_tokens"]) == (900, 400)
        assert row["input_audio_tokens"] is None  # untold, not 0
    else:
        assert (row["uncached_input_tokens"], row["cache_read_input_tokens"]) == (500, 400)
        assert row["cache_creation_5m_input_tokens"] == 60
        assert row["cache_creation_1h_input_tokens"] is row["web_search_requests"] is None


@pytest.mark.parametrize("vendor", VENDORS)
def test_projects_have_their_names_where_the_key_may_list_them(
    server: LlmCostServer, served: Bill, landing: LandingStore, vendor: Vendor
) -> None:
    server.page_size = 2  # the third project is on a second page
    number, name = {"openai": OPENAI, "anthropic": ANTHROPIC}[vendor].projects[-1]
    line = CostLine(DAYS.first, Decimal("5"), {PROJECT[vendor]: number, ITEM[vendor]: "named"})
    served.cost_lines[vendor].append(line)
    column = PROJECT[vendor].replace("_id", "_name")

    def costs() -> list[Row]:
        return rows(fetch(server, landing, vendor), landing, vendor)

    found = {row[PROJECT[vendor]]: row[column] for row in costs()}
    assert found == {number: name, "p1": None, None: None}
    server.forbidden = ("/projects", "/workspaces")
    found = {row[PROJECT[vendor]]: row[column] for row in costs()}
    assert found == {number: None, "p1": None, None: None}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_bill_is_the_same_payload(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    payloads = {landing.put_manifest(fetch(server, landing, vendor)).sha256 for _ in range(2)}
    assert len(payloads) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_check_says_whose_key_it_is(server: LlmCostServer, vendor: Vendor) -> None:
    number = {"openai": OPENAI.number, "anthropic": ANTHROPIC.number}[vendor]
    assert PROVIDERS[vendor].check(account(server, vendor)).details["organization"] == number


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


@pytest.mark.parametrize("vendor", [case(v, Fault.EMPTY, v, name=v) for v in VENDORS])
def test_days_without_anything_are_told_apart_from_no_answer(
    server: LlmCostServer, served: Bill, landing: LandingStore, vendor: Vendor
) -> None:
    served.cost_lines.clear()
    told = fetch(server, landing, vendor)
    assert rows(told, landing, vendor) == [] and told.controls == ()
    assert told.complete_through == YESTERDAY  # buckets came, and were empty
    server.faults.bend = lambda _, answer: answer.update(data=[], has_more=False, next_page=None)
    untold = fetch(server, landing, vendor)
    assert rows(untold, landing, vendor) == [] and untold.complete_through is None


@pytest.mark.parametrize("vendor", [case(v, Fault.UNKNOWN_COLUMN, v, name=v) for v in VENDORS])
@pytest.mark.parametrize("dataset", ["costs", "utilisation"])
def test_what_nobody_knows_is_kept_and_the_rest_loads(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor, dataset: Dataset
) -> None:
    def add(_: Query, answer: Row) -> None:
        answer["colour"] = "blue"
        for result in _results(answer):
            result |= {"shade": 1.5, "nothing": None}

    server.faults.bend = add
    found = rows(fetch(server, landing, vendor, dataset), landing, vendor)
    assert found and {row["payload"] for row in found} == {'{"shade": "1.5"}'}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_result_that_cannot_be_typed_blocks_its_day_alone(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    def break_one(query: Query, answer: Row) -> None:
        if "group_by" in query or "group_by[]" in query:
            for bucket in answer["data"]:
                if _day(bucket) == DAYS.first:
                    bucket["results"][0]["amount"] = {"value": "NaN", "currency": "usd"}

    server.faults.bend = break_one
    fetched = fetch(server, landing, vendor)
    [reject] = rejects(fetched, landing, vendor)
    assert reject.usage_date == DAYS.first and "is no amount" in reject.reason
    assert len(rows(fetched, landing, vendor)) == len(COSTS) * len(DAYS) - 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("dataset", ["costs", "utilisation"])
def test_a_lost_page_is_found_by_the_other_answer(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor, dataset: Dataset
) -> None:
    def lose(query: Query, answer: Row) -> None:
        if "page" in query and ("group_by" in query or "group_by[]" in query):
            answer |= {"data": answer["data"][:1], "has_more": False, "next_page": None}

    server.faults.bend = lose
    with pytest.raises(TransientError, match="in only one of two answers"):
        fetch(server, landing, vendor, dataset)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_lost_line_is_found_by_the_total(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    def lose(query: Query, answer: Row) -> None:
        if "group_by" in query or "group_by[]" in query:
            for bucket in answer["data"]:
                bucket["results"] = bucket["results"][:-1]

    server.faults.bend = lose
    fetched = fetch(server, landing, vendor)
    found = rows(fetched, landing, vendor)
    for control in fetched.controls:
        loaded = sum(row["amount"] for row in found if row["usage_date"] in control.days)
        assert abs(loaded - control.amount) > control.tolerance
    with pytest.raises(TransientError, match="in groups on"):
        fetch(server, landing, vendor, "utilisation")


@pytest.mark.parametrize("vendor", VENDORS)
def test_figures_that_only_the_groups_have_are_controlled_by_nothing(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    def empty(query: Query, answer: Row) -> None:
        if not ("group_by" in query or "group_by[]" in query):
            for bucket in answer.get("data", ()):
                bucket["results"] = []

    server.faults.bend = empty
    controls = fetch(server, landing, vendor).controls
    assert len(controls) == len(DAYS) - 1 and {each.amount for each in controls} == {Decimal(0)}


@pytest.mark.parametrize("vendor", [case(v, Fault.CLOCK_SKEW, v, name=v) for v in VENDORS])
@pytest.mark.parametrize("ahead", [-1, 1])
def test_the_providers_clock_says_which_days_have_ended(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor, ahead: int
) -> None:
    server.faults.now = datetime.now(UTC) + timedelta(days=ahead)
    fetched = fetch(server, landing, vendor)
    ended = YESTERDAY + timedelta(days=ahead)
    assert fetched.complete_through == ended
    assert max(control.days.last for control in fetched.controls) == ended


@covers("openai", Fault.CLOCK_SKEW)
@covers("anthropic", Fault.CLOCK_SKEW)
@pytest.mark.parametrize("vendor", VENDORS)
def test_days_to_come_are_neither_asked_nor_taken(
    server: LlmCostServer, landing: LandingStore, vendor: Vendor
) -> None:
    tomorrow = TODAY + timedelta(days=1)
    with pytest.raises(NotObtainable, match="lies in the future"):
        fetch(server, landing, vendor, days=DayRange(tomorrow, tomorrow))
    assert not server.asked

    def add(_: Query, answer: Row) -> None:
        if answer.get("data"):
            start = int(datetime(*tomorrow.timetuple()[:3], tzinfo=UTC).timestamp())
            times = {"start_time": start, "starting_at": f"{tomorrow}T00:00:00Z"}
            answer["data"].append({**answer["data"][-1], **times})

    server.faults.bend = add
    with pytest.raises(PayloadError, match=f"spoke of {tomorrow}, which was not asked for"):
        fetch(server, landing, vendor)


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


def _results(answer: Row) -> Iterator[Row]:
    for bucket in answer.get("data", ()):
        yield from bucket["results"]


def _day(bucket: Row) -> date:
    if "start_time" in bucket:
        return datetime.fromtimestamp(bucket["start_time"], UTC).date()
    return datetime.fromisoformat(bucket["starting_at"]).date()

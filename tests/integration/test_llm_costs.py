"""OpenAI and Anthropic over HTTP, against the emulator of both: bills, pages, totals, days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import NotObtainable, PayloadError, TransientError
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox.llm_costs import CostLine, LlmCostServer
from astraeus_pipeline.sandbox.llm_estate import ANTHROPIC, OPENAI
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.faults import Fault, case, covers
from tests.fixtures.llm_bill import (
    COSTS,
    DAYS,
    ITEM,
    PROJECT,
    TODAY,
    VENDORS,
    YESTERDAY,
    Bill,
    Query,
    Row,
    Vendor,
    account,
    asked,
    fetch,
    rejects,
    rows,
)
from tests.fixtures.llm_bill import _one_try as _one_try  # fixtures, as the next three
from tests.fixtures.llm_bill import landing as landing
from tests.fixtures.llm_bill import served as served
from tests.fixtures.llm_bill import server as server


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


def _results(answer: Row) -> Iterator[Row]:
    for bucket in answer.get("data", ()):
        yield from bucket["results"]


def _day(bucket: Row) -> date:
    if "start_time" in bucket:
        return datetime.fromtimestamp(bucket["start_time"], UTC).date()
    return datetime.fromisoformat(bucket["starting_at"]).date()

"""Results of OpenAI's and Anthropic's reports as rows, and the arithmetic of their controls."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.contracts.anthropic import ANTHROPIC_COSTS
from astraeus_pipeline.contracts.delivery import Reject
from astraeus_pipeline.contracts.openai import OPENAI_COSTS, OPENAI_UTILISATION
from astraeus_pipeline.contracts.typed_rows import typed
from astraeus_pipeline.providers.anthropic import client as anthropic_client
from astraeus_pipeline.providers.anthropic import records as anthropic
from astraeus_pipeline.providers.openai import client as openai_client
from astraeus_pipeline.providers.openai import records as openai
from astraeus_pipeline.reports import daily, listing
from astraeus_pipeline.reports.api import Answer

DAY = date(2026, 11, 3)
LATER = date(2026, 11, 4)
PAGE = {"organization_id": "org-1", "endpoint": "completions", "names": {"p-1": "Search"}}


def cost(value: Any, currency: str = "usd", **more: Any) -> dict[str, Any]:
    return {"object": "x", "amount": {"value": value, "currency": currency}, **more}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Decimal("0.06"), "0.06"),
        (Decimal("0.8958740000000000"), "0.895874"),
        (3, "3"),
        ("1.25", "1.25"),
        (Decimal("7E-06"), "0.000007"),
        (Decimal("-1.50"), "-1.5"),
    ],
)
def test_openai_amounts_are_read_exactly(value: Any, read: str) -> None:
    assert openai.money_of(cost(value)) == ("USD", Decimal(read))


@pytest.mark.parametrize("value", ["", "x", True, None, Decimal("NaN"), "Infinity", "1E-400", []])
def test_what_is_no_amount_is_said_so(value: Any) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        openai.money_of(cost(value))
    with pytest.raises(ValueError, match="is no amount"):
        anthropic.money_of({"amount": value, "currency": "USD"})


@pytest.mark.parametrize("currency", ["", "dollars", None, 7])
def test_openai_amounts_need_a_currency(currency: Any) -> None:
    with pytest.raises(ValueError, match="is no currency"):
        openai.money_of(cost(1, currency))


@pytest.mark.parametrize(
    ("cents", "dollars"),
    [("123.45", "1.2345"), ("41280.000000", "412.8"), ("0.0375", "0.000375"), ("-50", "-0.5")],
)
def test_anthropic_amounts_come_in_cents(cents: str, dollars: str) -> None:
    assert anthropic.money_of({"amount": cents, "currency": "USD"}) == ("USD", Decimal(dollars))


def test_a_currency_whose_lowest_unit_nobody_told_is_refused() -> None:
    with pytest.raises(ValueError, match="lowest unit of 'JPY'"):
        anthropic.money_of({"amount": "123", "currency": "JPY"})


def test_a_cost_of_openai_keeps_what_has_no_column() -> None:
    row = openai.cost_row(
        PAGE, DAY, cost(1, project_id="", line_item="m, input", quantity=5, api_key_id="key-9")
    )
    assert (row["project_id"], row["line_item"], row["quantity"]) == (None, "m, input", 5)
    assert (row["organization_id"], row["billing_period"]) == ("org-1", date(2026, 11, 1))
    assert row["payload"] == '{"api_key_id": "key-9"}'


def test_a_project_goes_by_its_name_where_that_is_told() -> None:
    rows = [openai.cost_row(PAGE, DAY, cost(1, project_id=each)) for each in ("p-1", "p-2", None)]
    assert [row["project_name"] for row in rows] == ["Search", None, None]


def test_names_are_taken_from_the_pages_before() -> None:
    items = [{"id": "a", "name": "A"}, {"id": "b", "name": None}, {"name": "?"}, "odd"]
    pages = [
        {"purpose": "names", "answer": {"data": items}},
        {"purpose": "totals", "answer": {}},
        {"purpose": "costs", "answer": {}},
    ]
    [page] = listing.named(pages, "costs")
    assert page["names"] == {"a": "A"}


def test_use_of_openai_is_counted_in_the_unit_of_its_endpoint() -> None:
    page = {**PAGE, "endpoint": "audio_transcriptions"}
    row = openai.usage_row(page, DAY, {"object": "x", "seconds": 90, "num_model_requests": 2})
    assert (row["quantity"], row["quantity_unit"], row["requests"]) == (90, "seconds", 2)
    assert row["input_tokens"] is row["model"] is row["payload"] is None


@pytest.mark.parametrize("bad", [{"input_tokens": 1.5}, {"model": 7}, {"batch": "yes"}])
def test_use_of_another_type_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"7|1\.5|yes"):
        openai.usage_row(PAGE, DAY, bad)


def test_use_of_claude_is_taken_from_its_nested_objects() -> None:
    row = anthropic.usage_row(
        PAGE,
        DAY,
        {
            "uncached_input_tokens": 10,
            "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 4},
            "server_tool_use": None,
            "speed": "fast",
        },
    )
    written = row["cache_creation_5m_input_tokens"], row["cache_creation_1h_input_tokens"]
    assert written == (4, 3) and row["uncached_input_tokens"] == 10
    assert row["output_tokens"] is row["web_search_requests"] is None
    assert row["payload"] == '{"speed": "fast"}'


def test_rows_are_numbered_and_rejects_keep_their_place_and_day() -> None:
    pages = [
        {
            **PAGE,
            "answer": {
                "data": [{"start_time": 1_793_664_000, "results": [cost(1), cost("x"), cost(2)]}]
            },
        }
    ]
    rows = daily.rows(pages, openai_client.day_of, openai.cost_row)
    [batch] = typed(OPENAI_COSTS, rows)
    assert batch.rows.column("row_number").to_pylist() == [1, 3]
    assert batch.rows.column("usage_date").to_pylist() == [DAY, DAY]
    [reject] = batch.rejects
    assert (reject.row_number, reject.usage_date) == (2, DAY)
    assert '"value": "x"' in reject.raw_text


def test_batches_follow_the_contract_even_when_nothing_can_be_typed() -> None:
    for table in (OPENAI_COSTS, OPENAI_UTILISATION, ANTHROPIC_COSTS):
        [batch] = typed(table, [Reject(0, "raw", "reason", DAY)])
        assert batch.rows.schema.names == [column.name for column in table.row_columns]
        assert batch.rows.num_rows == 0 and len(batch.rejects) == 1


@pytest.mark.parametrize(
    "start", ["2026-11-03T00:00:00Z", "2026-11-03T00:00:00+00:00", "2026-11-03T00:00:00.000Z"]
)
def test_buckets_of_claude_start_at_midnight_utc(start: str) -> None:
    assert anthropic_client.day_of({"starting_at": start}) == DAY


@pytest.mark.parametrize(
    "start", ["2026-11-03T01:00:00Z", "2026-11-03T00:00:00+02:00", "2026-11-03T00:00:00", "x"]
)
def test_other_buckets_are_no_days(start: str) -> None:
    with pytest.raises(ValueError, match=r"UTC day|isoformat"):
        anthropic_client.day_of({"starting_at": start})


def test_a_control_total_is_as_exact_as_the_figures_are() -> None:
    details = {DAY: [cost("1.005"), cost("2.01"), cost("bad")], LATER: [cost(1)]}
    totals = {DAY: [cost("3.015")], LATER: [cost(1)]}
    [control] = daily.controls(details, totals, openai.money_of, LATER, "test")
    assert (control.amount, control.scale, control.terms) == (Decimal("3.015"), 3, 2)
    assert control.tolerance == Decimal("0.001")
    noisy = {DAY: [cost(Decimal("0.30000000000000004"))]}
    [capped] = daily.controls(noisy, noisy, openai.money_of, LATER, "test", most_places=10)
    assert capped.scale == 10


def test_a_currency_without_a_total_is_controlled_by_nothing() -> None:
    details = {DAY: [cost(1), cost(2, "eur")]}
    found = daily.controls(details, {DAY: [cost(1)]}, openai.money_of, LATER, "test")
    assert {each.currency: each.amount for each in found} == {"EUR": 0, "USD": 1}


def test_a_stored_line_keeps_the_numbers_as_they_came() -> None:
    text = '{\n  "data": [{"value": 0.10000000000000000555}]\n}'
    line = daily.line("costs", Answer({}, text, {}), organization_id=None)
    assert line.count(b"\n") == 1 and b"0.10000000000000000555" in line

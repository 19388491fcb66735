"""Answers as pages may show them: nothing in them is a link, an image, HTML or mathematics."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.assistant.render import bars, columns, inert, is_cut, receipt, rendered
from app.assistant.tools.contract import ToolResult

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = [
    "![a](http://evil.example/?q=1)",
    "[a](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "<https://evil.example>",
    "[a]: http://evil.example\n\n[a]",
    "$\\frac{1}{2}$ and $$x$$",
    ":red[x] `<b>`",
    "\\<script>alert(1)</script>",
    "a@evil.example www.evil.example HTTP://evil.example",
]


def result(**changes: object) -> ToolResult:
    given: dict[str, object] = {
        "result_id": "r0123456789",
        "tool": "get_costs",
        "rows": [
            {"service": "A", "cost": "10.50", "billing_currency": "USD"},
            {"service": "B", "cost": "2", "billing_currency": "USD"},
            {"service": "C", "cost": "7", "billing_currency": "EUR"},
        ],
        "row_count": 3,
        "unit": {"cost": "billing_currency"},
    }
    return ToolResult.model_validate(given | changes)


def kinds(markdown: str) -> set[str]:
    tokens = MARKDOWN.parse(markdown)
    return {each.type for token in tokens for each in (token, *(token.children or ()))}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_words(text: str) -> None:
    shown = inert(text)
    assert not kinds(shown) & {"image", "link_open", "html_inline", "html_block", "code_inline"}
    for part in ("://", "www.", "@evil"):
        assert part not in shown.lower()


@given(st.text(alphabet="[]()<>!$`\\:/@wW.ahtp\n *_|", max_size=60))
def test_no_text_becomes_a_link_an_image_or_html(text: str) -> None:
    assert not kinds(inert(text)) & {"image", "link_open", "html_inline", "html_block"}


def test_numbers_that_nothing_says_are_underlined_and_citations_numbered() -> None:
    answer = rendered(
        "A cost 10.50 USD [r0123456789], B 3.10 USD <b> [rffffffffff].", [result()], ""
    )
    assert answer.unverified == 1 and len(answer.claims) == 2
    assert "10.50 USD \\[1\\]" in answer.markdown
    assert '<u title="not found in the data">3.10 USD</u>' in answer.markdown
    assert "\\<b>" in answer.markdown and "\\[?\\]" in answer.markdown
    assert answer.unknown_citations == ("rffffffffff",)


def test_a_chart_has_one_unit_and_names_once() -> None:
    assert bars(result()) == (
        "service",
        "cost",
        "USD",
        [("A", Decimal("10.50")), ("B", Decimal(2))],
    )
    twice = [{"service": "A", "cost": "1"}, {"service": "A", "cost": "2"}]
    assert bars(result(rows=twice, unit={"cost": "USD"})) is None
    assert bars(result(rows=[])) is None


def test_a_table_has_its_columns_in_one_order_however_they_were_kept() -> None:
    row = {"share_pct": "50", "is_final": False, "cost": "1", "service": "A", "rank": 1, "x": None}
    unit = {"share_pct": "%", "cost": "USD"}
    assert columns(result(rows=[row | {"billing_currency": "USD"}], unit=unit)) == [
        *("rank", "service", "cost", "share_pct", "is_final")
    ]
    two = [row | {"service": "B", "cost": "2"}, row]
    found = bars(result(rows=two, unit=unit))
    assert found is not None and found[1:3] == ("cost", "USD")


def test_only_a_result_says_that_something_was_done() -> None:
    row = {"account": "acme", "dataset": "costs", "days": 3, "state": "planned"}
    assert receipt(result(tool="sync_resources", rows=[row])) is None
    row |= {"state": "requested", "backfill_id": "abc"}
    assert "3 days of costs of acme (backfill abc)" in str(
        receipt(result(tool="sync_resources", rows=[row]))
    )
    assert receipt(result()) is None


def test_a_cut_answer_is_told_whoever_the_provider_is() -> None:
    assert is_cut({"finish_reason": "length"}) and is_cut({"stop_reason": "max_tokens"})
    assert is_cut({"finish_reason": "MAX_TOKENS"})
    assert is_cut({"incomplete_details": {"reason": "max_output_tokens"}})
    assert not is_cut({"finish_reason": "stop"}) and not is_cut({})

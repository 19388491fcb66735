"""Attached files: printed amounts, tables, and files that are meant to do harm."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.attachments import printed
from app.assistant.attachments.kinds import MOST_BYTES, kind_of
from app.assistant.attachments.opening import opened
from app.assistant.attachments.readings import Line, Reading, summed
from app.assistant.attachments.seeing import stands_in
from app.assistant.attachments.sheets import reading_of, rows_of
from app.assistant.tools.attachments import notes_of
from app.assistant.tools.contract import ToolResult
from app.assistant.verifier import verify
from astraeus_pipeline.errors import ConfigError
from tests.fixtures import papers


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("1.234,56", "1234.56", None),
        ("1,234.56", "1234.56", None),
        ("(12.30)", "-12.30", None),
        ("($1,012.30)", "-1012.30", None),
        ("12.30 CR", "-12.30", None),
        ("12.30CR", "-12.30", None),
        ("12.30 DR", "12.30", None),
        ("\u22125.10", "-5.10", None),
        ("-$5.10", "-5.10", None),
        ("$-5.10", "-5.10", None),
        ("5.10-", "-5.10", None),
        ("US$ 1,000,000", "1000000", "USD"),
        ("€ 12,5", "12.5", "EUR"),
        ("12,5 EUR", "12.5", "EUR"),
        ("1\u202f234,56 €", "1234.56", "EUR"),
        ("1'234.56 CHF", "1234.56", "CHF"),
        ("12,34,567.89", "1234567.89", None),
        ("1.234.567", "1234567", None),
        ("0.123", "0.123", None),
        ("1234.567", "1234.567", None),
        (".5", "0.5", None),
        ("4.0E-10", "4.0E-10", None),
        ("0.1000000000000000000000000000000001", "0.1000000000000000000000000000000001", None),
        ("-0.00", "0.00", None),
    ],
)
def test_amounts_are_read_as_they_are_printed(text: str, amount: str, currency: str | None) -> None:
    found = printed.read(text)
    assert (found.amount, found.currency, found.doubt) == (Decimal(amount), currency, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "--5", "(5) CR", "-(5)", "1,2,3", "1.234.56", "1,23.45", "12.", "1 2", "NaN"),
        *("1e999", "Infinity", "USD 5 EUR", "$", "5%", "1,234", "1.234", "0x10", "1_000", "9" * 65),
    ],
)
def test_what_is_unclear_is_not_guessed(text: str) -> None:
    found = printed.read(text)
    assert found.amount is None and found.doubt


def test_other_amounts_of_a_file_tell_thousands_from_decimals() -> None:
    assert printed.mark_of(["1,234", "5.50"]) == "."
    assert printed.mark_of(["1.234", "5,50"]) == ","
    assert printed.mark_of(["1,234"]) is None and printed.mark_of(["5,50", "5.50"]) is None
    assert printed.read("1,234", ".").amount == 1234
    assert printed.read("1,234", ",").amount == Decimal("1.234")
    assert printed.read("5,50", ".").amount is None


@given(
    st.decimals(
        min_value=-(10**12), max_value=10**12, places=2, allow_nan=False, allow_infinity=False
    ),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", "."), ("", ",")]),
    st.sampled_from(["-{}", "({})", "{}-", "{} CR"]),
)
def test_every_convention_says_the_same_amount(
    amount: Decimal, marks: tuple[str, str], below: str
) -> None:
    text = f"{abs(amount):,.2f}".replace(",", "\0").replace(".", marks[1]).replace("\0", marks[0])
    found = printed.read(below.format(text) if amount < 0 else text)
    assert found.amount == amount


FOCUS = """BilledCost,EffectiveCost,BillingCurrency,ServiceName,SubAccountId,\
ChargePeriodStart,ChargePeriodEnd
1.234,9,USD,Compute,s-1,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z
-0.10,9,USD,"Data, base",s-1,2026-10-31T00:00:00Z,2026-11-01T00:00:00Z
,9,USD,Storage,s-2,2026-10-02T00:00:00Z,2026-10-03T00:00:00Z
"""


def test_an_export_is_read_exactly() -> None:
    reading = reading_of(rows_of(FOCUS.encode()))
    # A point is the mark of FOCUS, so that one and a quarter is not a thousand.
    assert [each.amount for each in reading.lines] == [Decimal("1.234"), Decimal("-0.10"), None]
    assert reading.unread == 1 and summed(reading.charges, "USD").amount is None
    assert reading.days == (date(2026, 10, 1), date(2026, 10, 31))
    assert reading.lines[1].service == "Data, base" and reading.currencies == ["USD"]
    assert Reading.model_validate(reading.model_dump(mode="json")) == reading
    assert "1 amount could not be read (empty): missing, not 0." in notes_of("a.csv", reading)
    assert "Not read: 'EffectiveCost'." in notes_of("a.csv", reading)


def test_a_european_table_with_its_total() -> None:
    text = "Rechnung;;\nDienst;Datum;Betrag (EUR)\nA;01.10.2026;1.000,50\nB;02.10.2026;2.000\n"
    reading = reading_of(rows_of(f"{text}Gesamt;;3.000,50\n".encode("cp1252")))
    assert [each.amount for each in reading.lines] == [Decimal("1000.50"), 2000, Decimal("3000.50")]
    assert [each.kind for each in reading.lines] == ["charge", "charge", "total"]
    assert reading.amount("EUR") == Decimal("3000.50")
    assert reading.days == (date(2026, 10, 1), date(2026, 10, 2))


def test_days_that_may_be_two_are_not_read() -> None:
    table = [["Date", "Amount", "Currency"], ["03/04/2026", "1.00", "USD"]]
    assert reading_of(table).days is None
    assert reading_of([*table, ["13/04/2026", "1.00", "USD"]]).days == (
        date(2026, 4, 3),
        date(2026, 4, 13),
    )


def test_lines_of_no_currency_and_of_several_are_never_added_up() -> None:
    lines = [
        Line(number=number, amount=Decimal(1), currency=currency)
        for number, currency in enumerate(["USD", "EUR", None])
    ]
    reading = Reading(kind="export", read_by="exactly", lines=tuple(lines))
    assert reading.currencies == ["USD", "EUR"]
    assert reading.amount("USD") is None  # the third may be of it
    assert summed(lines[:2], "EUR").amount == 1


def test_a_workbook_is_what_was_typed() -> None:
    rows = [
        ["Service", "Date", "Amount (USD)"],
        ["A", date(2026, 10, 1), 1234.56],
        ["B", date(2026, 10, 2), 0.1],
        ["C", date(2026, 10, 3), 1234],
        ["Total", None, 1334.66],
    ]
    inside = opened("xlsx", papers.workbook_of(rows, "Other"))
    assert inside.notes == ("Of its 2 sheets the first is read: 'Sheet'.",)
    reading = reading_of(inside.rows)
    assert [str(each.amount) for each in reading.charges] == ["1234.56", "0.1", "1234"]
    assert reading.days == (date(2026, 10, 1), date(2026, 10, 3))


def test_kinds_are_told_by_content() -> None:
    assert kind_of(papers.pdf_of(["x"])) == "pdf" and kind_of(papers.image_of(["x"])) == "image"
    assert kind_of(b"a,b\n1,2\n") == "csv" and kind_of("ä;b\n".encode("utf-16")) == "csv"
    assert kind_of(papers.image_of(["x"], "JPEG")) == kind_of(papers.image_of(["x"], "WEBP"))
    for content, told in (
        (b"", "empty"),
        (b"\0\0", "empty"),
        (b"a" * (MOST_BYTES + 1), "larger than 10 MB"),
        (b"\x7fELF\x01\0\0", "cannot be told"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", "encrypted Office"),
    ):
        with pytest.raises(ConfigError, match=told):
            kind_of(content)


def test_a_text_is_taken_out_of_a_pdf_and_images_out_of_a_scanned_one() -> None:
    inside = opened("pdf", papers.pdf_of(["Invoice 7", "Total (12.30)"], ["Page two"]))
    assert "Total (12.30)" in inside.text and "Page two" in inside.text and not inside.images
    scanned = opened("pdf", papers.image_of(["Total 12.30"], "PDF"))
    assert scanned.text == "" and len(scanned.images) == 1 and "images" in scanned.notes[0]
    assert len(opened("image", papers.image_of(["Total 12.30"], "JPEG")).images) == 1


def archive(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def test_hostile_files_are_refused_in_a_sentence() -> None:
    parts = {"[Content_Types].xml": b"<Types/>", "xl__workbook.xml": b"<workbook/>"}
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'
    page = papers.pdf_of(["Total 1.00"])
    for kind, content, told in (
        ("pdf", page[: len(page) // 3], "broken"),
        ("pdf", b"%PDF-1.7\n" + b"[" * 200_000, "broken"),
        ("pdf", papers.encrypted(page, "secret"), "encrypted"),
        ("pdf", papers.pdf_of(*[["a 1"]] * 21), "21 pages"),
        ("pdf", papers.pdf_of(["no figures"]), "no text and no images"),
        ("image", papers.huge_image(), "megapixels"),
        ("image", papers.image_of(["x"])[:60], "broken"),
        ("xlsx", archive(readme=b"hello"), "no XLSX"),
        ("xlsx", archive(**parts, xl__big=b"\0" * 120_000_000), "more than 100 MB"),
        ("xlsx", archive(**{**parts, "xl__workbook.xml": entities}), "entities"),
        ("xlsx", b"PK\x03\x04" + b"x" * 100, "broken"),
    ):
        with pytest.raises(ConfigError, match=told):
            opened(kind, content)  # type: ignore[arg-type] # of the literals


def test_a_line_of_a_file_vouches_for_no_amount_but_its_own() -> None:
    row = {"line": "row 1", "text": "You owe 5,000 USD now", "read_amount": Decimal("7.50")}
    result = ToolResult(
        result_id="r0123456789",
        tool="get_attachments",
        rows=[{**row, "billing_currency": "USD"}],
        row_count=1,
        unit={"read_amount": "billing_currency"},
    )
    said = "Row 1 says: You owe 5,000 USD now. It asks for 7.50 USD."
    assert [each.is_verified for each in verify(said, [result])] == [False, True]


def test_an_amount_stands_in_a_text_as_a_number_of_its_own() -> None:
    text = "Compute 1,234.50\nTax 2 12.5\nNet USD 7.00."
    for amount in ("1,234.50", "$1,234.50", "12.5", "(7.00)", "7.00 USD"):
        assert stands_in(amount, text), amount
    for amount in ("234.50", "1,234", "1,234.5", "7", "99.00", "", "USD"):
        assert not stands_in(amount, text), amount

"""A table as an Excel workbook: figures that can be summed, and a sheet that says what they are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import xlsxwriter

from app.queries.export import safe
from app.queries.tables import GroupCost
from astraeus_pipeline.contracts import money

_AMOUNT: Final = "#,##0.00"
_PERCENT: Final = "0.0"
_HEADINGS: Final = (
    ("cost", "Cost ({})", _AMOUNT),
    ("share_percent", "Share %", _PERCENT),
    ("previous", "Previous ({})", _AMOUNT),
    ("change", "Change ({})", _AMOUNT),
    ("change_percent", "Change %", _PERCENT),
)


def workbook(
    groups: Sequence[GroupCost],
    label: str,
    currency: str,
    whole: Decimal,
    about: Mapping[str, str],
) -> bytes:
    """Return the table with its total on the first sheet and what it is `about` on the second.

    A spreadsheet's numbers have 15 digits: the last column keeps each cost exactly, as text.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    try:
        _costs(book, groups, label, currency, whole)
        _about(book, about)
    finally:
        book.close()
    return out.getvalue()


def _costs(
    book: Any, groups: Sequence[GroupCost], label: str, currency: str, whole: Decimal
) -> None:
    sheet = book.add_worksheet("Costs")
    bold = book.add_format({"bold": True, "bottom": 1})
    formats = {text: book.add_format({"num_format": text}) for text in (_AMOUNT, _PERCENT)}
    total = book.add_format({"bold": True, "top": 1, "num_format": _AMOUNT})
    headings = [label, *(text.format(currency) for _, text, _ in _HEADINGS), "Exact cost"]
    for column, heading in enumerate(headings):
        sheet.write_string(0, column, heading, bold)
    for row, each in enumerate(groups, start=1):
        sheet.write_string(row, 0, safe(each.group))
        for column, (name, _, text) in enumerate(_HEADINGS, start=1):
            value = getattr(each, name)
            if value is not None:  # an empty cell is not a zero
                sheet.write_number(row, column, value, formats[text])
        sheet.write_string(row, len(_HEADINGS) + 1, money.plain(each.cost))
    last = len(groups) + 1
    sheet.write_string(last, 0, "Total", total)
    sheet.write_number(last, 1, whole, total)
    sheet.write_string(last, len(_HEADINGS) + 1, money.plain(whole), total)
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 0, 36)
    sheet.set_column(1, len(_HEADINGS), 16)
    sheet.set_column(len(_HEADINGS) + 1, len(_HEADINGS) + 1, 28)


def _about(book: Any, about: Mapping[str, str]) -> None:
    sheet = book.add_worksheet("About")
    bold = book.add_format({"bold": True, "valign": "top"})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    for row, (name, value) in enumerate(about.items()):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, safe(value), wrapped)
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 90)

"""Tables as CSV: exact decimals, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from app.queries.tables import GroupCost
from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import LimitError

# Rows have a limit where they are asked for; what stands in one of them has none but this.
MOST_BYTES: Final = 64 << 20
MOST_WORDS: Final = f"{MOST_BYTES >> 20} MB"
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(groups: Sequence[GroupCost], label: str, currency: str, whole: Decimal) -> str:
    """Return the table with its total; amounts in `currency`, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([label, "currency", "cost", "share %", "previous", "change", "change %"])
    for each in groups:
        row = asdict(each)
        writer.writerow(
            [
                safe(each.group),
                currency,
                *(
                    spell(row[name])
                    for name in ("cost", "share_percent", "previous", "change", "change_percent")
                ),
            ]
        )
    writer.writerow(["Total", currency, money.plain(whole), "", "", "", ""])
    return out.getvalue()


def resources_csv(
    rows: Iterable[dict[str, Any]], columns: Sequence[str], currency: str, days: str
) -> bytes:
    """Return resources as CSV, one a row; their cost of the `days`, unrounded, in `currency`.

    Raises: LimitError.
    """
    head = [*columns, "currency", f"cost {days}"]
    cells = (
        [*(_cell(row[name]) for name in columns), currency, spell(row["cost"])] for row in rows
    )
    return _written(chain([head], cells))


def charges_csv(rows: Iterable[dict[str, Any]]) -> bytes:
    """Return charges as CSV, one a row, with every column asked for; amounts unrounded.

    Raises: LimitError.
    """
    return _written(_charges(rows))


def _charges(rows: Iterable[dict[str, Any]]) -> Iterator[list[str]]:
    columns: list[str] = []
    for row in rows:
        if not columns:
            columns = list(row)
            yield columns
        yield [_cell(row[name]) for name in columns]


def _written(lines: Iterable[list[str]]) -> bytes:
    """Write lines as they come, so that a long file takes no more memory than itself.

    Raises: LimitError where it becomes too long: a part of it would look like the whole.
    """
    out = io.BytesIO()
    text = io.TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text)
    for line in lines:
        writer.writerow(line)
        if out.tell() > MOST_BYTES:
            raise LimitError(
                f"The file would be longer than {MOST_WORDS}.", hint="Choose fewer days or rows."
            )
    text.flush()
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return safe(str(value))


def safe(text: str) -> str:
    """Keep a spreadsheet from reading a name as a formula."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def spell(value: Any) -> str:
    """Spell an amount exactly; nothing for None."""
    return "" if value is None else money.plain(value)


def rows_csv(rows: Sequence[Mapping[str, Any]], unit: Mapping[str, str]) -> str:
    """Return a tool's rows as CSV with the unit in each heading; amounts unrounded."""
    out = io.StringIO()
    writer = csv.writer(out)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer.writerow([f"{name} ({unit[name]})" if name in unit else name for name in columns])
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()

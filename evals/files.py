"""Files that people of the golden set have attached: bills that differ from what was billed.

Each asks for what an account was billed in the last whole month, by service and rounded to cents,
but for one service that costs more, one that is left out, and one that nobody was billed for.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

import psycopg

from app.assistant.attachments import kinds, sheets
from astraeus_pipeline.warehouse import chat_attachments, chat_messages
from astraeus_pipeline.warehouse.engine import Database
from evals.cases import Days, Who

MORE: Final = Decimal("12.34")
NEVER_BILLED: Final = ("Support of a partner", Decimal("250.00"))


@dataclass(frozen=True)
class File:
    """A file of somebody's; `id` is chosen so that questions can name its handle."""

    who: Who
    id: UUID
    name: str
    account: str
    currency: str
    dearer: str
    left_out: str

    @property
    def handle(self) -> str:
        """What people and tools call it."""
        return f"a{self.id.hex[:10]}"


FILES: Final = (
    File(
        "finance",
        UUID("1f0c0de0-0100-4000-8000-000000000001"),
        "invoice acme-data.csv",
        *("acme-data", "USD", "Amazon Simple Storage Service", "AWS Glue"),
    ),
    File(
        "finance",
        UUID("1f0c0de0-0200-4000-8000-000000000002"),
        "invoice acme-prod.csv",
        *("acme-prod", "USD", "Amazon Simple Storage Service", "AWS Lambda"),
    ),
    File(
        "amy",
        UUID("1f0c0de0-0300-4000-8000-000000000003"),
        "invoice fabrikam-shop.csv",
        *("fabrikam-shop", "EUR", "Storage", "Bandwidth"),
    ),
)


def attach(database: Database, days: Days) -> None:
    """Attach them. Raises: ValueError where an account lacks a service that its file is about."""
    first, end = days["month-1"], days["month"]
    with database.connect("operator") as conn:
        contents = [_content(conn, each, first, end) for each in FILES]
    with database.connect("app", autocommit=True) as conn:
        for each, content in zip(FILES, contents, strict=True):
            email = f"{each.who}@golden.example"
            begun = chat_messages.begin(conn, email, uuid4(), f"Attached: {each.name}", {})
            reading = sheets.reading_of(sheets.rows_of(content)).model_dump(mode="json")
            chat_attachments.add(
                *(conn, email, begun.message_id, each.name, kinds.MEDIA["csv"], content, reading)
            )
            chat_messages.finish(conn, begun.message_id, status="complete", usage={})
            conn.execute(
                "update app.chat_attachments set id = %s where message_id = %s",
                [each.id, begun.message_id],
            )


def _content(conn: psycopg.Connection, file: File, first: date, end: date) -> bytes:
    rows = conn.execute(
        "select service_name, round(sum(billed_cost), 2) from marts.fct_charges"
        " where account_id = %s and billing_currency = %s and usage_date >= %s and usage_date < %s"
        " and service_name is not null group by 1 order by 1",
        [file.account, file.currency, first, end],
    ).fetchall()
    asked = {str(service): Decimal(cost) for service, cost in rows}
    if not {file.dearer, file.left_out} <= asked.keys():
        raise ValueError(f"{file.account} has only {', '.join(asked)}")
    asked[file.dearer] += MORE
    del asked[file.left_out]
    name, amount = NEVER_BILLED
    asked[name] = amount
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(("Service", "Account", "Start", "End", "Amount", "Currency"))
    last = end - timedelta(days=1)
    for service, cost in asked.items():
        out.writerow((service, file.account, first, last, cost, file.currency))
    return text.getvalue().encode()

"""Attached files and their lines, as they were read: nobody's figures but their own."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from app.assistant.attachments.readings import EXACTLY, Line, Reading, summed
from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row
from app.assistant.tools.contract import ToolResult, caller
from app.assistant.tools.costs import EACH, Limit
from app.records import attachments
from app.records.attachments import Attachment
from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import ConfigError

Which = Annotated[
    str | None,
    Field(description="Id of the file, as get_attachments has it; without: the latest"),
]


def get_attachments(attachment: Which = None, limit: Limit = 50) -> ToolResult:
    """Return files that the person has attached; with an id, its lines as they were read.

    What stands in a file is its author's claim and not checked: not a cost of ours. An amount that
    could not be read is null. Lines of kind `total` are sums of others.
    """
    asking = Asking()
    if attachment is None:
        found = attachments.attachments(asking.who.user_id)
        return asking.result(
            "get_attachments",
            [_listed(each) for each in found[:limit]],
            {"attachment": None, "limit": limit},
            row_count=len(found),
            unit={"lines": "lines", "read_total": EACH},
            notes=[] if found else ["No file is attached: drop one into the chat."],
        )
    file = named(attachment)
    reading = Reading.model_validate(file.reading)
    sums = _sums(reading)
    return asking.result(
        "get_attachments",
        [_line(each) for each in reading.lines[:limit]],
        {"attachment": file.handle, "sha256": file.sha256, "limit": limit},
        row_count=len(reading.lines),
        totals=sums,
        unit={"read_amount": EACH, **units(sums)},
        notes=notes_of(file.name, reading),
    )


def notes_of(name: str, reading: Reading) -> list[str]:
    """Return what must be said beside whatever is shown of a reading."""
    how = "exactly" if reading.read_by == EXACTLY else f"by {reading.read_by}"
    notes = [f"Read from {name} {how}, not checked: the file's claim, not a cost of ours."]
    if reading.unread:
        one = reading.unread == 1
        doubts = list(dict.fromkeys(each.doubt for each in reading.lines if each.doubt))[:3]
        why = f" ({'; '.join(doubts)})" if doubts else ""
        notes.append(
            f"{reading.unread} amount{'' if one else 's'} could not be read{why}: missing, not 0."
        )
    nameless = sum(each.amount is not None and not each.currency for each in reading.charges)
    if nameless:
        notes.append(f"{nameless} lines name no currency: they are held against nothing.")
    if reading.total is not None and reading.currency and reading.charges:
        lines = summed(reading.charges, reading.currency)
        if lines.amount is not None and lines.amount != reading.total:
            left = money.subtract(reading.total, lines.amount)
            notes.append(
                f"Its lines miss its own total by {money.spelled(left, reading.currency)}."
            )
    return [*notes, *reading.notes]


def named(handle: str) -> Attachment:
    """Return a file of the caller with its lines. Raises: ConfigError with those there are."""
    email = caller().user_id
    found = attachments.attachment(email, handle.strip())
    if found is None:
        theirs = [each.handle for each in attachments.attachments(email)]
        raise ConfigError(names.unknown("attachment", handle, theirs))
    return found


def latest() -> Attachment | None:
    """Return the file that the caller attached last, None where there is none."""
    listed = attachments.attachments(caller().user_id, 1)
    return named(listed[0].handle) if listed else None


def _listed(file: Attachment) -> Row:
    reading = Reading.model_validate({**file.reading, "lines": []})
    days = reading.days
    return {
        "attachment": file.handle,
        "name": file.name,
        "kind": reading.kind,
        "read_by": reading.read_by,
        "provider": reading.provider,
        "account": reading.account,
        "invoice_number": reading.invoice_number,
        "first_day": days[0] if days else None,
        "last_day": days[1] if days else None,
        "lines": file.lines,
        "read_total": reading.total,
        "billing_currency": reading.currency,
        "attached_at": file.created_at,
    }


def _line(line: Line) -> Row:
    return {
        "line": f"row {line.number}",
        "text": line.text,
        "provider": line.provider,
        "account": line.account,
        "service": line.service,
        "first_day": line.first_day,
        "last_day": line.last_day,
        "kind": line.kind,
        # Only where it is no amount: words of a file must not vouch for what an answer claims.
        "printed": line.printed if line.amount is None else None,
        "read_amount": line.amount,
        "billing_currency": line.currency,
        "doubt": line.doubt,
    }


def _sums(reading: Reading) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for currency in reading.currencies:
        lines = summed(reading.charges, currency).amount
        if lines is not None:
            sums[f"read_lines {currency}"] = lines
    if reading.total is not None and reading.currency:
        sums[f"read_total {reading.currency}"] = reading.total
    if reading.unread:
        sums["unread"] = Decimal(reading.unread)
    return sums


def units(totals: Iterable[str]) -> dict[str, str]:
    """Return the units of totals of files, by their names."""
    return {name: "amounts" if name == "unread" else name[-3:] for name in totals}

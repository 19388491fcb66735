"""Attached files as read, and what they ask for beside what was billed: never added up with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from app.assistant.attachments.readings import EXACTLY, Line, Reading, summed
from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row, reach, standing
from app.assistant.tools.contract import Parameter, ToolResult, caller
from app.assistant.tools.costs import EACH, End, Limit
from app.assistant.tools.slices import days_of, members_of, spelled_days, told
from app.queries import listings
from app.queries.catalog import DIMENSIONS, Grain
from app.queries.compiler import CostQuery, Filters, compile_costs
from app.records import attachments
from app.records.attachments import Attachment
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

By = Literal["total", "service", "account", "sub_account", "day"]
Which = Annotated[
    str | None,
    Field(description="Id of the file, as get_attachments has it; without: the latest"),
]
_WIDE: Final = Context(prec=200)
# Whose names invoices print, by what the costs call them.
_ISSUERS: Final = {
    "aws": ("amazon web services", "aws", "amazon"),
    "azure": ("microsoft", "azure"),
    "snowflake": ("snowflake",),
    "openai": ("openai",),
    "anthropic": ("anthropic",),
}


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
    file = _named(attachment)
    reading = Reading.model_validate(file.reading)
    sums = _sums(reading)
    return asking.result(
        "get_attachments",
        [_line(each) for each in reading.lines[:limit]],
        {"attachment": file.handle, "sha256": file.sha256, "limit": limit},
        row_count=len(reading.lines),
        totals=sums,
        unit={"read_amount": EACH, **_units(sums)},
        notes=notes_of(file.name, reading),
    )


def compare_invoice(
    attachment: Which = None,
    account: Annotated[
        str | None, Field(description="Account or sub account that it bills", max_length=200)
    ] = None,
    by: Annotated[By | None, Field(description="What to hold lines against; or `total`")] = None,
    start: Annotated[
        date | None, Field(description="First UTC day; without start and end: the file's own days")
    ] = None,
    end: End = None,
    limit: Limit = 200,
) -> ToolResult:
    """Return what an attached invoice or export asks for, beside the billed cost of those days.

    Each currency apart, the difference in exact decimals: the file's amount less the billed cost.
    Lines that name the same service, account or day are held against its cost.
    """
    asking = Asking()
    asking.by_account_only("Invoices")
    file = _latest() if attachment is None else _named(attachment)
    if file is None:
        return asking.result(
            "compare_invoice", [], {}, notes=["No file is attached: drop one into the chat."]
        )
    reading = Reading.model_validate(file.reading)
    there = asking.currencies(None)
    wanted, whose = _scope(asking, reading, account, there)
    known = reach(asking, tuple(each for each in wanted if each[0] != "sub_account"))
    days = _days(reading, start, end, known.through)
    by = by or _grouping(reading, days, wanted)
    rows: list[Row] = []
    totals: dict[str, Decimal] = {}
    notes = [whose, *notes_of(file.name, reading)]
    for currency in reading.currencies:
        part = _Compared(reading, currency, by)
        if currency in there:
            part.ask(asking, days, wanted)
        else:
            notes.append(f"There are no costs in {currency}: nothing to compare it with.")
        rows += part.rows()
        totals |= part.totals()
        notes += part.notes()
    if not reading.currencies:
        notes.append("No amount with its currency was read: nothing is compared.")
    params: dict[str, Parameter] = {
        "attachment": file.handle,
        "sha256": file.sha256,
        "account": account,
        "by": by,
        **spelled_days(days),
        "filters": told(wanted),
        "limit": limit,
    }
    unit: dict[str, str] = dict.fromkeys(("read_amount", "billed_cost", "difference"), EACH)
    return asking.result(
        "compare_invoice",
        rows[:limit],
        params,
        row_count=len(rows),
        totals=totals,
        unit={**unit, "lines": "lines", **_units(totals)},
        basis="billed",
        standing=standing(asking, known, days, reading.currencies),
        notes=notes,
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


def _named(handle: str) -> Attachment:
    email = caller().user_id
    found = attachments.attachment(email, handle.strip())
    if found is None:
        theirs = [each.handle for each in attachments.attachments(email)]
        raise ConfigError(names.unknown("attachment", handle, theirs))
    return found


def _latest() -> Attachment | None:
    listed = attachments.attachments(caller().user_id, 1)
    return _named(listed[0].handle) if listed else None


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


def _units(totals: Iterable[str]) -> dict[str, str]:
    return {name: "amounts" if name == "unread" else name[-3:] for name in totals}


def _days(reading: Reading, start: date | None, end: date | None, through: date | None) -> DayRange:
    if start is not None or end is not None:
        return days_of(start, end, through)
    if reading.days is None:
        raise ConfigError(
            "No days could be read from the file.", hint="Give start and end, end exclusive."
        )
    first, last = reading.days
    return days_of(first, DayRange(first, last).end, through)


def _scope(
    asking: Asking, reading: Reading, account: str | None, currencies: list[str]
) -> tuple[Filters, str]:
    """Return the filters of whose costs the file is about, and say so.

    Raises: ConfigError where it cannot be told, with the accounts that there are.
    """
    rows = asking.look_up(listings.ACCOUNTS)
    accounts = {str(row["account_id"]): row for row in rows}
    subs = members_of(asking, "sub_account", currencies, None)
    if account is not None:
        try:
            name = names.known("account", account, [*accounts, *subs])
        except ValueError as error:
            raise ConfigError(str(error)) from None
        key = "account" if name in accounts else "sub_account"
        return ((key, (name,)),), f"Compared with {_label(key)} {name}, as asked."
    claimed = [
        each for each in (reading.account, *(line.account for line in reading.charges)) if each
    ]
    for key, allowed in (
        ("account", {_plain(each): each for each in accounts}),
        ("sub_account", {_plain(each): each for each in subs}),
    ):
        found = list(
            dict.fromkeys(allowed[_plain(each)] for each in claimed if _plain(each) in allowed)
        )
        if found:
            said = f"Compared with {_label(key)} {', '.join(found[:5])}, which the file names."
            others = {_plain(each) for each in claimed} - {*allowed}
            if others:
                said += f" Of {len(others)} more that it names you see no costs."
            return ((key, tuple(found[:200])),), said
    issuers = [
        each for each in (reading.provider, *(line.provider for line in reading.charges)) if each
    ]
    issued = list(
        dict.fromkeys(
            str(row["provider"]) for row in rows for each in issuers if _is_issuer(each, row)
        )
    )
    stranger = " The account that it names is not among those that you see." if claimed else ""
    if len(issued) == 1:
        return (("provider", (issued[0],)),), f"Compared with all of {issued[0]}.{stranger}"
    if len(accounts) == 1 and not claimed:
        [only] = accounts
        return (("account", (only,)),), f"Compared with {only}, the one account that you see."
    raise ConfigError(
        "Whose costs the file is about could not be read from it.",
        hint=f"Give account. There are: {', '.join([*accounts][:12]) or 'none'}.",
    )


def _is_issuer(said: str, row: Row) -> bool:
    folded = f" {_plain(said, ' ')} "
    known = (*_ISSUERS.get(str(row["provider_key"]), ()), str(row["provider"]).casefold())
    return any(f" {each} " in folded for each in known)


def _label(key: str) -> str:
    return DIMENSIONS[key].label.lower()


def _plain(text: str, between: str = "") -> str:
    return re.sub(r"[^a-z0-9]+", between, text.casefold()).strip()


def _grouping(reading: Reading, days: DayRange, wanted: Filters) -> By:
    """Return what most of the lines name: a service, else an account, else single days."""
    charges = reading.charges
    if sum(each.service is not None for each in charges) * 2 > len(charges):
        return "service"
    if sum(each.account is not None for each in charges) * 2 > len(charges):
        return "account" if "account" in dict(wanted) else "sub_account"
    dated = [each for each in charges if each.first_day and each.first_day == each.last_day]
    return "day" if len(dated) * 2 > len(charges) and len(days) > 1 else "total"


@dataclass
class _Group:
    name: str | date
    lines: tuple[Line, ...] = ()
    billed: Decimal | None = None


class _Compared:
    """One currency of a file beside the costs in it."""

    def __init__(self, reading: Reading, currency: str, by: By) -> None:
        self._reading, self._currency, self._by = reading, currency, by
        self._groups: dict[Any, _Group] = {}
        self._billed: Decimal | None = None
        for line in reading.charges:
            if line.currency == currency and by != "total":
                self._put(line)

    def ask(self, asking: Asking, days: DayRange, filters: Filters) -> None:
        """Ask for the billed cost of the days, by the same groups."""
        whole = asking.ask(compile_costs(CostQuery(days, self._currency, filters=filters)))
        self._billed = whole[0]["cost"] if whole else None
        if self._by == "total":
            return
        grain: Grain | None = "day" if self._by == "day" else None
        keys = () if grain else (self._by,)
        query = CostQuery(days, self._currency, "billed", keys, grain, filters)
        for row in asking.ask(compile_costs(query)):
            if row["cost"] is not None:
                name = row["period"] if grain else row[self._by]
                self._groups.setdefault(_key(name), _Group(name)).billed = row["cost"]

    def rows(self) -> list[Row]:
        """Return the groups, those with the largest difference first; else the whole."""
        if self._by == "total":
            lines = tuple(each for each in self._reading.charges if each.currency == self._currency)
            whole = self._reading.amount(self._currency)
            return [
                self._row("whole file", len(lines), whole, self._billed, is_unread=whole is None)
            ]
        rows = []
        for group in self._groups.values():
            read = summed(group.lines, self._currency)
            rows.append(
                self._row(
                    group.name, read.lines, read.amount, group.billed, is_unread=bool(read.unread)
                )
            )
        far = Decimal("Infinity")
        return sorted(
            rows,
            key=lambda row: (
                -abs(row["difference"]) if row["difference"] is not None else -far,
                str(row[self._by]),
            ),
        )

    def totals(self) -> dict[str, Decimal]:
        """Return the file's amount, the billed cost and the difference of all."""
        read = self._reading.amount(self._currency)
        both = {"read_amount": read, "billed_cost": self._billed}
        if read is not None and self._billed is not None:
            both["difference"] = money.subtract(read, self._billed)
        return {f"{name} {self._currency}": each for name, each in both.items() if each is not None}

    def notes(self) -> list[str]:
        """Say what keeps the whole from being compared."""
        if self._reading.amount(self._currency) is None:
            return [f"What the file asks for in {self._currency} could not be read whole."]
        return []

    def _put(self, line: Line) -> None:
        by = self._by
        if by == "day":
            name: Any = line.first_day if line.first_day == line.last_day else None
            name = name or "no single day"
        else:
            said = {"service": line.service, "account": line.account, "sub_account": line.account}
            name = said[by] or DIMENSIONS[by].missing
        group = self._groups.setdefault(_key(name), _Group(name))
        group.lines = (*group.lines, line)

    def _row(
        self,
        name: str | date,
        lines: int,
        read: Decimal | None,
        billed: Decimal | None,
        *,
        is_unread: bool,
    ) -> Row:
        difference = (
            money.subtract(read, billed) if read is not None and billed is not None else None
        )
        return {
            self._by if self._by != "total" else "part": name,
            "state": _state(read, billed, difference, is_unread=is_unread),
            "lines": lines,
            "read_amount": read,
            "billed_cost": billed,
            "difference": difference,
            "billing_currency": self._currency,
        }


def _key(name: Any) -> Any:
    return name if isinstance(name, date) else " ".join(str(name).casefold().split())


def _state(
    read: Decimal | None, billed: Decimal | None, difference: Decimal | None, *, is_unread: bool
) -> str:
    if is_unread:
        return "not read"
    if billed is None:
        return "only in the file"
    if read is None or difference is None:
        return "only in the bills"
    if not difference:
        return "agrees"
    # Invoices print cents of what is charged in smaller parts.
    places = Decimal(1).scaleb(-max(money.decimals(read), 2))
    return (
        "agrees as printed" if billed.quantize(places, ROUND_HALF_UP, _WIDE) == read else "differs"
    )

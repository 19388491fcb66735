"""What an attached invoice asks for beside what was billed: never added up with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from app.assistant.attachments.readings import Line, Reading, summed
from app.assistant.tools import attachments, invoice_scope
from app.assistant.tools.asking import Asking, Row, reach, standing
from app.assistant.tools.attachments import Which
from app.assistant.tools.contract import Parameter, ToolResult
from app.assistant.tools.costs import EACH, End, Limit
from app.assistant.tools.invoice_scope import By
from app.assistant.tools.slices import spelled_days, told
from app.queries.catalog import DIMENSIONS, Grain
from app.queries.compiler import CostQuery, Filters, compile_costs
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange

_WIDE: Final = Context(prec=200)


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
    file = attachments.latest() if attachment is None else attachments.named(attachment)
    if file is None:
        return asking.result(
            "compare_invoice", [], {}, notes=["No file is attached: drop one into the chat."]
        )
    reading = Reading.model_validate(file.reading)
    there = asking.currencies(None)
    wanted, said = invoice_scope.whose(asking, reading, account, there)
    known = reach(asking, tuple(each for each in wanted if each[0] != "sub_account"))
    days = invoice_scope.days(reading, start, end, known.through)
    by = by or invoice_scope.grouping(reading, days, wanted)
    rows: list[Row] = []
    totals: dict[str, Decimal] = {}
    notes = [said, *attachments.notes_of(file.name, reading)]
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
        unit={**unit, "lines": "lines", **attachments.units(totals)},
        basis="billed",
        standing=standing(asking, known, days, reading.currencies),
        notes=notes,
    )


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

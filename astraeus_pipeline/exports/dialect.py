"""What distinguishes one file format from another, as a value: headers, keys, values, payload.

The formats of one raw table (CUR 2.0 and its legacy form; three generations of Azure's headers)
are one dialect with aliases; formats of different raw tables are different dialects. All typing is
done by records.py from what is said here, whole columns at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import pyarrow as pa

from astraeus_pipeline.contracts.columns import ColumnType, RawTable
from astraeus_pipeline.errors import PayloadError

Columns = Mapping[str, pa.Array]

_TYPES: Final[frozenset[ColumnType]] = frozenset(
    {"text", "numeric", "timestamptz", "date", "jsonb"}
)


def simplify(name: str) -> str:
    """Return a column's name as names are compared: lower case, letters and digits only.

    BilledCost, billed_cost and "Billed Cost" are one name; so are lineItem/UsageType and
    line_item_usage_type.
    """
    return re.sub(r"[^0-9a-z]", "", name.lower())


@dataclass(frozen=True)
class Header:
    """Which of a file's columns goes where, by position.

    `known`: column of the contract -> position. `gathered`: jsonb column of the contract ->
    {key: position}, whose cells become one object. `further`: the file's own name -> position,
    for the payload. A position appears once.
    """

    known: Mapping[str, int]
    further: Mapping[str, int]
    gathered: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """How the files of one format become rows of one raw table.

    label: the format's name in messages ("FOCUS", "CUR").
    table: the raw table; its vendor columns may be text, numeric, timestamptz, date and jsonb. A
        file's column goes to the vendor column of the same name (see `simplify`), else to payload.
        Columns of the contract that a file lacks are null.
    usage_times: columns (timestamptz or date) whose UTC day is `usage_date`. The first that the
        file has counts, for all of its rows; one of them must be there, and filled in every row.
    period_times: likewise for `billing_period`, the first day of the column's UTC month.
    mandatory: columns that each file must have; a file without them is refused as a whole.
    required: columns that each row must fill, besides the two times, the table's currency and its
        columns that are not nullable; a row without them is rejected, which blocks its day.
    aliases: further names of a column, in order of preference: {"cost": ("PreTaxCost",)}. The
        column's own name wins over aliases; what loses goes to payload.
    gathered: prefix of file columns -> jsonb column that takes them as one object, keyed by the
        rest of the name: {"resourceTags/": "resource_tags"}. Where the file has that jsonb column
        itself, nothing is gathered. Empty cells become no key.
    spell: how messages call a column of the contract.
    derive: columns of the contract made from others: called with the typed columns and the number
        of rows, it returns the columns to add or replace (of the contract's Arrow types). It sees
        null columns where the file has none.
    keep: which rows belong to the dataset at all (null counts as yes); the others are dropped
        before any fault of theirs is looked at, and counted in the log as "not_kept". Rows that
        shall be seen in the raw table but not in the totals are for staging to leave out.
    refuse: further rows to reject, by reason: called with the typed columns, it returns {reason:
        mask}; null counts as no.

    Raises: ValueError for a table with columns of other types, or a name that it does not have.
    """

    label: str
    table: RawTable
    usage_times: tuple[str, ...]
    period_times: tuple[str, ...]
    mandatory: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gathered: Mapping[str, str] = field(default_factory=dict)
    spell: Callable[[str], str] = str
    derive: Callable[[Columns, int], Columns] | None = None
    keep: Callable[[Columns], pa.BooleanArray] | None = None
    refuse: Callable[[Columns], Mapping[str, pa.BooleanArray]] | None = None

    def __post_init__(self) -> None:
        names = {column.name for column in self.table.vendor_columns}
        odd = [each.name for each in self.table.vendor_columns if each.type not in _TYPES]
        spoken = {*self.usage_times, *self.period_times, *self.mandatory, *self.required}
        unknown = (spoken | set(self.aliases) | set(self.gathered.values())) - names
        if odd or unknown:
            raise ValueError(
                f"dialect {self.label}: {self.table.name} cannot type {odd} or lacks {unknown}"
            )

    def match(self, names: Sequence[str], file: str) -> Header:
        """Match a file's header.

        Raises: PayloadError if a mandatory column is absent or a column is there twice.
        """
        header = self.sort_out(names, file)
        missing = [each for each in self.mandatory if each not in header.known]
        for choice in (self.usage_times, self.period_times):
            if not any(each in header.known for each in choice):
                missing += [each for each in choice[:1] if each not in missing]
        if missing:
            raise PayloadError(
                f"{file} lacks mandatory {self.label} columns: "
                f"{', '.join(self.spell(each) for each in missing)}.",
                hint="It has: " + ", ".join(names[:60]),
            )
        return header

    def sort_out(self, names: Sequence[str], file: str) -> Header:
        """Match a header without asking for what is mandatory.

        Raises: PayloadError for a doublet.
        """
        places: dict[str, int] = {}
        for position, name in enumerate(names):
            if (simple := simplify(name)) not in self._spellings:
                continue
            if simple in places:
                raise PayloadError(
                    f"{file} has the column {self.spell(self._spellings[simple])} twice."
                )
            places[simple] = position
        known: dict[str, int] = {}
        for simple, column in self._spellings.items():  # own names first, aliases by preference
            if simple in places:
                known.setdefault(column, places[simple])
        taken = set(known.values())
        rest = [(at, name.strip()) for at, name in enumerate(names) if at not in taken]
        gathered = self._gather(rest, known)
        taken = {at for each in gathered.values() for at in each.values()}
        further: dict[str, int] = {}
        for at, name in rest:
            if at not in taken:
                further[_free(name or f"column_{at + 1}", further)] = at
        return Header(known, further, gathered)

    def keys(self, header: Header) -> tuple[str, str]:
        """Return the columns that tell billing month and usage day in a file with this header."""
        period = next(each for each in self.period_times if each in header.known)
        usage = next(each for each in self.usage_times if each in header.known)
        return period, usage

    def times(self, header: Header) -> list[str]:
        """Return all columns of time that a file has."""
        kinds = {"timestamptz", "date"}
        return [
            each.name
            for each in self.table.vendor_columns
            if each.type in kinds and each.name in header.known
        ]

    def required_values(self, header: Header) -> list[str]:
        """Return the columns that each row of a file with this header must fill."""
        wanted = {*self.required, *self.keys(header), self.table.currency}
        return [
            each.name
            for each in self.table.vendor_columns
            if each.name in wanted or not each.nullable
        ]

    @cached_property
    def _spellings(self) -> dict[str, str]:
        own = {simplify(each.name): each.name for each in self.table.vendor_columns}
        for column, others in self.aliases.items():
            for other in others:
                own.setdefault(simplify(other), column)
        return own

    def _gather(
        self, rest: list[tuple[int, str]], known: Mapping[str, int]
    ) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for at, name in rest:
            for prefix, column in self.gathered.items():
                key = name[len(prefix) :]
                if column not in known and key and name.lower().startswith(prefix.lower()):
                    keys = found.setdefault(column, {})
                    keys[_free(key, keys)] = at
                    break
        return found


def _free(name: str, taken: Mapping[str, int]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}_{number}"
    return free

"""What must hold after every fault; each check takes what was read, and returns what is wrong.

None of them asks the product's own judgement but the last: charges are held against the files that
were billed and against an installation that nothing struck, alerts against what mailboxes took.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from benchmarks.chaos.bills import Charged, Slice
from benchmarks.kill import State, differing

CHARGES: Final = "no charge lost or doubled"
WHOLE: Final = "no half day"
TIED: Final = "tie-out holds"
ALERTS: Final = "alerts once"
PAGES: Final = "pages say it and recover"
ALL: Final = (CHARGES, WHOLE, TIED, ALERTS, PAGES)

# What a person must never see.
_INNARDS: Final = re.compile(
    r"Traceback|File \"|psycopg|sqlalchemy|pyarrow|Errno|Error:|Exception|\bselect \w|0x[0-9a-f]{6}"
)


@dataclass(frozen=True)
class Standing:
    """One slice as it stands: how many rows, billed cost, and a number for all of its contents."""

    rows: int
    billed: Decimal
    contents: int


@dataclass(frozen=True)
class Look:
    """What the app showed at one moment; `drawn` are a page's errors, None where it was refused."""

    ready: int
    ready_says: str
    page: int
    page_says: str
    drawn: tuple[str, ...] | None


def lost_or_doubled(
    standing: Mapping[Slice, Standing],
    billed: Mapping[Slice, Charged],
    found: State,
    undisturbed: State,
) -> list[str]:
    """Hold what stands against the files and against what stands where nothing was struck."""
    wrong = []
    for each in sorted(standing.keys() | billed.keys()):
        is_there = standing.get(each, Standing(0, Decimal(0), 0))
        wanted = billed.get(each, Charged(0, Decimal(0), Decimal(0)))
        if (is_there.rows, is_there.billed) != (wanted.rows, wanted.billed):
            wrong.append(
                f"{_spelt(each)}: {is_there.rows} charges of {is_there.billed} stand,"
                f" {wanted.rows} of {wanted.billed} were billed"
            )
    if accounts := differing(undisturbed.contents, found.contents):
        wrong.append(f"{accounts} accounts have other rows than an undisturbed installation")
    if partitions := differing(undisturbed.partitions, found.partitions):
        wrong.append(f"{partitions} partitions are noted otherwise than undisturbed")
    return wrong


def halves(
    standing: Mapping[Slice, Standing], versions: Sequence[Mapping[Slice, Standing]]
) -> list[str]:
    """Hold each slice, at any moment, against the whole ones: of some version, or none at all."""
    return [
        f"{_spelt(each)}: {found.rows} rows that are no version of that day"
        for each, found in sorted(standing.items())
        if all(version.get(each) != found for version in versions)
    ]


def untied(
    marts: Mapping[Slice, Decimal],
    billed: Mapping[Slice, Charged],
    blocked: Iterable[Slice],
    residuals: int,
) -> list[str]:
    """Hold the marts' billed cost against the files; a day that is held back may be missing.

    `blocked` are the slices that reconciliations hold back, `residuals` how many comparisons have
    one and hold back nothing.
    """
    held = set(blocked)
    wrong = [
        f"{_spelt(each)}: {marts.get(each)} in the marts, {wanted.billed} were billed"
        for each, wanted in sorted(billed.items())
        if marts.get(each) != wanted.billed and not (each in held and each not in marts)
    ]
    wrong += [f"{_spelt(each)}: nobody billed it" for each in sorted(marts.keys() - billed.keys())]
    if residuals:
        wrong.append(f"{residuals} comparisons have a residual, and their day is not held back")
    return wrong


def misdelivered(
    told: Mapping[str, Counter[str]], alerts: Iterable[str], copies: int, allowed: int
) -> list[str]:
    """Hold what each channel told, by alert, against what had to be told.

    `told` counts ids of messages by alert; `copies` are messages beyond the first of an id, which
    only a sender that was killed between a server's answer and its own note may leave.
    """
    wanted, wrong = set(alerts), []
    for channel, counted in told.items():
        if missing := len(wanted - counted.keys()):
            wrong.append(f"{channel}: {missing} of {len(wanted)} alerts were not told")
        if more := len(counted.keys() - wanted):
            wrong.append(f"{channel}: {more} alerts that nothing gave cause to")
        if twice := sum(times > 1 for times in counted.values()):
            wrong.append(f"{channel}: {twice} alerts under two ids")
    if copies > allowed:
        wrong.append(f"{copies} messages arrived again, {allowed} senders were killed")
    return wrong


def unsaid(during: Sequence[Look], after: Look, *, is_away: bool) -> list[str]:
    """Hold pages against what a person needs: words while the database is away, figures later."""
    wrong = []
    for look in during:
        if is_away and (look.ready, look.page) != (503, 503):
            wrong.append(f"database away, and ready is {look.ready}, a page {look.page}")
        if look.page not in (200, 503):
            wrong.append(f"a page answered {look.page}")
        said = (look.ready_says, look.page_says, *(look.drawn or ()))
        wrong += [f"a person sees {leaked!r}" for each in said if (leaked := innards(each))]
        if look.page == 503 and not look.page_says.strip():
            wrong.append("a page says nothing")
    if (after.ready, after.page, after.drawn) != (200, 200, ()):
        wrong.append(f"afterwards: ready {after.ready}, page {after.page}, shown {after.drawn}")
    return wrong


def innards(text: str) -> str | None:
    """Return what in a text is of the program and not for a person; None if nothing is."""
    found = _INNARDS.search(text)
    return found.group() if found else None


def _spelt(each: tuple[str, date]) -> str:
    return f"{each[0]} {each[1]}"

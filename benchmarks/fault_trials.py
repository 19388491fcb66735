"""Trials: a bill loaded well, then a newer refresh with faults on some of its days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver
from astraeus_pipeline.providers.base import Identity, Provider
from benchmarks.fault_bills import Past, Source, Trouble, changed_days, next_day, past_of
from benchmarks.fault_kinds import HARMLESS, ROW_FAULTS, UNSEEN, Bill, NotApplicable, Row
from benchmarks.fault_layers import (
    RAW_FAULTS,
    STAGING_FAULTS,
    TYPED_FAULTS,
    TypedFault,
    plant,
    spoil_raw,
    with_typed_faults,
)

Spoil = Callable[[Source, Fetched, date], Fetched]
Typed = Callable[[Fetched, Iterator[RowBatch], int], Iterator[RowBatch]]


def _cut(source: Source, fetched: Fetched, day: date) -> Fetched:
    """End the payload in the middle of a row."""
    text = source.text(fetched)
    return source.with_text(fetched, text[: len(text) // 2 - 7])


def _twice(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Deliver the payload twice, the second time under another name."""
    part = fetched.parts[0]
    return replace(fetched, parts=(*fetched.parts, replace(part, name=f"again-{part.name}")))


def _foreign_days(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Answer about a year ago, too."""
    rows = source.rows(fetched)
    far = [replace(row, day=row.day - timedelta(days=365)) for row in rows if row.day == day]
    return source.with_rows(fetched, [*rows, *far])


def _nonsense(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Deliver an error page instead of the bill."""
    return source.with_text(fetched, b"<html><body>502 Bad Gateway</body></html>")


def _renamed_cost(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Name a cost otherwise in the whole payload, as a new version of an API may do."""
    return _renamed(source, fetched, source.cost_name)


def _renamed_rows(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Name otherwise what the rows are found by."""
    return _renamed(source, fetched, source.rows_name)


def _renamed(source: Source, fetched: Fetched, spelled: str) -> Fetched:
    name = spelled.encode()
    new = name[:-1] + b"2" + name[-1:]
    return source.with_text(fetched, source.text(fetched).replace(name, new))


WHOLE_FAULTS: Final[dict[str, Spoil]] = {
    "payload cut off": _cut,
    "payload twice": _twice,
    "days that were not asked for": _foreign_days,
    "an error page instead": _nonsense,
    "a cost under a new name": _renamed_cost,
    "an answer of another shape": _renamed_rows,
}
ANSWER_FAULTS: Final = ROW_FAULTS | HARMLESS | UNSEEN
TROUBLES: Final[tuple[Trouble, ...]] = ("lost page", "answer cut off")
TWO_READINGS: Final = "payload otherwise when read again"


@dataclass
class Trial:
    """One account: what is wrong with its newer refresh, and on which days."""

    source: Source
    account: str
    layer: str
    faults: dict[date, str] = field(default_factory=dict)  # wrong day -> fault
    # Days beside the wrong ones that may wait with them: of a payload that is wrong as a whole.
    waiting: set[date] = field(default_factory=set)
    deliveries: list[Fetched] = field(default_factory=list)
    trouble: Trouble | None = None
    typed: Mapping[date, TypedFault] = field(default_factory=dict)
    is_read_otherwise: bool = False
    later: list[tuple[date, str]] = field(default_factory=list)  # raw and staging: after the load

    @property
    def table(self) -> RawTable:
        """The raw table that its rows stand in."""
        return self.source.provider.table_of(self.source.newer[0])


class Replay(Provider):
    """A provider whose client has answered already; its rows may be spoilt as they are typed."""

    def __init__(self, real: Provider, answers: Sequence[Fetched], trial: Trial | None) -> None:
        self.real, self.answers, self.trial = real, answers, trial
        self.key, self.label, self.tables = real.key, real.label, real.tables  # type: ignore[misc]
        self.settle_days, self.readings = real.settle_days, 0  # type: ignore[misc]

    def table_of(self, fetched: Fetched) -> RawTable:
        return self.real.table_of(fetched)

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        return self.real.restatement_window(today, dataset)

    def check(self, account: Account) -> Identity:
        return self.real.check(account)

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        yield from (replace(each, account_id=account.slug) for each in self.answers)

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        self.readings += 1
        batches = self.real.rows(fetched, landing)
        if self.trial is None:
            return batches
        faults = dict(self.trial.typed)
        if self.trial.is_read_otherwise and self.readings % 2 == 0:
            faults = dict.fromkeys(self.trial.faults, TYPED_FAULTS["typed row lost"])
        return with_typed_faults(batches, faults, self.trial.table) if faults else batches


def ingestion(database: object, landing: object, today: date) -> Ingestion:
    """Return what every load shares; no secret is sealed here."""
    return Ingestion(database, landing, KeyRing.parse("A" * 43 + "="), today)  # type: ignore[arg-type]


def load_older(into: Ingestion, source: Source, account: str) -> None:
    """Load the older refresh as it is."""
    _load(into, source, account, source.older, None)


def load_newer(into: Ingestion, trial: Trial) -> None:
    """Load the newer refresh with its faults, and spoil what later layers are to spoil."""
    source = trial.source
    if trial.trouble:
        with source.served(trial.account, 1, trial.trouble) as account:
            deliver(into, source.provider, account, "costs", source.days)
        return
    _load(into, source, trial.account, trial.deliveries or source.newer, trial)
    with into.database.connect("admin", autocommit=True) as conn:
        for day, fault in trial.later:
            spoil = spoil_raw if fault in RAW_FAULTS else plant
            spoil(conn, trial.table, trial.account, day, fault)


def _load(
    into: Ingestion, source: Source, slug: str, answers: Sequence[Fetched], trial: Trial | None
) -> None:
    account = Account(slug, source.provider.key, slug, {})
    replay = Replay(source.provider, answers, trial)
    done = deliver(into, replay, account, "costs", source.days)
    assert trial is not None or not (done.errors or done.held()), done.errors


class Planner:
    """Gives each fault days of its own in as few bills as hold them."""

    def __init__(self, source: Source, seed: int) -> None:
        self.source, self.draw = source, random.Random(f"{seed} {type(source).__name__}")
        self.trials: list[Trial] = []

    def plan(self, only: frozenset[str] | None = None) -> list[Trial]:
        """Return the trials of all layers, or of the named faults."""

        def chosen(faults: Sequence[str]) -> list[str]:
            return [each for each in faults if only is None or each in only]

        for known in (ROW_FAULTS, HARMLESS, UNSEEN):
            pasts: tuple[Past, ...] = ("restated", "unchanged", "new")
            for trial, days in self._packed("answer", chosen([*known]), pasts):
                self._spoil_rows(trial, days)
        for trial, days in self._packed("typing", chosen([*TYPED_FAULTS]), ("restated", "new")):
            trial.typed = {day: TYPED_FAULTS[fault] for day, fault in days.items()}
            trial.faults = dict(days)
        for layer, names in (("raw", [*RAW_FAULTS]), ("staging", [*STAGING_FAULTS])):
            for trial, days in self._packed(layer, chosen(names), ("restated", "new")):
                trial.later, trial.faults = list(days.items()), dict(days)
                for day, fault in days.items():
                    if fault == "raw row moved to the next day":
                        trial.faults[next_day(day)] = fault
        for fault in chosen([*WHOLE_FAULTS]):
            self._spoil_whole(fault)
        for trouble in TROUBLES:
            if trouble in chosen(TROUBLES):
                self._trouble(trouble)
        if TWO_READINGS in chosen([TWO_READINGS]):
            self._read_otherwise()
        return self.trials

    def _add(self, layer: str) -> Trial:
        account = f"{self.source.name.replace(' ', '-')}-{len(self.trials):02d}"
        self.trials.append(Trial(self.source, account, layer))
        return self.trials[-1]

    def _packed(
        self, layer: str, faults: Sequence[str], pasts: Sequence[Past]
    ) -> Iterator[tuple[Trial, dict[date, str]]]:
        """Yield trials with (day -> fault): for each fault a day of each past, while there are."""
        waiting = list(faults)
        while waiting:
            free = self._free()
            placed: dict[date, str] = {}
            while waiting and free[pasts[0]]:
                fault = waiting.pop(0)
                placed |= {free[past].pop(): fault for past in pasts if free[past]}
            yield self._add(layer), placed

    def _free(self) -> dict[Past, list[date]]:
        """Return the days that have neighbours of their kind on both sides, in one month."""
        days, free = self.source.days, dict[Past, list[date]]()
        for position, day in enumerate(days):
            around = (day - timedelta(days=1), next_day(day))
            is_inside = all(each in days and each.month == day.month for each in around)
            if position % 3 == 1 and is_inside:
                free.setdefault(past_of(days, day), []).append(day)
        for past in ("restated", "unchanged", "new"):
            self.draw.shuffle(free.setdefault(past, []))
        return free

    def _spoil_rows(self, trial: Trial, days: Mapping[date, str]) -> None:
        older = self.source.older_rows()
        for fetched in self.source.newer:
            clean = self.source.rows(fetched)
            rows = list(clean)
            for day, fault in days.items():
                if any(row.day == day for row in clean):
                    rows = self._spoilt(trial, rows, older, day, fault)
            is_same = not changed_days(clean, rows)
            trial.deliveries.append(fetched if is_same else self.source.with_rows(fetched, rows))

    def _spoilt(
        self, trial: Trial, rows: list[Row], older: list[Row], day: date, fault: str
    ) -> list[Row]:
        copies = [replace(row, costs=dict(row.costs), rest=dict(row.rest)) for row in rows]
        bill = Bill(copies, older, day, self.draw)
        try:
            ANSWER_FAULTS[fault](bill)
        except NotApplicable:
            return rows
        if fault in HARMLESS:
            trial.faults[day] = fault
        else:
            trial.faults |= dict.fromkeys(changed_days(rows, bill.rows), fault)
        return bill.rows

    def _hit(self) -> tuple[date, Fetched]:
        """Draw a restated day, and find the delivery that tells of it."""
        day = self._free()["restated"][0]
        return day, next(each for each in self.source.newer if day in each.days)

    def _spoil_whole(self, fault: str) -> None:
        day, hit = self._hit()
        spoilt = WHOLE_FAULTS[fault](self.source, hit, day)
        trial = self._add("answer")
        trial.deliveries = [spoilt if each is hit else each for each in self.source.newer]
        # A file may speak of other months' days: only these are wrong then.
        is_file = hit.billing_period is not None and fault == "days that were not asked for"
        wrong = day - timedelta(days=365) if is_file else day
        self._all_of(trial, hit, fault, wrong)

    def _all_of(self, trial: Trial, hit: Fetched, fault: str, day: date) -> None:
        """Blame the fault for one day, and let the others of its delivery wait with it."""
        trial.faults = {day: fault}
        trial.waiting = {each for each in hit.days if each in self.source.days} - {day}

    def _trouble(self, trouble: Trouble) -> None:
        within = self.source.in_trouble()
        day = max(
            day
            for days in self._free().values()
            for day in days
            if day in within and past_of(self.source.days, day) != "unchanged"
        )
        trial = self._add("client")
        trial.trouble = trouble
        trial.faults = {day: trouble}
        trial.waiting = set(self.source.days) - {day}

    def _read_otherwise(self) -> None:
        day, hit = self._hit()
        trial = self._add("typing")
        trial.is_read_otherwise = True
        self._all_of(trial, hit, TWO_READINGS, day)

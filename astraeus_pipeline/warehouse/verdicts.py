"""What happens to each slice of a delivery. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.warehouse.survey import Slice, SliceFacts, Sums, Survey

Outcome = Literal["replaced", "emptied", "unchanged", "blocked", "refused"]


@dataclass(frozen=True)
class Standing:
    """What stands of a slice before this delivery; `delivery_id` None: never loaded."""

    delivery_id: int | None
    digest: str
    rows: int
    sums: Sums = field(default_factory=dict)
    # Digest that the latest delivery was refused with, None if it was not refused.
    refused_digest: str | None = None
    raw_table: str | None = None  # where its rows stand


@dataclass(frozen=True)
class Verdict:
    """How a slice ends, and why where it is held back."""

    outcome: Outcome
    facts: SliceFacts
    reason: str | None = None

    @property
    def is_written(self) -> bool:
        """Whether the slice's rows are replaced."""
        return self.outcome in ("replaced", "emptied")


@dataclass(frozen=True)
class Judge:
    """Decides about slices of one delivery; `settled_before`: older days ought not to shrink."""

    settled_before: date
    guard: str | None  # cost type whose shrinkage is suspicious, None for tables without money
    is_accepted: bool = False

    def judge(
        self, fetched: Fetched, survey: Survey, standing: Mapping[Slice, Standing]
    ) -> dict[Slice, Verdict]:
        """Return a verdict for every slice that the delivery speaks of."""
        slices = {*survey.slices, *standing, *_empty_slices(fetched, survey)}
        return {
            each: self._verdict(each, survey, standing.get(each))
            for each in sorted(slices | _blocked_slices(fetched, survey))
        }

    def _verdict(self, each: Slice, survey: Survey, stands: Standing | None) -> Verdict:
        facts = survey.slices.get(each, SliceFacts())
        if survey.is_wholly_blocked or each.usage_date in survey.blocked_days:
            return Verdict("blocked", facts, "rows of this day are in quarantine")
        if stands is None or stands.delivery_id is None:
            return Verdict("replaced", facts)
        if stands.digest == facts.digest:
            return Verdict("unchanged", facts)
        reason = self._suspicion(each, facts, stands)
        if reason and not self.is_accepted and stands.refused_digest != facts.digest:
            return Verdict("refused", facts, reason)
        return Verdict("replaced" if facts.rows else "emptied", facts)

    def _suspicion(self, each: Slice, facts: SliceFacts, stands: Standing) -> str | None:
        """Say why a settled day's change looks like a truncated answer, or None."""
        if each.usage_date >= self.settled_before:
            return None
        if facts.rows * 2 < stands.rows:
            return f"settled day shrank from {stands.rows} to {facts.rows} rows"
        for (currency, cost_type), old in stands.sums.items():
            new = facts.sums.get((currency, cost_type), money.ZERO)
            if cost_type == self.guard and _collapsed(old, new):
                return (
                    f"{cost_type} of a settled day shrank from {money.plain(old)}"
                    f" to {money.plain(new)} {currency}"
                )
        return None


def unanswered(
    days: Iterable[date], fetched: Fetched, verdicts: Mapping[Slice, Verdict]
) -> dict[Slice, Verdict]:
    """Return verdicts of days that a provider states figures for, and of which not one row came.

    Without them they would pass as days that are still to come.
    """
    known = {each.usage_date for each in verdicts}
    missing = [day for day in days if day not in known and day in fetched.days]
    return {_slice_of(day, fetched): Verdict("replaced", SliceFacts()) for day in missing}


def _collapsed(old: Decimal, new: Decimal) -> bool:
    return old > 0 and money.add(new, new) < old


def _empty_slices(fetched: Fetched, survey: Survey) -> set[Slice]:
    """Days inside the delivery that came without rows and are known to be complete.

    Days after the last row, or after what the provider calls complete, may still arrive.
    """
    through = fetched.complete_through or survey.last_day()
    if through is None or through < fetched.days.first:
        return set()
    delivered = {each.usage_date for each in survey.slices}
    known = DayRange(fetched.days.first, min(through, fetched.days.last))
    return {_slice_of(day, fetched) for day in known if day not in delivered}


def _blocked_slices(fetched: Fetched, survey: Survey) -> set[Slice]:
    if survey.is_wholly_blocked:
        days = {day for day in fetched.days if day <= (survey.last_day() or fetched.days.last)}
    else:
        days = survey.blocked_days
    return {_slice_of(day, fetched) for day in days}


def _slice_of(day: date, fetched: Fetched) -> Slice:
    return Slice(day, fetched.billing_period or day.replace(day=1))


def settled_before(today: date, settle_days: int) -> date:
    """Return the first day that is not settled yet."""
    return today - timedelta(days=settle_days)

"""One delivery into the standing rows: all of it, or nothing; changed days only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import psycopg
import pyarrow as pa

from astraeus_pipeline.contracts import RAW_TABLES
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.warehouse import (
    acceptances,
    ddl,
    history,
    ledger,
    restatements,
    standing_rows,
    tie_out,
)
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.copy import RowOwner, copy_batches
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.ledger import Conclusion
from astraeus_pipeline.warehouse.standing_rows import GroupKey, Totals
from astraeus_pipeline.warehouse.survey import Slice, Survey, slice_keys
from astraeus_pipeline.warehouse.verdicts import (
    Judge,
    Standing,
    Verdict,
    settled_before,
    unanswered,
)

Read = Callable[[], Iterable[RowBatch]]


@dataclass(frozen=True)
class LoadOptions:
    """What a load depends on besides its payload; `today` is the current UTC day."""

    today: date
    settle_days: int
    run_id: str | None = None
    fetched_at: datetime | None = None
    acceptance: Acceptance | None = None


@dataclass(frozen=True)
class LoadResult:
    """How a delivery ended, as its ledger row says."""

    delivery_id: int
    account_id: str
    fetched_days: DayRange
    rows: int
    quarantined_rows: int
    conclusion: Conclusion
    sums: dict[str, dict[str, str]]

    @property
    def state(self) -> ledger.State:
        """State of the ledger row."""
        return self.conclusion.state

    def days(self, *outcomes: str) -> list[date]:
        """Return the days that ended in one of the outcomes, sorted."""
        return sorted(
            {
                each.usage_date
                for each, verdict in self.conclusion.verdicts.items()
                if verdict.outcome in outcomes
            }
        )


def load(
    conn: psycopg.Connection,
    table: RawTable,
    fetched: Fetched,
    payload: StoredPayload,
    read: Read,
    options: LoadOptions,
) -> LoadResult:
    """Replace the delivery's slices by the payload's rows in one transaction.

    `read` yields the payload's batches and may be called twice. The connection (role loader) must
    be outside a transaction.
    Raises: LoadError when rows and payload cannot be tied; whatever `read` raises; psycopg.Error.
    Nothing of a load that raised stands.
    """
    with conn.transaction():
        ddl.ensure_months(conn, table, fetched.days.months())
    with conn.transaction():
        ledger.lock_account(conn, fetched.account_id, fetched.dataset)
        return _Load(conn, table, fetched, payload, read, options).run()


class _Load:
    """The state of one load inside its transaction."""

    def __init__(
        self,
        conn: psycopg.Connection,
        table: RawTable,
        fetched: Fetched,
        payload: StoredPayload,
        read: Read,
        options: LoadOptions,
    ) -> None:
        self.conn, self.table, self.fetched, self.payload = conn, table, fetched, payload
        self.read, self.options = read, options
        self.is_repeat = options.acceptance is None and ledger.is_current(
            conn, fetched, payload.sha256
        )
        self.delivery_id = ledger.open_delivery(
            conn,
            table,
            fetched,
            payload,
            options.fetched_at or datetime.now(UTC),
            options.run_id,
        )
        self.owner = RowOwner(fetched.account_id, self.delivery_id)
        self.survey = Survey(table)
        self.objections = tie_out.Objections(())

    def run(self) -> LoadResult:
        if self.is_repeat:
            return self._see_again()
        standing = ledger.standing(self.conn, self.fetched)
        # A person lets single days in, so their payload is never copied as a whole.
        is_first = self.options.acceptance is None and all(
            stands.delivery_id is None for stands in standing.values()
        )
        conclusion = self._fill_empty(standing) if is_first else None
        if conclusion is None:
            conclusion = self._replace(standing, is_surveyed=is_first)
        return self._finish(conclusion)

    def _see_again(self) -> LoadResult:
        ledger.see_again(self.conn, self.fetched, self.delivery_id)
        conclusion = Conclusion("unchanged", "the same payload as the standing delivery", {})
        return self._finish(conclusion)

    def _fill_empty(self, standing: Mapping[Slice, Standing]) -> Conclusion | None:
        """Copy in one pass where nothing stands; None if the payload needs a second look."""
        with self.conn.transaction() as savepoint:
            copy_batches(self.conn, self.table, self.owner, self.survey.watch(self.read()))
            conclusion = self._judge(standing)
            is_clean = not conclusion.count("blocked", "refused")
            if not is_clean:
                raise psycopg.Rollback(savepoint)
        return conclusion if is_clean else None

    def _replace(self, standing: Mapping[Slice, Standing], *, is_surveyed: bool) -> Conclusion:
        """Survey first, then rewrite the slices that changed, and only those."""
        if not is_surveyed:
            for batch in self.read():
                self.survey.add(batch)
        conclusion = self._judge(standing)
        written = {each for each, verdict in conclusion.verdicts.items() if verdict.is_written}
        restated = {
            each for each in written if each in standing and standing[each].delivery_id is not None
        }
        before = self._take_away(restated, standing)
        if any(conclusion.verdicts[each].facts.rows for each in written):
            batches = _only(written, Survey(self.table).watch(self.read()))
            copy_batches(self.conn, self.table, self.owner, batches)
        after = standing_rows.totals(self.conn, self.table, self.fetched.account_id, restated)
        restatements.record(
            self.conn, self.table, self.owner, {s: standing[s] for s in restated}, before, after
        )
        return conclusion

    def _take_away(
        self, slices: Iterable[Slice], standing: Mapping[Slice, Standing]
    ) -> dict[GroupKey, Totals]:
        """Delete the standing rows, in whichever shape's table they are; return their totals."""
        tables = {table.name: table for table in (*RAW_TABLES, self.table)}
        by_table: dict[str, list[Slice]] = {}
        for each in slices:
            by_table.setdefault(standing[each].raw_table or self.table.name, []).append(each)
        totals: dict[GroupKey, Totals] = {}
        for name, chosen in by_table.items():
            account_id = self.fetched.account_id
            totals |= standing_rows.totals(self.conn, tables[name], account_id, chosen)
            history.keep(self.conn, tables[name], self.owner, chosen)
            standing_rows.delete(self.conn, tables[name], account_id, chosen)
        return totals

    def _judge(self, standing: Mapping[Slice, Standing]) -> Conclusion:
        self._refuse_strays()
        judge = Judge(
            settled_before(self.options.today, self.options.settle_days),
            self.table.cost_types[0] if self.table.cost_types else None,
            is_accepted=self.options.acceptance is not None,
        )
        verdicts = judge.judge(self.fetched, self.survey, standing)
        objections = self.objections = tie_out.compare(self.fetched, self.survey)
        verdicts |= unanswered(objections.by_day, self.fetched, verdicts)
        if self.options.acceptance:
            days = self.options.acceptance.days
            verdicts = {each: v for each, v in verdicts.items() if each.usage_date in days}
        else:
            verdicts = self._refused(verdicts)
        if objections.whole and not verdicts:
            return Conclusion("refused", objections.whole, {}, objections.controls)
        return Conclusion(_state(verdicts), _reason(verdicts), verdicts, objections.controls)

    def _refused(self, verdicts: Mapping[Slice, Verdict]) -> dict[Slice, Verdict]:
        """Refuse the slices that something speaks against; those in quarantine are held already.

        What a person has accepted of equal rows stays accepted.
        """
        against = {each: self.objections.against(each.usage_date) for each in verdicts}
        if not any(against.values()):
            return dict(verdicts)
        accepted = acceptances.standing(self.conn, self.fetched)
        return {
            each: Verdict("refused", verdict.facts, against[each])
            if against[each]
            and verdict.outcome != "blocked"
            and (each, verdict.facts.digest, against[each]) not in accepted
            else verdict
            for each, verdict in verdicts.items()
        }

    def _refuse_strays(self) -> None:
        """Refuse answers about other days than asked: the question was misunderstood."""
        if self.fetched.billing_period is not None:
            return
        strays = [day for day, _ in self.survey.slices if day not in self.fetched.days]
        if strays:
            raise LoadError(
                f"{self.fetched.source_name} was asked for {self.fetched.days} of account"
                f" {self.fetched.account_id} and also answered for {min(strays)}..{max(strays)}.",
                hint="Nothing was loaded; the payload is kept.",
            )

    def _finish(self, conclusion: Conclusion) -> LoadResult:
        verdicts = conclusion.verdicts
        standing_rows.verify(
            self.conn,
            self.table,
            self.owner,
            {each: verdict.facts for each, verdict in verdicts.items() if verdict.is_written},
        )
        ledger.record_days(self.conn, self.delivery_id, verdicts)
        ledger.update_partitions(self.conn, self.table, self.fetched, self.delivery_id, verdicts)
        ledger.quarantine(self.conn, self.fetched, self.delivery_id, self.survey.rejects)
        ledger.conclude(self.conn, self.delivery_id, self.survey, conclusion)
        if self.options.acceptance:
            ledger.note_acceptance(
                self.conn,
                self.delivery_id,
                self.options.acceptance.by,
                self.options.acceptance.reason,
            )
            acceptances.note(
                self.conn,
                self.fetched,
                self.delivery_id,
                self.options.acceptance,
                {
                    each: (verdict.facts.digest, self.objections.against(each.usage_date))
                    for each, verdict in verdicts.items()
                    if verdict.outcome != "blocked"
                },
            )
        return LoadResult(
            self.delivery_id,
            self.fetched.account_id,
            self.fetched.days,
            self.survey.rows,
            self.survey.rejected_rows,
            conclusion,
            ledger.sums_as_json(self.survey.sums()),
        )


def _state(verdicts: Mapping[Slice, Verdict]) -> ledger.State:
    outcomes = {verdict.outcome for verdict in verdicts.values()}
    if "blocked" in outcomes:
        return "quarantined"
    if "refused" in outcomes:
        return "refused"
    return "loaded" if outcomes & {"replaced", "emptied"} else "unchanged"


def _reason(verdicts: Mapping[Slice, Verdict]) -> str | None:
    """Summarise why days were held back, the first of them as the example."""
    held = [(each, verdict) for each, verdict in verdicts.items() if verdict.reason]
    if not held:
        return None
    day, example = held[0]
    more = f" (and {len(held) - 1} more days)" if len(held) > 1 else ""
    return f"{day.usage_date}: {example.reason}{more}"


def _only(wanted: set[Slice], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass the rows of the wanted slices."""
    for batch in batches:
        keys, inverse = slice_keys(batch)
        keep = np.array([key in wanted for key in keys])[inverse]
        if keep.all():
            yield batch
        elif keep.any():
            yield batch.filter(pa.array(keep))

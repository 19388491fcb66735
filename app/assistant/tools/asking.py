"""The questions of one tool call: asked as the caller, kept so that the answer can show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from threading import Lock
from typing import Any, Final

from cachetools import TTLCache, cached

from app.assistant.tools.contract import Parameter, Scope, ToolResult, caller, result_id
from app.queries import execute, listings, periods
from app.queries.compiler import Filters, Statement
from app.queries.seen_by import as_seen_by
from app.queries.trace import spelled
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

Row = dict[str, Any]
# What of many accounts a note tells.
_TOLD: Final = 5


@dataclass
class Asking:
    """Asks as the caller, as the pages do; `asked` is what the answer's figures come from."""

    who: Scope = field(default_factory=caller)
    asked: list[Statement] = field(default_factory=list)
    # What was asked as another role, of tables that the reader does not see.
    told: list[str] = field(default_factory=list)

    def ask(self, statement: Statement) -> list[Row]:
        """Return the rows of a statement that belongs to the answer. Raises: DatabaseError."""
        seen = as_seen_by(self.who, statement)
        self.asked.append(seen)
        return execute.run(seen, self.who.session)

    def look_up(self, statement: Statement) -> list[Row]:
        """Return rows of what is only looked up: names, days delivered; for reading alone.

        They may be a minute old, within one build.
        Raises: DatabaseError.
        """
        seen = as_seen_by(self.who, statement)
        return _looked_up(seen, self._build, self.who.session)

    @cached_property
    def _build(self) -> str:
        rows = execute.run(listings.VERSION)
        return str(rows[0]["invocation_id"]) if rows else "none"

    @property
    def sql(self) -> str:
        """All that was asked, ready to be pasted."""
        return ";\n\n".join((*map(spelled, self.asked), *self.told))

    def by_account_only(self, what: str) -> None:
        """Refuse who sees what is allocated to teams. Raises: ConfigError."""
        if self.who.is_by_team:
            raise ConfigError(
                f"{what} are told of whole accounts, and you see what is allocated to teams.",
                hint="Ask get_costs or get_budgets.",
            )

    def currencies(self, wanted: str | None) -> list[str]:
        """Return the currencies to ask in, the one with the largest cost first.

        Raises: ConfigError for a currency without costs.
        """
        there = [row["currency"] for row in self.look_up(listings.CURRENCIES)]
        if wanted is None:
            return there
        code = wanted.strip().upper()
        if code not in there:
            raise ConfigError(
                f"There are no costs in {wanted!r}.",
                hint=f"There are costs in: {', '.join(there) or 'no currency'}.",
            )
        return [code]

    def result(
        self,
        tool: str,
        rows: Sequence[Mapping[str, Any]],
        params: Mapping[str, Parameter],
        *,
        row_count: int | None = None,
        totals: Mapping[str, Decimal] | None = None,
        unit: Mapping[str, str] | None = None,
        basis: str | None = None,
        standing: Standing | None = None,
        notes: Iterable[str] = (),
    ) -> ToolResult:
        """Return the answer, with `row_count` the rows that there are beside those shown."""
        as_of = standing.through if standing else None
        count = len(rows) if row_count is None else row_count
        return ToolResult(
            result_id=result_id(tool, self.sql, params, as_of),
            tool=tool,
            rows=[dict(row) for row in rows],
            totals=dict(totals or {}),
            row_count=count,
            truncated=count > len(rows),
            unit=dict(unit or {}),
            basis=basis,
            sql=self.sql,
            params=dict(params),
            data_as_of=as_of,
            reconciliation=standing.reconciliation if standing else None,
            notes=[*notes, *(standing.notes if standing else ())],
        )


@cached(
    TTLCache[Any, Any](500, 60),
    key=lambda statement, build, session: (statement.key, build, session),
    lock=Lock(),
)
def _looked_up(statement: Statement, build: str, session: str) -> list[Row]:
    return execute.run(statement, session)


def forget() -> None:
    """Look everything up anew, for who points the app at another database."""
    _looked_up.cache_clear()


@dataclass(frozen=True)
class Standing:
    """How far the data of the accounts asked about goes, and what is amiss with it."""

    through: date | None
    first_day: date | None
    accounts: frozenset[str]
    reconciliation: Any = None
    notes: tuple[str, ...] = ()
    final_through: date | None = None

    def covered(self, days: DayRange) -> int:
        """Return how many of the days have been delivered."""
        if self.through is None:
            return 0
        return periods.covered(days, self.first_day, self.through)


def reach(asking: Asking, filters: Filters = ()) -> Standing:
    """Return how far the data goes of accounts that filters leave. Raises: DatabaseError."""
    wanted = dict(filters)
    chosen = [
        row
        for row in asking.look_up(listings.ACCOUNTS)
        if row["data_through"] is not None
        and all(
            key not in wanted or row[column] in wanted[key]
            for key, column in (("provider", "provider"), ("account", "account_id"))
        )
    ]
    return Standing(
        periods.through(chosen) if chosen else None,
        min((row["first_day"] for row in chosen if row["first_day"]), default=None),
        frozenset(row["account_id"] for row in chosen),
        final_through=periods.final_through(chosen),
    )


def standing(asking: Asking, of: Standing, days: DayRange, currencies: Sequence[str]) -> Standing:
    """Return a reach with what is amiss in these days: gaps, held back, restated, residuals.

    Raises: DatabaseError.
    """
    notes: list[str] = []
    if of.through is None:
        notes.append("No costs have been delivered for what is asked.")
    elif days.last > of.through:
        notes.append(f"Costs are delivered up to {of.through}: later days are missing, not zero.")
    if of.first_day and days.first < of.first_day:
        notes.append(f"There are no costs before {of.first_day}.")
    if asking.who.is_by_team:
        # Deliveries and checks are of accounts, and not theirs to see.
        return replace(of, notes=tuple(notes))
    for row in _within(asking.look_up(listings.HELD_BACK), of, days):
        what = "missing" if row["state"] == "gap" else row["state"]
        notes.append(
            f"Account {row['account_id']}: {row['days']} days {what} between"
            f" {row['first_day']} and {row['last_day']}."
        )
    notes += [
        f"Account {row['account_id']}: {row['days']} days restated lately, billed cost"
        f" {money.spelled(row['delta'], row['currency'])} from what it was."
        for row in _within(asking.look_up(listings.RESTATED), of, days)
    ]
    residuals = [
        row
        for row in _within(asking.look_up(listings.RESIDUALS), of, days)
        if row["currency"] in currencies
    ]
    notes += [
        f"Account {row['account_id']}: {row['days']} days do not agree with the provider's own"
        f" total, by {money.spelled(row['residual'], row['currency'])} at most."
        for row in residuals
    ]
    state = "residuals open" if residuals else "no residual open"
    return replace(of, reconciliation=state, notes=tuple(notes))


def _within(rows: Sequence[Row], of: Standing, days: DayRange) -> list[Row]:
    return [
        row
        for row in rows
        if row["account_id"] in of.accounts
        and row["first_day"] <= days.last
        and row["last_day"] >= days.first
    ][:_TOLD]

"""What two years came to, against what they were at the start."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from astraeus_pipeline.warehouse import operations
from astraeus_pipeline.warehouse.housekeeping import Retention
from benchmarks.measure import Cost
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch
from benchmarks.years import sizes
from benchmarks.years.diary import Day, Diary
from benchmarks.years.sizes import Sizes

_WARM_UP: Final = 4  # full days at the start that are not compared
_SETTLED: Final = 100  # days after the first month, when retention of 90 days lets go each night
Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Found:
    """How things stand after the last day."""

    copies: dict[str, tuple[int, int]]
    missing: int
    fewest_leaves: int
    old_threads: int


def look(place: Scratch, charges: int) -> Found:
    """Look at the installation; `charges` is how many its bills hold."""
    row = place.admin.execute("select count(*) from raw.focus_costs").fetchone()
    assert row is not None
    with place.database.connect("app", autocommit=True) as conn:
        leaves = operations.months_ahead(conn)
        threads = operations.old_checkpoints(conn, Retention().checkpoint_days + 1)
    place.admin.execute("vacuum")  # what autovacuum had no second for
    return Found(sizes.bloat(place.admin), charges - row[0], min(leaves.values()), threads)


def report(diary: Diary, found: Found, on: dict[str, str], options: dict[str, Any]) -> Report:
    """Compare, and state the claims."""
    full = [each for each in diary.days if each.kind == "full"]
    first, last = full[: options["full"]][_WARM_UP:], full[-options["last"] :][1:]
    start, end = _middle(first), _middle(last)
    then, now = diary.sizes[_settled(diary.sizes)], diary.sizes[max(diary.sizes)]
    worst = max(found.copies.items(), key=lambda each: each[1][0] / each[1][1])
    return Report(
        name="years",
        title=f"{len(diary.days)} days of daily schedules at {options['accounts']} accounts",
        machine=on,
        options={name: value for name, value in options.items() if name != "home"},
        header=("what", "at the start", "at the end", "ratio"),
        rows=[
            _row("a day, s", start.wall, end.wall),
            _row("a day, CPU s", start.cpu, end.cpu),
            *_parts(first, last),
            *_tables(then, now),
            *_copied(found.copies),
        ],
        goals=[
            Goal("CPU of a day, end / start", end.cpu / start.cpu, 1.2),
            Goal("time of a day, end / start", end.wall / start.wall, 1.2),
            Goal(
                "Dagster's tables, bytes at the end / after four months",
                now.of("dagster") / then.of("dagster"),
                1.5,
            ),
            Goal(
                "bytes that a day of an account leaves in Dagster's tables for good",
                _for_good(diary.sizes, options["accounts"]),
                10_000,
            ),
            Goal(f"bytes of the most bloated table / of a copy ({worst[0]})", _share(worst[1]), 2),
            Goal("charges that do not stand", abs(found.missing), 0),
            Goal("runs that failed", len(diary.failures), 0),
            Goal("months ahead that have their leaves", found.fewest_leaves, 2, at_least=True),
            Goal("threads whose checkpoints are too old", found.old_threads, 0),
        ],
        notes=_notes(diary),
    )


def _notes(diary: Diary) -> tuple[str, ...]:
    kinds = {kind: sum(each.kind == kind for each in diary.days) for kind in ("full", "loads")}
    builds = sum("build" in each.costs for each in diary.days)
    monthly = ", ".join(
        f"{day[:7]} {sum(each.tables.values()) / 1e6:.0f} ({each.of('dagster') / 1e6:.0f})"
        for day, each in diary.sizes.items()
    )
    return (
        "Clocks of all processes and of PostgreSQL are set to each simulated hour; autovacuum looks"
        " every second without its pauses, since a day takes seconds.",
        _backfilled(diary.backfill),
        f"{diary.accepted} settled days that shrank by much were refused, then let in by hand.",
        f"Days by kind: {kinds}; {builds} builds. Runs execute one after another in one process,"
        " without run launcher, queue and captured output; ticks of sensors are written by SQL.",
        f"Days: medians of the full ones at both ends, without the first {_WARM_UP} of all and the"
        " first of the last. Tables at the start are those after four months.",
        f"MB of all tables at the first of each month (of Dagster's): {monthly}.",
    )


def _backfilled(costs: dict[str, Cost]) -> str:
    if not costs:
        return "Started empty: forecasts and trends had less to look back at than at the end."
    parts = ", ".join(f"{name} {cost.wall:.0f} s" for name, cost in costs.items())
    return f"Before the first day the months before were backfilled: {parts}."


def _settled(sizes: dict[str, Sizes]) -> str:
    """Return the first day with sizes on which retention had let go for a month."""
    days = [date.fromisoformat(day) for day in sizes]
    late = [day for day in days if (day - min(days)).days >= _SETTLED]
    return str(late[0] if late else days[len(days) // 3])


def _for_good(sizes: dict[str, Sizes], accounts: int) -> float:
    """Return by how much they grew between two days before which all ran as in life."""
    settled = _settled(sizes)
    last = max(sizes)
    days = (date.fromisoformat(last) - date.fromisoformat(settled)).days
    return (sizes[last].of("dagster") - sizes[settled].of("dagster")) / max(1, days * accounts)


def _middle(days: Sequence[Day]) -> Cost:
    return Cost(
        statistics.median(each.whole.wall for each in days),
        statistics.median(each.whole.client_cpu for each in days),
        statistics.median(each.whole.server_cpu for each in days),
    )


def _parts(first: Sequence[Day], last: Sequence[Day]) -> Iterable[Row]:
    for part in last[-1].costs:
        start, end = (
            statistics.median(each.costs[part].cpu for each in days) for days in (first, last)
        )
        yield _row(f"{part}, CPU s", start, end)


def _tables(then: Sizes, now: Sizes) -> Iterable[Row]:
    for schema in sizes.SCHEMAS:
        yield _row(f"schema {schema}, MB", then.of(schema) / 1e6, now.of(schema) / 1e6)
    yield _row("landing store, MB", then.landed[1] / 1e6, now.landed[1] / 1e6)
    yield _row("landing store, files", then.landed[0], now.landed[0], 0)
    for name, rows in now.rows.items():
        yield _row(f"{name}, rows", then.rows[name], rows, 0)
    largest = sorted(now.tables, key=lambda name: -now.tables[name])[:12]
    for name in largest:
        yield _row(f"{name}, MB", then.tables.get(name, 0) / 1e6, now.tables[name] / 1e6)


def _copied(copies: dict[str, tuple[int, int]]) -> Iterable[Row]:
    for name, pair in sorted(copies.items(), key=lambda each: -_share(each[1]))[:8]:
        size, fresh = pair
        yield (
            f"{name}, MB: fresh copy, as it is",
            f"{fresh / 1e6:.1f}",
            f"{size / 1e6:.1f}",
            f"{_share(pair):.2f}",
        )


def _share(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1]


def _row(what: str, then: float, now: float, digits: int = 2) -> Row:
    ratio = f"{now / then:.2f}" if then else ""
    return what, f"{then:,.{digits}f}", f"{now:,.{digits}f}", ratio

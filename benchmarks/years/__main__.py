"""Claim: after two years of daily schedules a day costs what it cost at the start, within a fifth.

20 accounts, FOCUS bills that come late and are restated, 730 days. Before them 20 months were
backfilled: what forecasts and trends look back at (585 days) is there at the start as at the end;
`--history 0` starts empty. The clock of this process, of dbt and of PostgreSQL is set to each hour
at which something is due (libfaketime), so ages are those of the simulated time. A full day:
housekeeping, discovery, each account's ingestion as a run of its own, build with scores and
forecasts, alerts, summaries, the ticks of sensors, people who come and go. The first and the last
days are full. Between them is every third Monday: its loads bring three weeks, every third one
builds, and runs of ingestion are copied in Dagster's tables, the last hundred days as many as in
life, as the first hundred and twenty-five. Runs execute in this process, one after another.

Needs Debian's libfaketime. `--home FOLDER` keeps the installation there, and goes on in it.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from benchmarks.data import cache_folder
from benchmarks.estates import add_accounts
from benchmarks.measure import machine
from benchmarks.report import Report
from benchmarks.scratch import Scratch, serving
from benchmarks.years import clock, outcome, people, sizes
from benchmarks.years.bills import Bills
from benchmarks.years.day import Schedules
from benchmarks.years.diary import Day, Diary, Kind

FIRST: Final = date(2024, 10, 1)
# So many days after the first full ones, and before the last, every day has its runs in Dagster:
# more than are kept, so that both ends are alike.
AS_IN_LIFE_FIRST: Final = 125
AS_IN_LIFE: Final = 100


def main() -> None:
    """Live the days, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--history", type=int, default=20, help="months before, backfilled")
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--rows-per-day", type=int, default=50)
    parser.add_argument("--full", type=int, default=15, help="full days at the start")
    parser.add_argument("--last", type=int, default=10, help="full days at the end")
    parser.add_argument("--step", type=int, default=3, help="weeks, between them")
    parser.add_argument("--build-every", type=int, default=3, help="steps")
    parser.add_argument("--home", type=Path, help="keep it here; go on if it is there")
    chosen = parser.parse_args()
    with _home(chosen.home) as home:
        if not clock.take_over(home, clock.midnight(FIRST)):
            print("Not measured: libfaketime missing (Debian: libfaketime).")
            raise SystemExit(0)
        with serving(home) as place, _told_to(home / "output.log"):
            report = _live(place, chosen)
    raise SystemExit(0 if report.publish() else 1)


@contextmanager
def _home(kept: Path | None) -> Iterator[Path]:
    """Give a folder; one that was made here goes again, by whichever process ends last."""
    home = kept or cache_folder() / "years"
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    yield home
    if kept is None:
        shutil.rmtree(home)


@contextmanager
def _told_to(file: Path) -> Iterator[None]:
    """Write into a file what loads, dbt and Dagster tell, which is a lot."""
    with (
        file.open("a") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        yield


def _live(place: Scratch, chosen: argparse.Namespace) -> Report:
    diary = Diary.open(place.home / "diary.json")
    bills = Bills(place.home / "bills", chosen.accounts, chosen.rows_per_day)
    time = clock.Clock()
    begun = _months_before(FIRST, max(1, chosen.history))  # the first day reads the month before
    _prepare(place, time, bills)
    schedules = Schedules(place, time, bills.slugs)
    if chosen.history and not diary.backfill:
        bills.write_history(begun, FIRST)
        before = DayRange(begun, FIRST - timedelta(days=1))
        diary.backfill = schedules.backfill(before, FIRST)
        diary.failures += schedules.failures
        diary.save()
        _tell(f"backfilled {before}: {diary.backfill}")
    plan = _plan(chosen)
    for number, step in enumerate(plan):
        if diary.days and step.day <= diary.days[-1].day:
            continue
        bills.write(step.day)
        costs = schedules.night(step.day)
        if step.kind == "full":
            costs |= schedules.morning(step.day)
        else:
            costs |= schedules.load_alone(step.day, step.copies)
        costs |= schedules.accept_refused(step.day)
        if step.builds:
            costs |= schedules.build(step.day)
        costs |= schedules.tick(step.day)
        people.live(place, step.covers)
        diary.days.append(Day(step.day, step.kind, costs))
        diary.failures += schedules.failures
        diary.accepted += schedules.accepted
        schedules.accepted = 0
        if schedules.failures:
            _tell("\n".join(schedules.failures))
            schedules.failures.clear()
        is_new_month = number and step.day.month != plan[number - 1].day.month
        if is_new_month or number == len(plan) - 1:
            diary.sizes[str(step.day)] = sizes.read(place.admin, place.home / "landing")
        diary.save()
        _tell(_summary(diary.days[-1], len(plan) - number - 1))
    last = FIRST + timedelta(days=chosen.days - 1)
    found = outcome.look(place, bills.rows(last, begun))
    return outcome.report(diary, found, machine(place.admin), vars(chosen))


def _months_before(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _prepare(place: Scratch, time: clock.Clock, bills: Bills) -> None:
    # A day takes seconds here: autovacuum looks as often in a day as it does in life, or less.
    for name, value in (("autovacuum_naptime", "1s"), ("autovacuum_vacuum_cost_delay", "0")):
        place.admin.execute(f"alter system set {name} = '{value}'")
    place.admin.execute("select pg_reload_conf()")
    prepared = place.home / "prepared"
    if not prepared.exists():
        time.set(clock.midnight(FIRST))
        add_accounts(place, bills.folders())
        people.prepare(place, FIRST)
        prepared.touch()


@dataclass(frozen=True)
class Step:
    """A day on which something is done: `covers` so many days that end with it.

    `copies` are the days whose runs of Dagster are copied from those of the day before.
    """

    day: date
    kind: Kind
    covers: int
    builds: bool
    copies: tuple[date, ...]


def _plan(chosen: argparse.Namespace) -> list[Step]:
    """Return the full days at both ends, and Mondays between them, when all months are read."""
    days = [FIRST + timedelta(days=number) for number in range(chosen.days)]
    last_light = chosen.days - chosen.last - 1
    plan: list[Step] = []
    light = 0
    for number, day in enumerate(days):
        covers = (day - plan[-1].day).days if plan else 1
        if number < chosen.full or number > last_light:
            plan.append(Step(day, "full", covers, True, ()))
        elif number == last_light or (day.weekday() == 0 and covers >= 7 * chosen.step - 6):
            passed = tuple(day - timedelta(days=ago) for ago in reversed(range(covers)))
            is_as_in_life = not chosen.full + AS_IN_LIFE_FIRST < number <= last_light - AS_IN_LIFE
            copies = passed if is_as_in_life else passed[-1:]
            builds = number == last_light or light % chosen.build_every == 0
            plan.append(Step(day, "loads", covers, builds, copies))
            light += 1
    return plan


def _summary(lived: Day, left: int) -> str:
    parts = ", ".join(f"{name} {cost.cpu:.1f}" for name, cost in lived.costs.items())
    return f"{lived.day} {lived.whole.wall:.1f} s, {left} left; CPU s: {parts}"


def _tell(words: str) -> None:
    print(words, file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()

"""Claim: whatever a page asks is answered in 50 ms (p95) over 10M charges, hardly slower than 1M.

The pages are run as people open them, without a browser, and what they ask is noted. Each statement
is then asked again and again as the app asks: as role reader under row-level security, in a live
session, over its pool. Both warehouses have the same accounts, days, services and resources; the
larger has ten times the charges per account and day.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.queries import execute
from app.queries.compiler import Statement
from app.queries.trace import spelled
from astraeus_pipeline.warehouse import sessions
from benchmarks import asked
from benchmarks.asked import View
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch
from benchmarks.warehouses import ADMIN_TOKEN, warehouse

P95_MS: Final = 50.0
RATIO: Final = 1.5
# Trace proves a figure by its own charges, all of them: what is left after everything else.
_PROOFS: Final = "marts.fct_charges"


@dataclass(frozen=True)
class Timed:
    """What a statement took, in ms."""

    p50: float
    p95: float


Answers = dict[str, Timed]  # by the key of a statement


def timed(statement: Statement, session: str, runs: int) -> Timed:
    """Ask a statement so often; the first time is not counted."""
    execute.run(statement, session)
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        execute.run(statement, session)
        taken.append((time.perf_counter() - started) * 1000)
    return Timed(statistics.median(taken), statistics.quantiles(taken, n=20)[-1])


def measured(
    place: Scratch, views: Sequence[View], runs: int
) -> tuple[dict[View, list[Statement]], Answers, dict[str, int]]:
    """Return what each view asks, what that takes, and how many rows the marts have."""
    session = sessions.key_of(ADMIN_TOKEN)
    with asked.pointed_at(place):
        by_view = {view: asked.statements(view, ADMIN_TOKEN) for view in views}
        execute.forget_engine()
        every = {each.key: each for found in by_view.values() for each in found}
        answers = {key: timed(statement, session, runs) for key, statement in every.items()}
    rows = place.admin.execute(
        "select relname, reltuples::bigint from pg_class where relnamespace = 'marts'::regnamespace"
        " and relkind = 'r' and reltuples > 0"
    ).fetchall()
    return by_view, answers, dict(rows)


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", help="part of a page's name and view")
    parser.add_argument("--slow", action="store_true", help="print the SQL of what misses the goal")
    chosen = parser.parse_args()
    views = [
        each for each in asked.views() if not chosen.only or chosen.only in f"{each.page} {each}"
    ]
    with warehouse(chosen.small) as place:
        _, small, small_rows = measured(place, views, chosen.runs)
    with warehouse(chosen.large) as place:
        by_view, large, large_rows = measured(place, views, chosen.runs)
        on = machine(place.admin)
    if chosen.slow:
        every = {each.key: each for found in by_view.values() for each in found}
        for key, took in sorted(large.items(), key=lambda each: -each[1].p95):
            if took.p95 > P95_MS:
                print(f"-- p50 {took.p50:.1f} p95 {took.p95:.1f} ms\n{spelled(every[key])}\n")
    report = _report(by_view, small, large, (small_rows, large_rows), on, vars(chosen))
    is_met = report.show() if chosen.only else report.publish()
    raise SystemExit(0 if is_met else 1)


def _report(
    by_view: dict[View, list[Statement]],
    small: Answers,
    large: Answers,
    sizes: tuple[dict[str, int], dict[str, int]],
    on: dict[str, str],
    options: dict[str, Any],
) -> Report:
    proofs = {each for each in large if _PROOFS in each}  # a key begins with the SQL
    judged = {each: took for each, took in large.items() if each not in proofs}
    slowest = max(judged.values(), key=lambda took: took.p95)
    misses = sum(took.p95 > P95_MS for took in judged.values())
    # Below a few ms a ratio tells of the clock and the round trip.
    ratios = [
        took.p50 / max(small[each].p50, 3)
        for each, took in judged.items()
        if each in small and took.p50 > 3
    ]
    return Report(
        name="queries",
        title=f"What pages ask, over {options['large']:,} and {options['small']:,} charges",
        machine=on,
        options={key: options[key] for key in ("small", "large", "runs")},
        header=(
            *("page", "view", "questions", "all, p50 ms", "slowest, p50 ms", "p95 ms", "of"),
            "p50 10M/1M",
        ),
        rows=[_row(view, asked_for, small, large) for view, asked_for in by_view.items()],
        goals=[
            Goal("slowest question, p95 ms", slowest.p95, P95_MS),
            Goal("questions above 50 ms", misses, 0),
            Goal("largest ratio of p50, of questions above 3 ms", max(ratios, default=1), RATIO),
        ],
        notes=(
            f"{len(judged)} different questions, each asked {options['runs']} times by one client,"
            " the answers' rows read; the app keeps answers until the next build.",
            "20 accounts, 365 days, 60 services, 8 sub accounts and 250 resources each. Rows: "
            + "; ".join(
                f"{name} {sizes[0].get(name, 0):,} and {sizes[1].get(name, 0):,}"
                for name in (
                    *("fct_charges", "fct_daily_costs", "fct_costs_by_dimension"),
                    "fct_total_costs_by_dimension",
                    *("fct_daily_allocated_costs", "fct_daily_resource_costs", "dim_resources"),
                )
            ),
            "Not judged, as it adds up every charge of a figure on purpose: "
            + "; ".join(f"p50 {large[each].p50:.0f} ms" for each in proofs)
            + " (Trace).",
        ),
    )


def _row(view: View, questions: list[Statement], small: Answers, large: Answers) -> tuple[str, ...]:
    slowest = max(questions, key=lambda each: large[each.key].p95)
    took, former = large[slowest.key], small.get(slowest.key)
    return (
        view.page,
        view.what,
        str(len(questions)),
        f"{sum(large[each.key].p50 for each in questions):.0f}",
        f"{took.p50:.1f}",
        f"{took.p95:.1f}",
        ", ".join(dict.fromkeys(re.findall(r"marts\.(\w+)", slowest.sql))),
        "n/a" if former is None else f"{took.p50 / max(former.p50, 3):.2f}",
    )


if __name__ == "__main__":
    main()

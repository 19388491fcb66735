"""Claim: whatever a page asks is answered in 50 ms (p95) over 10M charges, hardly slower than 1M.

The pages are run as people open them, without a browser, and what they ask is noted. Each statement
is then asked again and again as the app asks: as role reader under row-level security, in a live
session, over its pool. Both warehouses are up side by side and asked view by view in turn. They
have the same accounts, days, services and resources; the larger has ten times the charges per
account and day.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
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
# Below this a ratio of single questions tells of the clock and the round trip.
TOLD_MS: Final = 3.0
# Trace proves a figure by its own charges, all of them: what is left after everything else.
_PROOFS: Final = "marts.fct_charges"


@dataclass(frozen=True)
class Timed:
    """What a statement took, in ms."""

    p50: float
    p95: float


@dataclass
class Side:
    """A warehouse, what each view asks of it, and what that takes by the key of a statement."""

    place: Scratch
    asked: dict[View, list[Statement]] = field(default_factory=dict)
    took: dict[str, Timed] = field(default_factory=dict)

    def measure(self, view: View, runs: int) -> None:
        """Ask what a view asks, each statement so often unless an earlier view has asked it."""
        session = sessions.key_of(ADMIN_TOKEN)
        with asked.pointed_at(self.place):
            self.asked[view] = asked.statements(view, ADMIN_TOKEN)
            for each in self.asked[view]:
                if each.key not in self.took:
                    self.took[each.key] = timed(each, session, runs)

    def judged(self, view: View) -> list[Statement]:
        """Return what a view asks, without the proofs."""
        return [each for each in self.asked[view] if not _is_proof(each.key)]

    def whole(self, view: View) -> float:
        """Return what a view's questions take together, p50 in ms."""
        return sum(self.took[each.key].p50 for each in self.judged(view))

    def rows(self) -> dict[str, int]:
        """Return how many rows each mart has, as the statistics say."""
        return dict(
            self.place.admin.execute(
                "select relname, reltuples::bigint from pg_class"
                " where relnamespace = 'marts'::regnamespace and relkind = 'r' and reltuples > 0"
            ).fetchall()
        )


def timed(statement: Statement, session: str, runs: int) -> Timed:
    """Ask a statement so often; the first time is not counted."""
    execute.run(statement, session)
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        execute.run(statement, session)
        taken.append((time.perf_counter() - started) * 1000)
    return Timed(statistics.median(taken), statistics.quantiles(taken, n=20)[-1])


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", help="part of a page's name and view")
    parser.add_argument("--slow", action="store_true", help="print the SQL of what misses a goal")
    chosen = parser.parse_args()
    views = [
        each for each in asked.views() if not chosen.only or chosen.only in f"{each.page} {each}"
    ]
    with warehouse(chosen.small) as lesser, warehouse(chosen.large) as larger:
        small, large = Side(lesser), Side(larger)
        for view in views:
            for side in (small, large):
                side.measure(view, chosen.runs)
        report = _report(views, small, large, vars(chosen))
    if chosen.slow:
        _spell(small, large)
    is_met = report.show() if chosen.only else report.publish()
    raise SystemExit(0 if is_met else 1)


def _is_proof(key: str) -> bool:
    return _PROOFS in key  # a key begins with the SQL


def _ratio(key: str, small: Side, large: Side) -> float | None:
    """Return how much longer a question takes of the larger; None where a size asks another."""
    if key not in small.took or large.took[key].p50 <= TOLD_MS:
        return None
    return large.took[key].p50 / max(small.took[key].p50, TOLD_MS)


def _spell(small: Side, large: Side) -> None:
    every = {each.key: each for found in large.asked.values() for each in found}
    for key, took in sorted(large.took.items(), key=lambda each: -each[1].p95):
        ratio = _ratio(key, small, large) or 1
        if took.p95 > P95_MS or ratio > RATIO:
            print(f"-- p50 {took.p50:.1f} p95 {took.p95:.1f} ms, ratio {ratio:.2f}")
            print(f"{spelled(every[key])}\n")


def _report(views: Sequence[View], small: Side, large: Side, options: dict[str, Any]) -> Report:
    judged = {key: took for key, took in large.took.items() if not _is_proof(key)}
    slowest = max(judged.values(), key=lambda took: took.p95)
    ratios = {key: _ratio(key, small, large) or 1.0 for key in judged}
    grown = max(ratios, key=lambda key: ratios[key])
    sizes = small.rows(), large.rows()
    return Report(
        name="queries",
        title=f"What pages ask, over {options['large']:,} and {options['small']:,} charges",
        machine=machine(large.place.admin),
        options={key: options[key] for key in ("small", "large", "runs")},
        header=(
            *("page", "view", "questions", "all, p50 ms", "10M/1M", "slowest, p50 ms", "p95 ms"),
            "of",
        ),
        rows=[_row(view, small, large) for view in views],
        goals=[
            Goal("slowest question, p95 ms", slowest.p95, P95_MS),
            Goal("questions above 50 ms", sum(x.p95 > P95_MS for x in judged.values()), 0),
            Goal(
                "largest ratio of a view's questions, 10M to 1M",
                max(large.whole(view) / small.whole(view) for view in views),
                RATIO,
            ),
        ],
        notes=(
            f"{len(judged)} different questions, each asked {options['runs']} times by one client,"
            " the answers' rows read; the app keeps answers until the next build.",
            f"Of single questions above {TOLD_MS:g} ms {sum(x > RATIO for x in ratios.values())}"
            f" grow by more than {RATIO}, at most by {ratios[grown]:.2f}"
            f" ({large.took[grown].p50:.1f} ms, of {_marts(grown)}): with fewer charges a day not"
            " every service of an account has one in each sub account, so there is less to read.",
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
            + "; ".join(
                f"p50 {took.p50:.0f} ms" for key, took in large.took.items() if _is_proof(key)
            )
            + " (Trace).",
        ),
    )


def _row(view: View, small: Side, large: Side) -> tuple[str, ...]:
    slowest = max(large.judged(view), key=lambda each: large.took[each.key].p95)
    took = large.took[slowest.key]
    return (
        view.page,
        view.what,
        str(len(large.asked[view])),
        f"{large.whole(view):.0f}",
        f"{large.whole(view) / small.whole(view):.2f}",
        f"{took.p50:.1f}",
        f"{took.p95:.1f}",
        _marts(slowest.sql),
    )


def _marts(sql: str) -> str:
    return ", ".join(dict.fromkeys(re.findall(r"marts\.(\w+)", sql)))


if __name__ == "__main__":
    main()

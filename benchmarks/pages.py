"""Claim: the pages meet the goals of the design: what a person waits for, what a click costs.

The app is served as people start it, over a warehouse of `benchmarks.warehouses` or the one of a
home. A real browser opens, reloads, filters and switches; tabs without a browser tell what a rerun
costs the server, and how long it takes while thirty people click.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from astraeus_pipeline.warehouse import sessions, users
from benchmarks import browsing
from benchmarks.browsing import Waits, p95
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, serving
from benchmarks.served import Served, served
from benchmarks.tabs import Rerun, Tab, tab
from benchmarks.warehouses import ADMIN_TOKEN, warehouse

BASES: Final = ("Effective", "List", "Contracted", "Billed")
GROUPS: Final = ("Service", "Account", "Service category", "Provider")
PAGES: Final = ("", "costs", "budgets", "accounts", "resources")


@dataclass(frozen=True)
class Click:
    """Means of many clicks on one page that the server has answered before."""

    app_ms: float
    database_ms: float
    payload_kb: float
    seconds: float


@dataclass(frozen=True)
class Crowd:
    """What many sessions waited for their clicks, and what they hold."""

    clicks: list[float]
    errors: int
    memory_mb: float
    memory_before_mb: float


async def clicks(app: Served, page: str, label: str, values: tuple[str, ...], runs: int) -> Click:
    """Choose values in turn on a page; return means, the first rounds left out."""
    async with tab(app.address, ADMIN_TOKEN) as opened:
        await opened.open("")
        await opened.open(page)
        for value in values * 2:
            await opened.choose(label, value)
        before, reruns = app.cpu(), []
        for _, value in zip(range(runs), cycle(values), strict=False):
            reruns.append(await opened.choose(label, value))
        after = app.cpu()
    return Click(
        (after[0] - before[0]) * 1000 / runs,
        (after[1] - before[1]) * 1000 / runs,
        statistics.mean(each.payload for each in reruns) / 1024,
        statistics.mean(each.seconds for each in reruns),
    )


async def crowd(app: Served, people: int, more: int, seconds: int, every: float) -> Crowd:
    """Let people click every so often, each on pages of their own; then let more come."""
    before = app.memory_mb()
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(tab(app.address, ADMIN_TOKEN)) for _ in range(more)]
        for each in tabs[:people]:
            await each.open("")
        drawn = await asyncio.gather(
            *(
                _click_along(each, random.Random(number), seconds, every)
                for number, each in enumerate(tabs[:people])
            )
        )
        for each in tabs[people:]:
            await each.open("")
            await each.choose("Cost basis", "Effective")
        memory = app.memory_mb()
    reruns = [each for found in drawn for each in found]
    return Crowd(
        [each.seconds for each in reruns],
        sum(bool(each.errors) for each in reruns),
        memory,
        before,
    )


async def _click_along(
    opened: Tab, chance: random.Random, seconds: int, every: float
) -> list[Rerun]:
    loop = asyncio.get_running_loop()
    until, drawn = loop.time() + seconds, []
    await asyncio.sleep(chance.uniform(0, every))
    while loop.time() < until:
        started = loop.time()
        if chance.random() < 0.2:
            drawn.append(await opened.open(chance.choice(PAGES)))
        else:
            drawn.append(await opened.choose("Cost basis", chance.choice(BASES)))
        await asyncio.sleep(max(0.0, every - (loop.time() - started)))
    return drawn


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path, help="an installation's home, instead of a warehouse")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--every", type=float, default=20)
    chosen = parser.parse_args()
    with _place(chosen) as place, served(place) as app:
        waited = browsing.waits(app.address, ADMIN_TOKEN, chosen.runs)
        clicked = {
            "Dashboard": asyncio.run(clicks(app, "", "Cost basis", BASES, chosen.clicks)),
            "Costs": asyncio.run(clicks(app, "costs", "Group by", GROUPS, chosen.clicks)),
        }
        together = asyncio.run(
            crowd(app, chosen.people, chosen.sessions, chosen.seconds, chosen.every)
        )
        on = machine(place.admin)
    options = {key: str(value) for key, value in vars(chosen).items() if value is not None}
    if chosen.home is not None:  # whose it is nobody needs to know
        options = {**options, "home": chosen.home.name}
        del options["charges"]
    raise SystemExit(0 if _report(waited, clicked, together, on, options).publish() else 1)


@contextmanager
def _place(chosen: argparse.Namespace) -> Iterator[Scratch]:
    if chosen.home is None:
        with warehouse(chosen.charges) as place:
            yield place
        return
    with serving(chosen.home) as place:
        with place.database.connect("app", autocommit=True) as conn:
            user = next((each for each in users.users(conn) if each.role == "admin"), None)
            if user is None:
                raise SystemExit("No administrator in this home: `astraeus user add` makes one.")
            conn.execute("delete from app.sessions where key = %s", [sessions.key_of(ADMIN_TOKEN)])
            sessions.begin(conn, user.id, "password", token=ADMIN_TOKEN)
        yield place


def _report(
    waited: Waits,
    clicked: dict[str, Click],
    together: Crowd,
    on: dict[str, str],
    options: dict[str, Any],
) -> Report:
    middle = statistics.median
    goals = [
        Goal("cold, first paint, s", middle(waited.paints), 2.0),
        Goal("cold, figures and chart, s", middle(waited.figures), 4.0),
        Goal("warm reload, s", middle(waited.reloads), 2.0),
        Goal("filter to figure, p50, s", middle(waited.filters), 0.4),
        Goal("filter to figure, p95, s", p95(waited.filters), 0.8),
        Goal("page switch, s", middle(waited.switches), 1.2),
        Goal(f"p95 of clicks of {options['people']} sessions, s", p95(together.clicks), 1.5),
        Goal("CPU of a rerun, Dashboard, ms", clicked["Dashboard"].app_ms, 120),
        Goal("CPU of a rerun, Costs, ms", clicked["Costs"].app_ms, 80),
        Goal("payload of a rerun, KB", max(each.payload_kb for each in clicked.values()), 150),
        Goal(f"memory with {options['sessions']} sessions, MB", together.memory_mb, 400),
        Goal("clicks that ended in an error", together.errors, 0),
    ]
    return Report(
        name="pages_of_a_home" if "home" in options else "pages",
        title=f"The pages in a browser and under load, over {_what(options)}",
        machine=on,
        options=options,
        header=("goal", "measured", "limit", "measured / limit"),
        rows=[
            (
                goal.claim,
                f"{goal.value:.3g}",
                goal.bound,
                f"{goal.value / goal.limit:.2f}" if goal.limit else "",
            )
            for goal in goals
        ],
        goals=goals,
        notes=(
            f"Medians of {len(waited.figures)} cold openings (nothing kept by the browser) and"
            f" {len(waited.reloads)} reloads, {len(waited.filters)} filters,"
            f" {len(waited.switches)} switches; browser, app and database share the machine."
            f" Slowest: cold {max(waited.figures):.2f}, reload {max(waited.reloads):.2f},"
            f" switch {max(waited.switches):.2f} s.",
            f"First painted is the splash; the title came after {middle(waited.titles):.2f} s.",
            f"The first page of a server that has just started: {waited.first:.2f} s.",
            *(
                f"{page}: {each.app_ms:.0f} ms of the app and {each.database_ms:.0f} ms of the"
                f" database, {each.payload_kb:.0f} KB, {each.seconds:.2f} s a click."
                for page, each in clicked.items()
            ),
            f"{len(together.clicks)} clicks of the crowd, p50 {middle(together.clicks):.2f} s;"
            f" {together.memory_before_mb:.0f} MB before it came.",
            "No proxy: program files go uncompressed over the loopback.",
        ),
    )


def _what(options: dict[str, Any]) -> str:
    return options.get("home") or f"{int(options['charges']):,} charges"


if __name__ == "__main__":
    main()

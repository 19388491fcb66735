"""The table: each fault struck in its rounds, peace, invariants, and what that came to."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.chaos import invariants
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.report import Goal


@dataclass
class Line:
    """How one fault went: what each invariant found wrong, by its name."""

    fault: str
    runs: int = 0
    kills: int = 0
    seconds: float = 0.0
    wrong: dict[str, list[str]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_run: str = ""
    blind: list[str] = field(default_factory=list)

    @property
    def held(self) -> int:
        """How many invariants held in all runs."""
        return sum(not found for found in self.wrong.values()) if self.runs else 0

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table."""
        held = self.not_run or f"{self.held} of {len(self.wrong)}"
        if self.missed:
            held += ", but the fault missed"
        return self.fault, str(self.runs), str(self.kills), held, f"{self.seconds:.0f}"


def strike(site: Site, fault: Fault, kills: int) -> Line:
    """Strike as often as the fault says, with peace and all invariants after each round."""
    line = Line(fault.name, wrong={name: [] for name in fault.judged})
    started = time.monotonic()
    if reason := fault.lacks():
        line.not_run = f"not run: {reason}"
        return line
    for share in fault.rounds(kills):
        if fault.judged == invariants.ALL:
            site.change_bills()
            site.bench.cross()
        line.runs += 1
        try:
            struck = fault.strike(site, share)
            line.kills += struck.kills
            line.missed += struck.misses()
            line.notes += struck.notes
            line.wrong[invariants.WHOLE] += struck.wrong
            if fault.judged == invariants.ALL:
                _judge(site, fault, struck, line)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - other faults are still to come
            traceback.print_exc()
            line.wrong[invariants.CHARGES].append(f"not judged: {type(error).__name__} {error}")
        line.seconds = time.monotonic() - started
    return line


def _judge(site: Site, fault: Fault, struck: Struck, line: Line) -> None:
    line.wrong[invariants.WHOLE] += site.halves()
    site.rest()
    line.wrong[invariants.CHARGES] += site.charges()
    line.wrong[invariants.TIED] += site.untied()
    line.wrong[invariants.ALERTS] += site.misdelivered(struck.senders)
    line.wrong[invariants.PAGES] += struck.unsaid + invariants.unsaid(
        struck.looks, site.look(), is_away=fault.hides_database
    )


def goals(lines: Iterable[Line], kills: int) -> list[Goal]:
    """Return the claims: each invariant after each fault, and the kills that were promised."""
    ran = [line for line in lines if not line.not_run]
    blind = {name for line in ran for name in line.blind}
    found = [
        Goal("invariants blind to a fault that was planted", len(blind), 0),
        Goal("blows that met nothing", sum(len(line.missed) for line in ran), 0),
    ] + [
        Goal(f"violations: {name}", sum(len(line.wrong.get(name, ())) for line in ran), 0)
        for name in invariants.ALL
    ]
    return [*found, Goal("kills", sum(line.kills for line in ran), kills, at_least=True)]


def notes(lines: Iterable[Line]) -> list[str]:
    """Return what was wrong, the first of each kind, and what strikes had to say."""
    told = []
    for line in lines:
        for name, found in line.wrong.items():
            if found:
                told.append(f"{line.fault}, {name}: {found[0]} ({len(found)} in all)")
        told += [f"{line.fault}, missed: {each}" for each in dict.fromkeys(line.missed)]
        told += [f"{line.fault}: {note}" for note in dict.fromkeys(line.notes)]
    return told

"""What a fault is: a name, how it strikes, how often, and what people may see meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.chaos import invariants
from benchmarks.chaos.installation import Site
from benchmarks.chaos.invariants import Look


@dataclass
class Struck:
    """What a strike came to.

    `kills` are processes that were killed at work; `hits` counts what else the fault met: a load
    that was under way, connections that it cut, requests that it let hang. `missed` are blows that
    met nothing: a strike of these alone shows nothing, whatever holds afterwards.
    `senders` are killed processes that sent alerts, and may each leave a copy of a message; `looks`
    is what the app showed while the fault lasted. `wrong` are half days, losses and duplicates that
    a strike found by itself, `unsaid` what was not said, was said in the program's words, or did
    not recover.
    """

    kills: int = 0
    hits: int = 0
    missed: list[str] = field(default_factory=list)
    senders: int = 0
    looks: list[Look] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def hit(self, what: int, missing: str) -> None:
        """Count what a blow met; where that is nothing, it missed."""
        self.hits += what
        if not what:
            self.missed.append(missing)

    def misses(self) -> list[str]:
        """Return what the fault did not meet, be it all that it was made for."""
        return self.missed or ([] if self.kills or self.hits else ["it struck nothing"])


Strike = Callable[[Site, int], Struck]


@dataclass(frozen=True)
class Fault:
    """One line of the table.

    `strike` is told how many kills it has; `kills` are those of a whole run, at most `at_once` of
    them between two times of peace. `hides_database`: pages can show nothing while it lasts.
    `lacks` says why it cannot be run here, None where it can. `judged` are its invariants: a fault
    on an installation of its own judges there itself, and not all of them.
    """

    name: str
    strike: Strike
    kills: int = 0
    at_once: int = 25
    runs: int = 1
    hides_database: bool = False
    judged: tuple[str, ...] = invariants.ALL
    lacks: Callable[[], str | None] = lambda: None

    def rounds(self, kills: int) -> list[int]:
        """Return the kills of each round, so that all rounds together have so many."""
        if not kills:
            return [0] * self.runs
        count = -(-kills // self.at_once)
        return [kills // count + (number < kills % count) for number in range(count)]

"""Figures on the screen, and the last ones of each script in benchmarks/results/."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Goal:
    """One claim: a measured value that must not exceed `limit`, or with `at_least` reach it."""

    claim: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the claim holds in this run."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def bound(self) -> str:
        """The limit with its sign."""
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True)
class Report:
    """What one script measured; `rows` are the lines of its table under `header`."""

    name: str
    title: str
    machine: dict[str, str]
    options: dict[str, Any]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal]
    notes: Sequence[str] = ()

    def publish(self) -> bool:
        """Print the report, write it down and return whether every goal is met."""
        is_met = self.show()
        if "ASTRAEUS_BENCH_QUICK" not in os.environ:
            self._write()
        return is_met

    def show(self) -> bool:
        """Print the report and return whether every goal is met."""
        self._print(Console())
        return all(goal.is_met for goal in self.goals)

    def _print(self, console: Console) -> None:
        console.print(f"[bold]{self.title}[/bold]")
        console.print(", ".join(f"{name} {value}" for name, value in self.machine.items()))
        table = Table(*self.header)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for goal in self.goals:
            verdict = "[green]pass[/green]" if goal.is_met else "[red]fail[/red]"
            console.print(f"{verdict}  {goal.claim}: {goal.value:.4g} (goal {goal.bound})")
        for note in self.notes:
            console.print(f"  {note}")

    def _write(self) -> None:
        RESULTS.mkdir(exist_ok=True)
        content = {**asdict(self), "taken_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        content["goals"] = [
            asdict(goal) | {"bound": goal.bound, "is_met": goal.is_met} for goal in self.goals
        ]
        (RESULTS / f"{self.name}.json").write_text(json.dumps(content, indent=1) + "\n")
        (RESULTS / "README.md").write_text(summary())


def summary() -> str:
    """Return one Markdown page of the last results of all scripts."""
    parts = ["# Last results\n\nWritten by the scripts; each states when and on what machine.\n"]
    parts += [_section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))]
    return "\n".join(parts)


def _section(content: dict[str, Any]) -> str:
    lines = [f"## {content['title']}", ""]
    machine = ", ".join(f"{name} {value}" for name, value in content["machine"].items())
    options = ", ".join(f"{name} {value}" for name, value in content["options"].items())
    lines += [f"{content['taken_at']}; {machine}; {options}", ""]
    lines += [_line(content["header"]), _line(["---"] * len(content["header"]))]
    lines += [_line(row) for row in content["rows"]]
    lines += ["", "| claim | measured | goal | |", "|---|---|---|---|"]
    lines += [
        f"| {goal['claim']} | {goal['value']:.4g} |"
        f" {goal.get('bound') or '<= ' + format(goal['limit'], 'g')} |"
        f" {'pass' if goal['is_met'] else '**fail**'} |"
        for goal in content["goals"]
    ]
    lines += ["", *(f"- {note}" for note in content["notes"]), ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

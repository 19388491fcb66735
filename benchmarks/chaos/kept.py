"""Lines of the table that a run has come to, so that one that was ended can go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.chaos.table import Line


@dataclass
class Kept:
    """Lines by fault, and the machine they were taken on; in a file where one is named."""

    path: Path | None
    machine: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> Kept:
        """Return what a file holds; nothing where there is none."""
        if path is None or not path.exists():
            return cls(path)
        content = json.loads(path.read_text())
        lines = {each["fault"]: Line(**each) for each in content["lines"]}
        return cls(path, content["machine"], lines)

    def add(self, line: Line, blind: list[str], machine: dict[str, str]) -> None:
        """Keep one more line, and which invariants were blind before it was struck."""
        line.blind = blind
        self.lines[line.fault], self.machine = line, machine
        if self.path is not None:
            told = {"machine": machine, "lines": [asdict(each) for each in self.lines.values()]}
            self.path.write_text(json.dumps(told, indent=1))

"""How well models did on the golden set, by the last report of each that is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

from astraeus_pipeline.settings import PROJECT_ROOT

# Written by `make eval`; without the repository there are none.
RESULTS: Final = PROJECT_ROOT / "benchmarks" / "results"
_PLACES: Final = Decimal("0.1")


@dataclass(frozen=True)
class PassRate:
    """The share of answers that passed, in percent, of how many, measured on a day."""

    percent: Decimal
    answers: int
    day: date


def pass_rates(folder: Path | None = None) -> dict[str, PassRate]:
    """Return what is stored, by "provider/model"."""
    found = {}
    for file in sorted((folder or RESULTS).glob("assistant-*.json")):
        report = json.loads(file.read_text())
        model, options = report["machine"].get("model"), report["options"]
        if model and options.get("answers"):
            share = Decimal(100 * options["passed"]) / options["answers"]
            found[model] = PassRate(
                share.quantize(_PLACES, ROUND_HALF_UP),
                options["answers"],
                date.fromisoformat(report["taken_at"][:10]),
            )
    return found

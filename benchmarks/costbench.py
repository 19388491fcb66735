"""costbench.py, the generator and scorer of labelled cost data, called as its authors mean it.

It is no part of this repository: ASTRAEUS_COSTBENCH names the script, or it lies in
`shared/anomaly_bench` beside the checkout.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from astraeus_pipeline.settings import PROJECT_ROOT


@dataclass(frozen=True)
class Score:
    """What the scorer says of one data set.

    `usd` is the excess of all labelled anomalies, `months` how many months of accounts are judged.
    """

    says: dict[str, Any]
    usd: Decimal
    months: float


@dataclass(frozen=True)
class Verdict:
    """Counts of several data sets added up; `kinds` are (found, labelled) by kind."""

    anomalies: int
    found: int
    false: int
    usd_recall: float
    false_per_month: float
    kinds: dict[str, tuple[int, int]]

    @property
    def precision(self) -> float:
        """Share of the alerts that were right."""
        return self.found / max(1, self.found + self.false)

    @property
    def recall(self) -> float:
        """Share of the anomalies that were found in time."""
        return self.found / max(1, self.anomalies)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.found / max(1, self.anomalies + self.found + self.false)

    def missed(self, kind: str) -> int:
        """Anomalies of a kind that were not found."""
        found, labelled = self.kinds.get(kind, (0, 0))
        return labelled - found


@dataclass(frozen=True)
class Costbench:
    """The script; each call is a process of its own."""

    script: Path

    @classmethod
    def find(cls) -> Costbench:
        """Return the script that the environment names or that lies beside the checkout."""
        beside = PROJECT_ROOT.parent / "shared" / "anomaly_bench" / "costbench.py"
        script = Path(os.environ.get("ASTRAEUS_COSTBENCH", beside))
        if not script.exists():
            raise SystemExit(f"No {script}: set ASTRAEUS_COSTBENCH to the path of costbench.py.")
        return cls(script.resolve())

    def generate(self, seed: int, cache: Path) -> Path:
        """Generate a seed's data, labels included, unless the cache has it."""
        folder = cache / f"costbench-{seed}"
        if not (folder / "meta.json").exists():
            self._run("generate", "--seed", str(seed), "--out", str(folder))
        return folder

    def baseline(self, folder: Path, out: Path) -> Path:
        """Write what a mean of 30 days plus three deviations would flag."""
        target = out / f"baseline-{folder.name}.csv"
        self._run("baseline", "--data", str(folder), "--out", str(target))
        return target

    def score(self, folder: Path, predictions: Path) -> Score:
        """Judge predictions by the folder's labels."""
        answer = predictions.with_suffix(".json")
        files = ["--pred", str(predictions), "--json", str(answer)]
        self._run("score", "--data", str(folder), *files)
        usd = sum(
            (
                Decimal(row["excess_usd"])
                for row in _rows(folder / "labels.csv")
                if row["direction"] == "up"
            ),
            Decimal(0),
        )
        return Score(json.loads(answer.read_text()), usd, _account_months(folder))

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, str(self.script), *words], capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"costbench.py {words[0]} failed: {done.stderr[-2000:]}")


def pooled(scores: Sequence[Score]) -> Verdict:
    """Add up the counts; an average of ratios would weigh small data sets like large ones."""
    kinds: dict[str, tuple[int, int]] = {}
    for score in scores:
        for kind, text in score.says["recall_by_kind"].items():
            found, labelled = map(int, text.split("/"))
            before = kinds.get(kind, (0, 0))
            kinds[kind] = (before[0] + found, before[1] + labelled)
    total = sum((score.usd for score in scores), Decimal(0))
    caught = sum(float(score.usd) * score.says["usd_recall"] for score in scores)
    months = sum(score.months for score in scores)
    false = sum(score.says["fp"] for score in scores)
    return Verdict(
        anomalies=sum(score.says["anomalies"] for score in scores),
        found=sum(score.says["tp"] for score in scores),
        false=false,
        usd_recall=caught / float(total) if total else 0.0,
        false_per_month=false / months if months else 0.0,
        kinds=kinds,
    )


def _account_months(folder: Path) -> float:
    """Return accounts times months after the warm-up, which the scorer leaves out."""
    warm_up = json.loads((folder / "meta.json").read_text())["warmup_days"]
    accounts, days = set(), set()
    for row in _rows(folder / "series.csv"):
        accounts.add(row["account_id"])
        days.add(date.fromisoformat(row["date"]))
    judged = (max(days) - min(days)).days + 1 - warm_up
    return len(accounts) * judged / 30.4375


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as handle:
        yield from csv.DictReader(handle)

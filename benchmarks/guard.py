"""How long the guard takes to check a query of a model: `python -m benchmarks guard`.

The honest questions and the attacks of the tests, each many times, without a database.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import yaml

from app.queries.guard import guarded
from astraeus_pipeline.errors import ConfigError
from benchmarks.report import Goal, Report
from tests.fixtures.guarded_sql import ATTACKS, QUESTIONS

_MARTS = Path(__file__).parents[1] / "dbt_project" / "models" / "marts"
_GOAL_MS = 25.0


def marts() -> dict[str, frozenset[str]]:
    """Return the marts with their columns, as the project describes them."""
    return {
        model["name"]: frozenset(column["name"] for column in model["columns"])
        for file in _MARTS.glob("*.yml")
        for model in yaml.safe_load(file.read_text()).get("models", ())
    }


def main() -> None:
    """Measure, and say whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    chosen = parser.parse_args()
    known = marts()
    corpora = {
        "honest questions": [sql for sql, _ in QUESTIONS],
        "attacks": [sql for tries in ATTACKS.values() for sql in tries],
    }
    rows, percentiles = [], {}
    for name, queries in corpora.items():
        refused = sum(_seconds(sql, known)[1] for sql in queries)  # and warm
        taken = [1000 * _seconds(sql, known)[0] for _ in range(chosen.runs) for sql in queries]
        percentiles[name] = statistics.quantiles(taken, n=20)[-1]
        rows.append(
            (
                name,
                str(len(queries)),
                str(refused),
                f"{statistics.median(taken):.2f}",
                f"{percentiles[name]:.2f}",
                f"{max(taken):.2f}",
            )
        )
    report = Report(
        "guard",
        "The guard of SQL that a model wrote",
        {
            "cores": str(os.cpu_count()),
            "python": platform.python_version(),
            "sqlglot": version("sqlglot"),
        },
        {"runs": chosen.runs},
        ("queries", "number", "refused", "p50 ms", "p95 ms", "max ms"),
        rows,
        [
            Goal(f"p95 of the guard, {name}, ms", value, _GOAL_MS)
            for name, value in percentiles.items()
        ],
    )
    raise SystemExit(0 if report.publish() else 1)


def _seconds(sql: str, known: dict[str, frozenset[str]]) -> tuple[float, bool]:
    started = time.perf_counter()
    try:
        guarded(sql, known, 50)
    except ConfigError:
        return time.perf_counter() - started, True
    return time.perf_counter() - started, False


if __name__ == "__main__":
    main()

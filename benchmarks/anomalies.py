"""Claim: the detector finds what costs money and raises few false alarms, on labelled data.

Folders as costbench.py generates them go the way of every bill: raw rows through the loader, dbt,
the detector, marts. All but the last day come first and the last day comes alone, so that what is
judged includes an increment, and its time is told. Predictions are the flagged days of the
incidents of services. Labels are read by the scorer alone, after the predictions stand in a file;
a folder without labels gets its predictions and no figures.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astraeus_pipeline.warehouse import anomaly_scores
from benchmarks import costbench
from benchmarks.costbench_bills import PUBLIC_SEEDS, Folder, Way
from benchmarks.data import cache_folder
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

_MODELS: Final = ("--select", "+fct_cost_anomalies", "fct_anomaly_scores")
_PREDICTIONS: Final = """
    select scores.account_id, scores.service_name, scores.usage_date
    from marts.fct_cost_anomalies as incidents
    inner join marts.fct_anomaly_scores as scores
        on scores.account_id = incidents.account_id
        and scores.series_key = incidents.series_key
        and scores.usage_date between incidents.start_date and incidents.end_date
    where incidents.kind = 'cost' and incidents.scope = 'service' and scores.reason is not null
    order by 1, 2, 3
"""


def build_and_score(way: Way) -> tuple[float, float, anomaly_scores.Summary]:
    """Return the seconds of dbt and of the detector, and what was scored."""
    built = way.build("anomalies", *_MODELS)
    started = time.perf_counter()
    with way.place.database.connect("dbt", autocommit=True) as conn:
        summary = anomaly_scores.score_changes(conn)
    return built.cost.wall, time.perf_counter() - started, summary


def predictions(place: Scratch, folder: Folder, target: Path) -> None:
    """Write the flagged days of the folder's services."""
    with place.database.connect("operator") as conn, target.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["account_id", "service", "date", "is_anomaly"])
        for account_id, service, day in conn.execute(_PREDICTIONS):
            number, _, name = account_id.partition(".")
            if int(number) == folder.number:
                writer.writerow([name, service, day, 1])


@dataclass(frozen=True)
class Times:
    """Seconds of dbt and of the detector, for the whole history and for one more day."""

    full: tuple[float, float, anomaly_scores.Summary]
    day: tuple[float, float, anomaly_scores.Summary]


def run(place: Scratch, folders: Sequence[Folder], out: Path) -> tuple[Times, list[Path]]:
    """Bring the folders through the warehouse; write and return the predictions of each."""
    bills = {slug: bill for folder in folders for slug, bill in folder.bills().items()}
    last = max(day for bill in bills.values() for day in bill)
    way = Way(place, last)
    for slug, bill in bills.items():
        way.deliver(slug, {day: charges for day, charges in bill.items() if day < last})
    full = build_and_score(way)
    for slug, bill in bills.items():
        if last in bill:
            way.deliver(slug, {last: bill[last]})
    times = Times(full, build_and_score(way))
    out.mkdir(parents=True, exist_ok=True)
    targets = [out / f"{folder.number:02d}-{folder.path.name}.csv" for folder in folders]
    for folder, target in zip(folders, targets, strict=True):
        predictions(place, folder, target)
    return times, targets


def main() -> None:
    """Bring the data through, write predictions, judge them where there are labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", type=Path, help="folders of costbench.py generate")
    parser.add_argument("--out", type=Path, help="folder of the predictions")
    parser.add_argument("--seeds", type=int, nargs="+", default=PUBLIC_SEEDS)
    chosen = parser.parse_args()
    paths = chosen.data or [
        costbench.Costbench.find().generate(seed, cache_folder()) for seed in chosen.seeds
    ]
    folders = [Folder(number, path.resolve()) for number, path in enumerate(paths)]
    out = chosen.out or cache_folder() / "anomaly-predictions"
    with scratch() as place:
        times, targets = run(place, folders, out.resolve())
        on = machine(place.admin)
    for target in targets:
        print(target)
    labelled = [
        (folder.path, target)
        for folder, target in zip(folders, targets, strict=True)
        if (folder.path / "labels.csv").exists()
    ]
    if len(labelled) < len(folders):
        print(f"{len(folders) - len(labelled)} folders have no labels: predictions only")
    if not labelled:
        return
    tool = costbench.Costbench.find()
    ours = costbench.pooled([tool.score(*each) for each in labelled])
    usual = costbench.pooled([tool.score(path, tool.baseline(path, out)) for path, _ in labelled])
    report = _report(ours, usual, times, on, [folder.path.name for folder in folders])
    is_met = report.publish() if not chosen.data else report.show()
    raise SystemExit(0 if is_met else 1)


def _report(
    ours: costbench.Verdict,
    usual: costbench.Verdict,
    times: Times,
    on: dict[str, str],
    names: list[str],
) -> Report:
    (dbt_full, full, whole), (dbt_day, day, one) = times.full, times.day
    return Report(
        name="anomalies",
        title=f"Anomalies: {ours.anomalies} labelled ones in {' '.join(names)}, pooled",
        machine=on,
        options={"data": " ".join(names)},
        header=("detector", "F1", "precision", "recall", "USD recall", "false a month"),
        rows=[_row("ours", ours), _row("mean of 30 days + 3 sigma", usual)],
        goals=[
            Goal("F1", ours.f1, 0.87, at_least=True),
            Goal("precision", ours.precision, 0.80, at_least=True),
            Goal("recall", ours.recall, 0.85, at_least=True),
            Goal("recall of dollars", ours.usd_recall, 0.95, at_least=True),
            Goal("false alerts per account and month", ours.false_per_month, 0.12),
            Goal("new services missed", float(ours.missed("new_service")), 0),
        ],
        notes=(
            f"Found by kind: {_kinds(ours)}; by the mean of 30 days: {_kinds(usual)}.",
            "Generator and detector know the same billing rules; no labelled bills are public.",
            f"Whole history: dbt {dbt_full:.1f} s, detector {full:.1f} s for"
            f" {whole.series_days:,} series days of {whole.series} series in {whole.accounts}"
            " accounts, scopes service and account.",
            f"One more day of {one.accounts} accounts: dbt {dbt_day:.1f} s, detector {day:.1f} s"
            f" for {one.series_days:,} series days, 1/{full / day:.0f} of the whole.",
        ),
    )


def _row(name: str, verdict: costbench.Verdict) -> tuple[str, ...]:
    figures = (verdict.f1, verdict.precision, verdict.recall, verdict.usd_recall)
    return (name, *(f"{each:.3f}" for each in figures), f"{verdict.false_per_month:.3f}")


def _kinds(verdict: costbench.Verdict) -> str:
    return ", ".join(f"{kind} {a}/{b}" for kind, (a, b) in sorted(verdict.kinds.items()))


if __name__ == "__main__":
    main()

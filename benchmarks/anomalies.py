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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow as pa

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.warehouse import anomaly_scores
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks import costbench
from benchmarks.data import cache_folder
from benchmarks.marts import Marts
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

PUBLIC_SEEDS: Final = (101, 102, 103)
_MODELS: Final = ("--select", "+fct_cost_anomalies", "fct_anomaly_scores")
_SETTLE_DAYS: Final = 3
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


@dataclass(frozen=True)
class Folder:
    """One generated data set; its accounts get a prefix, since two may have equal names."""

    number: int
    path: Path

    def slug(self, account_id: str) -> str:
        """Return the account's slug in the warehouse."""
        return f"{self.number}.{account_id}"

    def bills(self) -> dict[str, dict[date, list[dict[str, object]]]]:
        """Return the charges of each day by account."""
        bills: dict[str, dict[date, list[dict[str, object]]]] = {}
        with (self.path / "series.csv").open(newline="") as handle:
            for row in csv.DictReader(handle):
                day = date.fromisoformat(row["date"])
                charges = bills.setdefault(self.slug(row["account_id"]), {}).setdefault(day, [])
                charges.extend(_charges(row, day))
        return bills


def _charges(row: dict[str, str], day: date) -> Iterator[dict[str, object]]:
    """Yield the day's usage, and as an adjustment what was billed beside it, as tax or credits."""
    usage, total = Decimal(row["cost_usage"]), Decimal(row["cost"])
    for category, cost in (("Usage", usage), ("Adjustment", total - usage)):
        if cost or category == "Usage":
            yield {
                "usage_date": day,
                "billing_period": day.replace(day=1),
                "billing_currency": "USD",
                "billing_account_id": row["account_id"],
                "sub_account_id": row["account_id"],
                "charge_category": category,
                "service_name": row["service"],
                "charge_period_start": datetime(day.year, day.month, day.day, tzinfo=UTC),
                **dict.fromkeys(FOCUS_COSTS.cost_types, cost),
            }


def _runs(days: Sequence[date]) -> Iterator[DayRange]:
    """Yield the unbroken ranges: what is missing between them was never delivered."""
    start = 0
    for at in range(1, len(days) + 1):
        if at == len(days) or days[at] - days[at - 1] > timedelta(days=1):
            yield DayRange(days[start], days[at - 1])
            start = at


class Way:
    """Brings data through the warehouse, as of a day on which all of it has settled."""

    def __init__(self, place: Scratch, last: date) -> None:
        self.place, self.today = place, last + timedelta(days=_SETTLE_DAYS + 7)
        self.marts = Marts(place)
        self.marts.prepare()

    def deliver(self, account_id: str, bill: dict[date, list[dict[str, object]]]) -> None:
        """Load the days that have charges, each unbroken range as one delivery."""
        options = LoadOptions(today=self.today, settle_days=_SETTLE_DAYS)
        with self.place.database.connect("loader", autocommit=True) as conn:
            for days in _runs(sorted(bill)):
                rows = [RowBatch(_batch([each for day in days for each in bill[day]]))]
                fetched = Fetched(account_id, "costs", days, "api", "benchmark", parts=())
                payload = StoredPayload("none", f"{account_id} {days}", 0)
                result = load(conn, FOCUS_COSTS, fetched, payload, rows.copy, options)
                assert len(result.days("replaced")) == len(days), result

    def build_and_score(self) -> tuple[float, float, anomaly_scores.Summary]:
        """Return the seconds of dbt and of the detector, and what was scored."""
        built = self.marts.build("anomalies", *_MODELS, "--vars", f"{{today: '{self.today}'}}")
        started = time.perf_counter()
        with self.place.database.connect("dbt", autocommit=True) as conn:
            summary = anomaly_scores.score_changes(conn)
        return built.cost.wall, time.perf_counter() - started, summary

    def predictions(self, folder: Folder, target: Path) -> None:
        """Write the flagged days of the folder's services."""
        with self.place.database.connect("reader") as conn, target.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["account_id", "service", "date", "is_anomaly"])
            for account_id, service, day in conn.execute(_PREDICTIONS):
                number, _, name = account_id.partition(".")
                if int(number) == folder.number:
                    writer.writerow([name, service, day, 1])


def _batch(charges: Sequence[dict[str, object]]) -> pa.RecordBatch:
    columns = {
        column.name: pa.array(
            [
                number if column.name == "row_number" else charge.get(column.name)
                for number, charge in enumerate(charges, 1)
            ],
            arrow_type(column.type, 12),
        )
        for column in FOCUS_COSTS.row_columns
    }
    return pa.record_batch(columns)


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
    full = way.build_and_score()
    for slug, bill in bills.items():
        if last in bill:
            way.deliver(slug, {last: bill[last]})
    times = Times(full, way.build_and_score())
    out.mkdir(parents=True, exist_ok=True)
    targets = [out / f"{folder.number:02d}-{folder.path.name}.csv" for folder in folders]
    for folder, target in zip(folders, targets, strict=True):
        way.predictions(folder, target)
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

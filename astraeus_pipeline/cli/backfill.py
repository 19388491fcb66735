"""`astraeus backfill`: ranges of days through the real assets."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from astraeus_pipeline.cli.context import open_migrated
from astraeus_pipeline.cli.output import Json, console, print_records
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.cli.workers import Workers
    from astraeus_pipeline.contracts.columns import Dataset
    from astraeus_pipeline.orchestration.account_run import AccountRun, Request
    from astraeus_pipeline.orchestration.backfilling import Backfill
    from astraeus_pipeline.providers.base import Provider
    from astraeus_pipeline.warehouse.engine import Database

# A person waits: a provider that asks for more than this is left to the next run.
_LONGEST_WAIT_SECONDS: Final = 120.0


def backfill(
    account: Annotated[
        list[str] | None, typer.Option(help="Account to ingest; repeatable. All if left out.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First UTC day; 30 days ago if left out.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last UTC day; today if left out.")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="costs, resources, utilisation, ...; all for whatever there is")
    ] = "costs",
    as_json: Json = False,
) -> None:
    """Ingest days of accounts, one Dagster run each, then build the marts once."""
    days = _days(first, last)
    settings = Settings.from_env()
    database = open_migrated(settings)
    runs, marts = run_backfill(settings, database, account, days, dataset)
    records = [
        {
            "account": run.account,
            "dataset": run.dataset,
            "partitions": run.partitions,
            "result": run.error or "all stand",
            "rows": run.metadata.get("dagster/row_count"),
            "run": run.run_id,
        }
        for run in runs
    ]
    print_records(
        f"Backfill of {dataset}, {days}", records, as_json=as_json, empty="Nothing to do."
    )
    if marts:
        console.print(f"[red]The marts were not built:[/] {marts}")
    if marts or any(run.error for run in runs):
        raise typer.Exit(1)


def run_backfill(
    settings: Settings,
    database: Database,
    accounts: list[str] | None,
    days: DayRange,
    dataset: str | Collection[str] = "costs",
    *,
    build_marts: bool = True,
    second_try_after: float = 10.0,
    pool: Workers | None = None,
) -> tuple[list[AccountRun], str | None]:
    """Ingest the days and build the marts; return the runs and the marts' error, if any.

    "all" takes every dataset that an account takes part in; of a snapshot, today's alone.
    What failed in passing is tried once more, after all others have had their turn and at least
    `second_try_after` seconds: that heals a hiccup, and an outage holds up nobody else.
    One account after the other, in this process, unless a pool of workers is given.
    Raises: ConfigError for an account that is unknown, paused or has no such dataset.
    """
    worker = pool or _worker(settings, database)
    asked = {dataset} if isinstance(dataset, str) else set(dataset)
    requests: list[Request] = [
        (slug, provider, each, _days_of(provider, each, days))
        for slug, provider, each in _chosen(worker.accounts(), accounts, asked)
    ]
    with _progress() as progress, _quietly(settings):
        task = progress.add_task("Ingesting", total=len(requests) + build_marts)

        def tell(words: str, ended: int = 0) -> None:
            progress.update(task, description=words, advance=ended)

        runs = worker.ingest_each(requests, tell)
        if again := _worth_another_try(runs):
            wait = max(second_try_after, *(runs[number].try_again_after or 0 for number in again))
            tell(f"Once more in {wait:.0f} s: {len(again)} failed")
            time.sleep(wait)
            second = worker.ingest_each([requests[number] for number in again], tell)
            for number, run in zip(again, second, strict=True):
                runs[number] = run
        marts = None
        if build_marts:
            tell("Building the marts")
            marts = worker.build_marts()
            tell("Built the marts", 1)
    return runs, marts


def _worth_another_try(runs: list[AccountRun]) -> list[int]:
    """Return which runs failed in passing and are asked for soon enough to wait for."""
    return [
        number
        for number, run in enumerate(runs)
        if run.try_again_after is not None and run.try_again_after <= _LONGEST_WAIT_SECONDS
    ]


def _worker(settings: Settings, database: Database) -> Backfill:
    from astraeus_pipeline.orchestration import environment

    environment.prepare(settings, database)
    from astraeus_pipeline.orchestration.backfilling import Backfill

    return Backfill(settings, database)


def _chosen(
    known: dict[str, tuple[Provider, tuple[Dataset, ...]]],
    wanted: list[str] | None,
    asked: set[str],
) -> list[tuple[str, Provider, Dataset]]:
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        raise ConfigError(
            f"No active account {unknown[0]!r}.",
            hint=f"Active accounts: {', '.join(sorted(known)) or 'none'}.",
        )
    chosen = [
        (slug, provider, each)
        for slug, (provider, datasets) in known.items()
        for each in datasets
        if (not wanted or slug in wanted) and asked & {each, "all"}
    ]
    if not chosen:
        raise ConfigError(
            f"No account to ingest {', '.join(sorted(asked))} of.",
            hint="Add one: `astraeus account add`.",
        )
    return chosen


def _days_of(provider: Provider, dataset: Dataset, days: DayRange) -> DayRange:
    """Return the days to ask for: of a snapshot only the last, which must be today."""
    return DayRange(days.last, days.last) if dataset in provider.snapshots else days


def _days(first: str | None, last: str | None) -> DayRange:
    today = datetime.now(UTC).date()
    try:
        end = date.fromisoformat(last) if last else today
        start = date.fromisoformat(first) if first else end - timedelta(days=30)
        return DayRange(start, end)
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Write days as 2026-10-31.") from None


@contextlib.contextmanager
def _quietly(settings: Settings) -> Iterator[None]:
    """Send what Dagster and dbt print to a log file: the run page has it all."""
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "backfill.log").open("a") as log, contextlib.redirect_stdout(log):
        yield


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # into a file it would leave an empty line
    )

"""What is asked of a run of one account's days, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.base import Provider

# Account, its provider, what to ingest.
Request = tuple[str, Provider, Dataset, DayRange]
# Told what is under way, and how many more requests have ended.
Tell = Callable[[str, int], None]


@dataclass(frozen=True)
class AccountRun:
    """How the run of one account and dataset ended; `error` in plain words, None if all stands.

    `try_again_after` is in seconds, None where the same run would fail again.
    """

    account: str
    dataset: Dataset
    run_id: str
    partitions: int
    error: str | None
    metadata: dict[str, str]
    try_again_after: float | None = None

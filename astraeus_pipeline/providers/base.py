"""What a provider must offer; orchestration, CLI and account forms know nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from pydantic import BaseModel

from astraeus_pipeline.contracts.account import Account, Discovered
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch


@dataclass(frozen=True)
class CredentialField:
    """One secret that an account of this provider may hold; asked for by CLI and account form."""

    name: str
    label: str
    required: bool = False


@dataclass(frozen=True)
class Identity:
    """Whom the credentials belong to, as the provider answers; shown by `account test`."""

    summary: str
    details: Mapping[str, str]


class Provider(ABC):
    """One source of bills. Instances are stateless; clients live as long as one call."""

    key: ClassVar[str]
    label: ClassVar[str]
    # What each dataset's asset is named after; formats beside that one are in `further_shapes`.
    tables: ClassVar[Mapping[Dataset, RawTable]]
    further_shapes: ClassVar[Mapping[Dataset, tuple[RawTable, ...]]] = {}
    # Datasets that tell what stands today, and nothing of the past.
    snapshots: ClassVar[frozenset[Dataset]] = frozenset({"resources"})
    credential_fields: ClassVar[tuple[CredentialField, ...]] = ()
    config_model: ClassVar[type[BaseModel]]
    # A day this old (in days) is expected to be settled: shrinkage from then on is suspicious.
    settle_days: ClassVar[int]
    # Days of one fetch that is worth its overhead; a longer range is fetched in several.
    max_fetch_days: ClassVar[int] = 366
    # Fetches of different accounts that may run at once, a Dagster pool limit.
    pool_limit: ClassVar[int] = 4

    def shapes(self, dataset: Dataset) -> tuple[RawTable, ...]:
        """Return the raw tables that rows of a dataset may stand in."""
        return (self.tables[dataset], *self.further_shapes.get(dataset, ()))

    def table_of(self, fetched: Fetched) -> RawTable:
        """Return the raw table that a delivery's rows belong to.

        Raises: KeyError for a dataset or shape that the provider lacks.
        """
        known = {table.shape: table for table in self.shapes(fetched.dataset)}
        return known[fetched.shape]

    def datasets(self, account: Account) -> tuple[Dataset, ...]:
        """Return the datasets that an account takes part in; the others are never asked for."""
        del account
        return tuple(self.tables)

    def discover(self, account: Account) -> Iterator[Discovered]:
        """Yield the accounts that this one's credentials see below it; nothing by default.

        Raises: ProviderError.
        """
        del account
        yield from ()

    @abstractmethod
    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Return the days that the daily schedule reads again, ending with `today`."""

    @abstractmethod
    def check(self, account: Account) -> Identity:
        """Try the credentials with the cheapest call that proves them.

        Raises: AuthError, ConfigError, TransientError.
        """

    @abstractmethod
    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch the days into the landing store, one `Fetched` per delivery.

        Raises: ProviderError (transient or permanent), ConfigError.
        """

    @abstractmethod
    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored parts into batches of the dataset's contract, again and again the same.

        Raises: PayloadError if a part as a whole cannot be read.
        """

"""Azure: daily costs from Cost Management or its exports, and the inventory by Resource Graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ValidationError

from astraeus_pipeline.contracts.account import Account, Discovered
from astraeus_pipeline.contracts.azure import (
    AZURE_COSTS,
    AZURE_COSTS_EXPORT,
    AZURE_COSTS_FOCUS,
    AZURE_RESOURCES,
)
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.errors import AuthError, ConfigError
from astraeus_pipeline.providers.azure.client import AzureClients
from astraeus_pipeline.providers.azure.config import AzureConfig
from astraeus_pipeline.providers.azure.costs import fetch_costs
from astraeus_pipeline.providers.azure.discovery import find_subscriptions, subscriptions
from astraeus_pipeline.providers.azure.exports import describe, fetch_exports, rows
from astraeus_pipeline.providers.azure.records import batches
from astraeus_pipeline.providers.azure.resources import fetch_resources
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider


class AzureProvider(Provider):
    """Costs by charge type, resource and meter, actual and amortized; resources of all types."""

    key = "azure"
    label = "Microsoft Azure"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {
        "costs": AZURE_COSTS,
        "resources": AZURE_RESOURCES,
    }
    further_shapes: ClassVar[Mapping[Dataset, tuple[RawTable, ...]]] = {
        "costs": (AZURE_COSTS_EXPORT, AZURE_COSTS_FOCUS)
    }
    credential_fields = (CredentialField("client_secret", "Client secret"),)
    config_model: ClassVar[type[BaseModel]] = AzureConfig
    settle_days = 2
    # A query is priced in months asked about: three fit the quota of ten seconds four times.
    max_fetch_days = 92
    pool_limit = 2

    def datasets(self, account: Account) -> tuple[Dataset, ...]:
        """Return all datasets for a subscription, costs alone for an export of several.

        An account that only finds others has none.
        """
        config = _config(account)
        if config.datasets:
            return config.datasets
        if config.subscription_id:
            return tuple(self.tables)
        return ("costs",) if config.export_url else ()

    def discover(self, account: Account) -> Iterator[Discovered]:
        """Yield the subscriptions of the account's management group, or all that it sees.

        Nothing where the configuration asks for neither.
        Raises: AuthError if some of the group's subscriptions may not be read; ConfigError,
        TransientError.
        """
        config = _config(account)
        if config.finds_others:
            yield from find_subscriptions(AzureClients(account, config))

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read the month under way, and the one before until its usage is closed (day 6).

        Usage comes until 72 hours after the month, until day 5 at most.
        """
        return open_months(today, closes_on=6)

    def check(self, account: Account) -> Identity:
        """List the subscriptions that the credentials see, and look at the exports.

        A person may sign in by device code.

        Raises: AuthError if the account's own subscription is not among them; ConfigError,
        TransientError.
        """
        config = _config(account)
        exported = describe(account, config) if config.cost_source != "query" else {}
        if not config.needs_credentials:
            return Identity("Azure export files in a folder", exported)
        clients = AzureClients(account, config, is_attended=True)
        seen = subscriptions(clients)
        own = next((each for each in seen if each.id == config.subscription_id), None)
        if config.subscription_id and own is None:
            raise AuthError(
                f"Azure account {account.slug}: the credentials work, and do not see subscription"
                f" {config.subscription_id}.",
                hint="Assign the roles Reader and Cost Management Reader on it.",
            )
        summary = f"subscription {own.name} ({own.state})" if own else f"{len(seen)} subscriptions"
        return Identity(
            f"Azure {summary}",
            {"tenant": str(config.tenant_id), "subscriptions": str(len(seen))}
            | exported
            | ({"subscription": own.id, "state": own.state} if own else {}),
        )

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch costs of the days (exports month by month), or today's inventory."""
        config = _config(account)
        if dataset == "costs" and config.cost_source != "query":
            yield from fetch_exports(account, config, days, landing)
            return
        clients = AzureClients(account, config)
        if dataset == "costs":
            yield fetch_costs(clients, days, landing)
        else:
            yield fetch_resources(clients, days, landing)

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored pages or files."""
        if fetched.shape is not None:
            return rows(fetched, landing)
        return batches(self.table_of(fetched), fetched, landing)


def _config(account: Account) -> AzureConfig:
    try:
        return AzureConfig.model_validate(dict(account.config))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "configuration"
        raise ConfigError(
            f"Azure account {account.slug}: {place}: {first['msg']}.",
            hint="Correct the account's configuration.",
        ) from None


AZURE = AzureProvider()

"""AWS: daily costs from Cost Explorer, and the inventory of all enabled regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ValidationError

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.aws import (
    AWS_COSTS,
    AWS_COSTS_CUR,
    AWS_COSTS_FOCUS,
    AWS_RESOURCES,
)
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.config import AwsConfig
from astraeus_pipeline.providers.aws.costs import fetch_costs
from astraeus_pipeline.providers.aws.exports import describe, fetch_exports, open_export, rows
from astraeus_pipeline.providers.aws.records import batches
from astraeus_pipeline.providers.aws.resources import fetch_resources
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider


class AwsProvider(Provider):
    """Costs by service, usage type, region, linked account and record type; resources."""

    key = "aws"
    label = "Amazon Web Services"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {"costs": AWS_COSTS, "resources": AWS_RESOURCES}
    further_shapes: ClassVar[Mapping[Dataset, tuple[RawTable, ...]]] = {
        "costs": (AWS_COSTS_CUR, AWS_COSTS_FOCUS)
    }
    credential_fields = (
        CredentialField("access_key_id", "Access key id"),
        CredentialField("secret_access_key", "Secret access key"),
        CredentialField("session_token", "Session token"),
    )
    config_model: ClassVar[type[BaseModel]] = AwsConfig
    settle_days = 2

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read the month under way, and the one before until its bill is closed (day 15)."""
        return open_months(today, closes_on=15)

    def check(self, account: Account) -> Identity:
        """Ask STS who we are, and look at the export where costs come from one."""
        clients = AwsClients(account, _config(account))
        with translated(account, "asking for the caller's identity"):
            answer = clients.client("sts").get_caller_identity()
        details = {"account": str(answer["Account"]), "arn": str(answer["Arn"])}
        if clients.config.cost_source == "export":
            details |= describe(open_export(clients), clients.config.export_format)
        return Identity(f"AWS account {answer['Account']}", details)

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch costs of the days, or today's inventory, as one delivery."""
        clients = AwsClients(account, _config(account))
        if dataset == "costs" and clients.config.cost_source == "export":
            yield from fetch_exports(clients, days, landing)
        elif dataset == "costs":
            yield fetch_costs(clients, days, landing)
        else:
            yield fetch_resources(clients, days, landing)

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored pages or files."""
        if fetched.shape is not None:
            return rows(fetched, landing)
        return batches(self.table_of(fetched), fetched, landing)


def _config(account: Account) -> AwsConfig:
    try:
        return AwsConfig.model_validate(dict(account.config))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"AWS account {account.slug}: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            hint="Correct the account's configuration.",
        ) from None


AWS = AwsProvider()

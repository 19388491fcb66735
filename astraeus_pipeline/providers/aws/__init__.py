"""AWS: bills, inventory and its use, commitments, AWS's own forecast and anomalies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import ClassVar, Final

from pydantic import BaseModel

from astraeus_pipeline.contracts.account import Account, Discovered
from astraeus_pipeline.contracts.aws import (
    AWS_COSTS,
    AWS_COSTS_CUR,
    AWS_COSTS_FOCUS,
    AWS_RESOURCES,
)
from astraeus_pipeline.contracts.aws_insights import (
    AWS_ANOMALIES,
    AWS_COMMITMENTS,
    AWS_FORECASTS,
    AWS_UTILISATION,
)
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.providers.aws.anomalies import fetch_anomalies
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.commitments import fetch_commitments
from astraeus_pipeline.providers.aws.config import AwsConfig, config_of
from astraeus_pipeline.providers.aws.costs import fetch_costs
from astraeus_pipeline.providers.aws.discovery import find_members
from astraeus_pipeline.providers.aws.exports import describe, fetch_exports, open_export, rows
from astraeus_pipeline.providers.aws.forecasts import fetch_forecasts
from astraeus_pipeline.providers.aws.records import batches
from astraeus_pipeline.providers.aws.resources import fetch_resources
from astraeus_pipeline.providers.aws.utilisation import fetch_utilisation
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider

_FETCH: Final[Mapping[Dataset, Callable[[AwsClients, DayRange, Landing], Fetched]]] = {
    "costs": fetch_costs,
    "resources": fetch_resources,
    "utilisation": fetch_utilisation,
    "commitments": fetch_commitments,
    "forecasts": fetch_forecasts,
    "anomalies": fetch_anomalies,
}
# Days before today that are read again: CloudWatch and commitments settle within two.
_SETTLING: Final[Mapping[Dataset, int]] = {"utilisation": 3, "commitments": 4}


class AwsProvider(Provider):
    """An AWS account, or a payer with all that its organization is billed for."""

    key = "aws"
    label = "Amazon Web Services"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {
        "costs": AWS_COSTS,
        "resources": AWS_RESOURCES,
        "utilisation": AWS_UTILISATION,
        "commitments": AWS_COMMITMENTS,
        "forecasts": AWS_FORECASTS,
        "anomalies": AWS_ANOMALIES,
    }
    further_shapes: ClassVar[Mapping[Dataset, tuple[RawTable, ...]]] = {
        "costs": (AWS_COSTS_CUR, AWS_COSTS_FOCUS)
    }
    snapshots = frozenset({"resources", "forecasts", "anomalies"})
    credential_fields = (
        CredentialField("access_key_id", "Access key id"),
        CredentialField("secret_access_key", "Secret access key"),
        CredentialField("session_token", "Session token"),
    )
    config_model: ClassVar[type[BaseModel]] = AwsConfig
    settle_days = 2

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read the month under way, and the one before until its bill is closed (day 15).

        What is no bill settles sooner, and each day of it is a request that is paid for.
        """
        if dataset in _SETTLING:
            return DayRange(today - timedelta(days=_SETTLING[dataset]), today)
        return open_months(today, closes_on=15)

    def datasets(self, account: Account) -> tuple[Dataset, ...]:
        """Return the datasets that the account's configuration names, or all.

        A folder of copied export files has costs alone.
        """
        config = config_of(account)
        return ("costs",) if config.is_folder_alone else config.datasets or tuple(self.tables)

    def discover(self, account: Account) -> Iterator[Discovered]:
        """Yield the members of the account's organization, if its configuration asks for them."""
        config = config_of(account)
        if config.discover:
            yield from find_members(AwsClients(account, config))

    def check(self, account: Account) -> Identity:
        """Ask STS who we are, and look at the export where costs come from one."""
        clients = AwsClients(account, config_of(account))
        exported: dict[str, str] = {}
        if clients.config.cost_source == "export":
            exported = describe(open_export(clients), clients.config.export_format)
        if not clients.config.needs_credentials:
            return Identity("AWS export files in a folder", exported)
        with translated(account, "asking for the caller's identity"):
            answer = clients.client("sts").get_caller_identity()
        details = {"account": str(answer["Account"]), "arn": str(answer["Arn"])} | exported
        return Identity(f"AWS account {answer['Account']}", details)

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch a dataset of the days, or as it stands today."""
        clients = AwsClients(account, config_of(account))
        if dataset == "costs" and clients.config.cost_source == "export":
            yield from fetch_exports(clients, days, landing)
        else:
            yield _FETCH[dataset](clients, days, landing)

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored pages or files."""
        if fetched.shape is not None:
            return rows(fetched, landing)
        return batches(self.table_of(fetched), fetched, landing)


AWS = AwsProvider()

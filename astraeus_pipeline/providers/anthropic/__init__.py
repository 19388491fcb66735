"""Anthropic: what an organization spends and uses on the Claude API, by its Admin API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from pydantic import BaseModel

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.anthropic import ANTHROPIC_COSTS, ANTHROPIC_UTILISATION
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.providers.anthropic.client import AnthropicApi
from astraeus_pipeline.providers.anthropic.config import AnthropicConfig
from astraeus_pipeline.providers.anthropic.costs import fetch_costs
from astraeus_pipeline.providers.anthropic.records import rows_of
from astraeus_pipeline.providers.anthropic.usage import fetch_usage
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider
from astraeus_pipeline.reports.api import CREDENTIAL
from astraeus_pipeline.reports.configuration import configured


class AnthropicProvider(Provider):
    """Costs by workspace and description; tokens by model, workspace, key, tier and window."""

    key = "anthropic"
    label = "Anthropic"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {
        "costs": ANTHROPIC_COSTS,
        "utilisation": ANTHROPIC_UTILISATION,
    }
    credential_fields = (CredentialField(CREDENTIAL, "Admin API key (sk-ant-admin...)", True),)
    config_model: ClassVar[type[BaseModel]] = AnthropicConfig
    settle_days = 2

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read the month under way, and the one before until day 6.

        Anthropic documents that data appear within five minutes as a rule, and no day from which
        on they stand: the rule is ours.
        """
        del dataset
        return open_months(today, closes_on=6)

    def check(self, account: Account) -> Identity:
        """Ask whose key it is."""
        with AnthropicApi(account, configured(AnthropicConfig, account, self.label)) as api:
            found = api.organization()
        name = str(found.get("name") or found["id"])
        return Identity(
            f"Anthropic organization {name}", {"organization": found["id"], "name": name}
        )

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch costs or usage of the days as one delivery."""
        with AnthropicApi(account, configured(AnthropicConfig, account, self.label)) as api:
            yield (fetch_costs if dataset == "costs" else fetch_usage)(api, days, landing)

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored pages."""
        return rows_of(self.table_of(fetched), fetched, landing)


ANTHROPIC = AnthropicProvider()

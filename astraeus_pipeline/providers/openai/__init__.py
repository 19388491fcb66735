"""OpenAI: what an organization spends and uses, by its Admin API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from pydantic import BaseModel

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.openai import OPENAI_COSTS, OPENAI_UTILISATION
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider
from astraeus_pipeline.providers.openai.client import OpenAiApi
from astraeus_pipeline.providers.openai.config import OpenAiConfig
from astraeus_pipeline.providers.openai.costs import fetch_costs
from astraeus_pipeline.providers.openai.records import rows_of
from astraeus_pipeline.providers.openai.usage import fetch_usage
from astraeus_pipeline.reports.api import CREDENTIAL
from astraeus_pipeline.reports.configuration import configured


class OpenAiProvider(Provider):
    """Costs by project and line item; tokens and requests by model, project, key and user."""

    key = "openai"
    label = "OpenAI"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {
        "costs": OPENAI_COSTS,
        "utilisation": OPENAI_UTILISATION,
    }
    credential_fields = (CredentialField(CREDENTIAL, "Admin API key (sk-admin-...)", True),)
    config_model: ClassVar[type[BaseModel]] = OpenAiConfig
    settle_days = 2
    # What one page of costs holds.
    max_fetch_days = 180

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read the month under way, and the one before until day 6.

        OpenAI documents no day from which on its figures stand: the rule is ours.
        """
        del dataset
        return open_months(today, closes_on=6)

    def check(self, account: Account) -> Identity:
        """Ask for today's costs, which takes an admin key that may read them."""
        with OpenAiApi(account, configured(OpenAiConfig, account, self.label)) as api:
            [answer, *_] = api.daily("costs", DayRange(api.today, api.today), (), 1, "a first look")
            organization = api.organization(answer)
        name = organization or "of this key (it does not tell its id)"
        return Identity(
            f"OpenAI organization {name}", {"organization": organization} if organization else {}
        )

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch costs or usage of the days as one delivery."""
        with OpenAiApi(account, configured(OpenAiConfig, account, self.label)) as api:
            yield (fetch_costs if dataset == "costs" else fetch_usage)(api, days, landing)

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored pages."""
        return rows_of(self.table_of(fetched), fetched, landing)


OPENAI = OpenAiProvider()

"""Snowflake: bills of a whole organization in currency, or one account's credits at a price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ValidationError

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.snowflake import SNOWFLAKE_COSTS
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider
from astraeus_pipeline.providers.snowflake.client import SnowflakeSession
from astraeus_pipeline.providers.snowflake.config import SnowflakeConfig
from astraeus_pipeline.providers.snowflake.costs import fetch_costs
from astraeus_pipeline.providers.snowflake.records import batches


class SnowflakeProvider(Provider):
    """What a user with a key pair sees of an organization and of its own account."""

    key = "snowflake"
    label = "Snowflake"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {"costs": SNOWFLAKE_COSTS}
    credential_fields = (
        CredentialField("private_key", "Private key (PEM, PKCS#8)", required=True),
        CredentialField("private_key_passphrase", "Passphrase of the private key"),
    )
    config_model: ClassVar[type[BaseModel]] = SnowflakeConfig
    settle_days = 3
    # Each session starts a warehouse, billed for a minute at least.
    pool_limit: ClassVar[int] = 2

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read open months whole: any day may move until the month closes, on day 3 or 4."""
        del dataset
        return open_months(today, closes_on=6)

    def check(self, account: Account) -> Identity:
        """Log in with the key and ask who we are there; no warehouse is started."""
        with SnowflakeSession(account, _config(account)) as session:
            [found] = session.rows(
                "asking for the session's identity",
                "select current_account() as account, current_user() as user_name,"
                " current_role() as role_name, current_region() as region",
            )
        return Identity(
            f"{found['user_name']} as {found['role_name']} in {found['account']}",
            {name: str(value) for name, value in found.items()},
        )

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch a dataset's days as one delivery, in a session of its own."""
        with SnowflakeSession(account, _config(account)) as session:
            fetched = fetch_costs(session, days, landing)
        yield fetched

    def rows(self, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
        """Type the stored answers."""
        return batches(self.table_of(fetched), fetched, landing)


def _config(account: Account) -> SnowflakeConfig:
    try:
        return SnowflakeConfig.model_validate(dict(account.config))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        raise ConfigError(
            f"Snowflake account {account.slug}: {where}: {first['msg']}.",
            hint="Correct the account's configuration.",
        ) from None


SNOWFLAKE = SnowflakeProvider()

"""Snowflake: bills of a whole organization in currency, or one account's credits at a price."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import ClassVar, Final

from pydantic import BaseModel, ValidationError

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.snowflake import (
    SNOWFLAKE_BALANCES,
    SNOWFLAKE_COSTS,
    SNOWFLAKE_COSTS_METERING,
    SNOWFLAKE_PRICES,
    SNOWFLAKE_QUERIES,
    SNOWFLAKE_RESOURCES,
    SNOWFLAKE_UTILISATION,
)
from astraeus_pipeline.contracts.windows import open_months
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers.base import CredentialField, Identity, Provider
from astraeus_pipeline.providers.snowflake.client import SnowflakeSession
from astraeus_pipeline.providers.snowflake.config import SnowflakeConfig
from astraeus_pipeline.providers.snowflake.costs import fetch_costs
from astraeus_pipeline.providers.snowflake.queries import fetch_queries
from astraeus_pipeline.providers.snowflake.records import batches
from astraeus_pipeline.providers.snowflake.resources import fetch_resources
from astraeus_pipeline.providers.snowflake.statements import IDENTITY
from astraeus_pipeline.providers.snowflake.terms import TERMS, fetch_balances, fetch_prices
from astraeus_pipeline.providers.snowflake.utilisation import fetch_utilisation

_LATE: Final = timedelta(days=3)
_FETCHERS: Final[Mapping[Dataset, Callable[[SnowflakeSession, DayRange, Landing], Fetched]]] = {
    "costs": fetch_costs,
    "resources": fetch_resources,
    "utilisation": fetch_utilisation,
    "queries": fetch_queries,
    "prices": fetch_prices,
    "balances": fetch_balances,
}


class SnowflakeProvider(Provider):
    """What a user with a key pair sees of an organization and of its own account."""

    key = "snowflake"
    label = "Snowflake"
    tables: ClassVar[Mapping[Dataset, RawTable]] = {
        "costs": SNOWFLAKE_COSTS,
        "resources": SNOWFLAKE_RESOURCES,
        "utilisation": SNOWFLAKE_UTILISATION,
        "queries": SNOWFLAKE_QUERIES,
        "prices": SNOWFLAKE_PRICES,
        "balances": SNOWFLAKE_BALANCES,
    }
    further_shapes: ClassVar[Mapping[Dataset, tuple[RawTable, ...]]] = {
        "costs": (SNOWFLAKE_COSTS_METERING,)
    }
    credential_fields = (
        CredentialField(
            "private_key", "Private key (PEM, PKCS#8; line ends may be missing)", required=True
        ),
        CredentialField("private_key_passphrase", "Passphrase of the private key"),
    )
    config_model: ClassVar[type[BaseModel]] = SnowflakeConfig
    settle_days = 3
    # Each session starts a warehouse, billed for a minute at least.
    pool_limit: ClassVar[int] = 2

    def restatement_window(self, today: date, dataset: Dataset = "costs") -> DayRange:
        """Read open months whole: any day may move until the month closes, on day 3 or 4.

        What ACCOUNT_USAGE tells of queries and use is late by hours and does not move after that.
        """
        if dataset in ("queries", "utilisation"):
            return DayRange(today - _LATE, today)
        return open_months(today, closes_on=6)

    def datasets(self, account: Account) -> tuple[Dataset, ...]:
        """Leave out the contract's terms where the account is set up to do without the bill."""
        costs_from = account.config.get("costs_from", "auto")  # a schedule asks: nothing is checked
        has_price = account.config.get("credit_price") is not None
        if costs_from == "account_usage" or (costs_from == "auto" and has_price):
            return tuple(each for each in self.tables if each not in TERMS)
        return tuple(self.tables)

    def check(self, account: Account) -> Identity:
        """Log in with the key and ask who we are there; no warehouse is started."""
        with SnowflakeSession(account, _config(account)) as session:
            [found] = session.rows("asking for the session's identity", IDENTITY.sql)
        return Identity(
            f"{found['user_name']} as {found['role_name']} in {found['account_locator']}",
            {name: str(value) for name, value in found.items()},
        )

    def fetch(
        self, account: Account, dataset: Dataset, days: DayRange, landing: Landing
    ) -> Iterator[Fetched]:
        """Fetch a dataset's days as one delivery, in a session of its own."""
        with SnowflakeSession(account, _config(account)) as session:
            fetched = _FETCHERS[dataset](session, days, landing)
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

"""Reading what an account's row says, the same for every provider that asks over HTTP."""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)

# Unencrypted only where the answer cannot leave this machine: the key travels with each request.
ORIGIN: Final = r"^(https://[^/@?#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)/?$"


def configured(model: type[Config], account: Account, label: str) -> Config:
    """Read an account's configuration.

    Raises: ConfigError naming the field that is wrong.
    """
    try:
        return model.model_validate(dict(account.config))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{label} account {account.slug}: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            hint="Correct the account's configuration.",
        ) from None

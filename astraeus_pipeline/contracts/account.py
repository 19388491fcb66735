"""An account as providers see it: identity, configuration, and how to get its secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

Secrets = Mapping[str, SecretStr]


def _no_secrets() -> Secrets:
    return {}


@dataclass(frozen=True)
class Account:
    """One source of bills; `slug` is the Dagster partition key and `account_id` in raw.

    `config` holds what is no secret (paths, role to assume, regions, endpoints). `open_secrets`
    unseals the credentials; only the provider's client calls it, at the moment of use.
    """

    slug: str
    provider: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    open_secrets: Callable[[], Secrets] = field(default=_no_secrets, repr=False, compare=False)
    # The account that this one was found below, whose credentials it uses.
    parent: Account | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Discovered:
    """An account found below another: an AWS member of an organization, an Azure subscription.

    `external_id` is the provider's own id, `state` "active" or, in the provider's words, why it is
    not; `config` is what the account will be added with. It uses the credentials of its parent.
    """

    slug: str
    name: str
    external_id: str
    config: Mapping[str, Any] = field(default_factory=dict)
    state: str = "active"

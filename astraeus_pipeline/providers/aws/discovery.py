"""The member accounts of an organization, as accounts of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from astraeus_pipeline.contracts.account import Discovered
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.kind import listed

_ACTIVE: Final = "ACTIVE"
# The bill of a member is in its payer's: asked for again, its money would count twice.
MEMBER_DATASETS: Final = ("resources", "utilisation")
_NAME_LENGTH: Final = 40
# Where the parent finds AWS, its members do too.
_INHERITED: Final = ("home_region", "regions", "skip_kinds", "endpoint_url")


def find_members(clients: AwsClients) -> Iterator[Discovered]:
    """Yield the accounts of the organization but the one that the credentials belong to.

    Slugs end in the account's number, so two accounts of one name never meet.
    Raises: ProviderError.
    """
    own = clients.account_id()
    client = clients.client("organizations")
    with translated(clients.account, "listing the accounts of the organization"):
        for page in client.get_paginator("list_accounts").paginate():
            for each in listed(page, "Accounts"):
                if each["Id"] != own:
                    yield _member(clients, client.meta.partition, each)


def _member(clients: AwsClients, partition: str, found: dict[str, Any]) -> Discovered:
    config, number, name = clients.config, found["Id"], found.get("Name") or found["Id"]
    status = found.get("State") or found.get("Status") or _ACTIVE
    settings = {
        "linked_account_id": number,
        "datasets": list(MEMBER_DATASETS),
        "role_arn": f"arn:{partition}:iam::{number}:role/{config.member_role_name}",
        "external_id": config.member_external_id,
        **config.model_dump(mode="json", include=set(_INHERITED), exclude_defaults=True),
    }
    return Discovered(
        slug=f"{_slug(name)}-{number}",
        name=name,
        external_id=number,
        config={key: value for key, value in settings.items() if value is not None},
        state="active" if status == _ACTIVE else status,
    )


def _slug(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return words[:_NAME_LENGTH].rstrip("-") or "aws"

"""Which subscriptions the credentials see, all of them or those under a management group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from astraeus_pipeline.errors import AuthError
from astraeus_pipeline.providers.azure.client import AzureClients

_SUBSCRIPTIONS: Final = "/subscriptions?api-version=2022-12-01"
_DESCENDANTS: Final = (
    "/providers/Microsoft.Management/managementGroups/{}/descendants?api-version=2020-05-01"
)
_LIVING: Final = frozenset({"enabled", "warned", "pastdue"})


@dataclass(frozen=True)
class Subscription:
    """One subscription as Azure lists it."""

    id: str
    name: str
    state: str

    @property
    def is_living(self) -> bool:
        """Whether it can have new costs."""
        return self.state.lower() in _LIVING


def subscriptions(clients: AzureClients) -> list[Subscription]:
    """Return the subscriptions that the credentials may read, by id.

    Raises: what `AzureClients.ask` raises.
    """
    return sorted(
        (
            Subscription(
                str(item["subscriptionId"]).lower(),
                str(item.get("displayName") or item["subscriptionId"]),
                str(item.get("state") or ""),
            )
            for page in clients.pages(_SUBSCRIPTIONS, "listing the subscriptions")
            for item in page.get("value") or ()
        ),
        key=lambda each: each.id,
    )


def found_below(clients: AzureClients) -> Iterator[Subscription]:
    """Yield the subscriptions under the account's management group, or all without one.

    Raises: AuthError if the group holds subscriptions that the credentials may not read: leaving
    them out without a word would make a bill that looks complete.
    """
    readable = {each.id: each for each in subscriptions(clients)}
    group = clients.config.management_group
    wanted = set(readable) if group is None else set(_below(clients, group))
    if hidden := sorted(wanted - set(readable)):
        raise AuthError(
            f"Azure account {clients.account.slug}: the management group {group} holds"
            f" {len(hidden)} subscriptions that the credentials may not read, {hidden[0]} among"
            " them.",
            hint="Assign the role Reader at the management group.",
        )
    for identity in sorted(wanted):
        yield readable[identity]


def _below(clients: AzureClients, group: str) -> Iterator[str]:
    attempt = f"listing the management group {group}"
    for page in clients.pages(_DESCENDANTS.format(group), attempt):
        for item in page.get("value") or ():
            if str(item.get("type", "")).lower().rpartition("/")[2] == "subscriptions":
                yield str(item["name"]).lower()

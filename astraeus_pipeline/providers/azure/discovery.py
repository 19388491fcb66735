"""Which subscriptions the credentials see, all of them or those under a management group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from astraeus_pipeline.contracts.account import Discovered
from astraeus_pipeline.errors import AuthError
from astraeus_pipeline.providers.azure.client import AzureClients

_SUBSCRIPTIONS: Final = "/subscriptions?api-version=2022-12-01"
_DESCENDANTS: Final = (
    "/providers/Microsoft.Management/managementGroups/{}/descendants?api-version=2020-05-01"
)
_LIVING: Final = frozenset({"enabled", "warned", "pastdue"})
# Where the parent finds Azure, the subscriptions below do too.
_INHERITED: Final = (
    "tenant_id",
    "client_id",
    "units_per_minute",
    "authority",
    "endpoint_url",
    "ca_bundle",
)
# An export of the parent holds their costs: asked for again, the money would count twice.
_WITHOUT_COSTS: Final = ("resources",)


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


def find_subscriptions(clients: AzureClients) -> Iterator[Discovered]:
    """Yield the subscriptions below the account but its own, as accounts.

    Raises: AuthError if the group holds subscriptions that the credentials may not read: leaving
    them out without a word would make a bill that looks complete.
    """
    account, config = clients.account, clients.config
    inherited = config.model_dump(mode="json", include=set(_INHERITED), exclude_defaults=True)
    if config.cost_source != "query":
        inherited["datasets"] = list(_WITHOUT_COSTS)
    for found in _found_below(clients):
        if found.id != config.subscription_id:
            yield Discovered(
                slug=f"{account.slug[:26]}-{found.id}",
                name=found.name,
                external_id=found.id,
                config={**inherited, "subscription_id": found.id},
                state="active" if found.is_living else found.state,
            )


def _found_below(clients: AzureClients) -> Iterator[Subscription]:
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
    yield from (readable[identity] for identity in sorted(wanted))


def _below(clients: AzureClients, group: str) -> Iterator[str]:
    attempt = f"listing the management group {group}"
    for page in clients.pages(_DESCENDANTS.format(group), attempt):
        for item in page.get("value") or ():
            if str(item.get("type", "")).lower().rpartition("/")[2] == "subscriptions":
                yield str(item["name"]).lower()

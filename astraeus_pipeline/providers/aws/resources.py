"""Today's inventory of all enabled regions, page by page into the landing store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row, exact
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.inventory import KIND_OF, KINDS
from astraeus_pipeline.providers.aws.kind import Item, Kind, Place, tags_of
from astraeus_pipeline.providers.aws.snapshots import refuse_past_days
from astraeus_pipeline.providers.aws.stored import Page, store

_CALLS_AT_ONCE: Final = 6
_DECIMALS: Final = ("size_gb", "throughput_mbps", "vcpus", "memory_gb")
_INSTANTS: Final = ("created_at", "attached_at")


def fetch_resources(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Take the inventory of today; one denied call fails the whole, so nothing looks deleted.

    Raises: NotObtainable if the range does not end today: AWS cannot tell a past inventory.
    """
    today = datetime.now(UTC).date()
    refuse_past_days(clients.account.slug, "the inventory", days, today)
    part = store(landing, f"inventory-{today}", _all(clients))
    return Fetched(
        account_id=clients.account.slug,
        dataset="resources",
        days=DayRange(today, today),
        source="api",
        source_name="AWS describe and list calls",
        parts=(part,),
        complete_through=today,
    )


def _all(clients: AwsClients) -> Iterator[dict[str, Any]]:
    """Yield every page of every kind and region, calls side by side, in a fixed order."""
    account_id = clients.account_id()
    kinds = [kind for kind in KINDS if kind.resource_type not in clients.config.skip_kinds]
    work: list[tuple[Kind, str | None]] = [(kind, None) for kind in kinds if kind.is_global]
    work += [(kind, region) for region in clients.regions() for kind in kinds if not kind.is_global]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        for pages in pool.map(lambda each: list(_pages(clients, account_id, *each)), work):
            yield from pages


def _pages(
    clients: AwsClients, account_id: str, kind: Kind, region: str | None
) -> Iterator[dict[str, Any]]:
    client = clients.client(kind.service, region)
    place = Place(client, account_id)
    attempt = f"{kind.service}:{kind.operation} in {region or 'all regions'}"
    with translated(clients.account, attempt):
        for page in _answers(client, kind):
            items = list(kind.items(page))
            if items:
                yield {
                    "resource_type": kind.resource_type,
                    "account": account_id,
                    "region": region,
                    "items": kind.complete(place, items),
                }


def _answers(client: Any, kind: Kind) -> Iterator[Item]:
    if client.can_paginate(kind.operation):
        yield from client.get_paginator(kind.operation).paginate(**kind.arguments)
    else:
        yield getattr(client, kind.operation)(**kind.arguments)


def resource_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """Yield one row per resource of the stored pages."""
    day = fetched.days.last
    for page in documents(fetched, landing):
        kind = KIND_OF[page["resource_type"]]
        for item in page["items"]:
            try:
                yield _row(day, page, kind, item)
            except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
                reason = f"{kind.resource_type}: {type(error).__name__}: {error}"
                yield Reject(0, json.dumps(item)[:2000], reason, day)


def _row(day: date, page: Page, kind: Kind, item: Item) -> Row:
    known = {
        "region": page["region"],
        "owner_account_id": page.get("account"),
        "tags": tags_of(item),
        **{name: value for name, value in kind.row(item).items() if value is not None},
    }
    tags = known.pop("tags")
    instants = {name: _instant(known.pop(name)) for name in _INSTANTS if name in known}
    decimals = {name: exact(known.pop(name)) for name in _DECIMALS if name in known}
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "resource_type": kind.resource_type,
        **known,
        **decimals,
        **instants,
        "resource_name": known.get("resource_name") or tags.get("Name"),
        "tags": json.dumps(tags, sort_keys=True),
        "payload": json.dumps(item, sort_keys=True),
    }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))

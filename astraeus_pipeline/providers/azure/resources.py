"""Today's inventory by Resource Graph, page by page into the landing store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.errors import ConfigError, NotObtainable, PayloadError, TransientError
from astraeus_pipeline.providers.azure.client import AzureClients, NextLinks, translated

# Without `id` among the columns, and an order by it, Resource Graph gives no next page.
_QUERY: Final = (
    "Resources | project id, name, type, kind, location, resourceGroup, subscriptionId, managedBy,"
    " zones, sku, tags, properties | order by id asc"
)
_PAGE: Final = 1000


def fetch_resources(clients: AzureClients, days: DayRange, landing: Landing) -> Fetched:
    """Take the inventory of today; one failed page fails the whole, so nothing looks deleted.

    Raises: NotObtainable if the range does not end today: Azure cannot tell a past inventory.
    """
    today = datetime.now(UTC).date()
    if days.last != today:
        raise NotObtainable(
            f"Azure account {clients.account.slug}: the inventory of {days} cannot be had,"
            " Resource Graph only tells what stands now.",
            hint=f"Ask for {today}; the daily schedule takes one each day.",
        )
    if clients.config.subscription_id is None:
        raise ConfigError(
            f"Azure account {clients.account.slug} names no subscription: it only finds others.",
            hint="Set subscription_id, or ingest the accounts that it finds.",
        )
    pages = list(_pages(clients))
    lines = (json.dumps(page, sort_keys=True).encode() + b"\n" for page in pages)
    part = landing.put(f"inventory-{today}.jsonl", lines, "jsonl")
    return Fetched(
        account_id=clients.account.slug,
        dataset="resources",
        days=DayRange(today, today),
        source="api",
        source_name="Azure Resource Graph",
        parts=(part,),
        complete_through=today,
        expected_rows=sum(len(page["items"]) for page in pages),
        requests=len(pages),
    )


def _pages(clients: AzureClients) -> Iterator[dict[str, Any]]:
    """Yield every page of the query as {items}.

    Raises: PayloadError where Resource Graph says that it left something out, or gives the same
    page twice; TransientError where resources came or went between two pages.
    """
    from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions  # slow

    attempt = "the inventory by Resource Graph"
    links, token, seen = NextLinks(clients.account, attempt), None, 0
    while True:
        request = QueryRequest(
            query=_QUERY,
            subscriptions=[str(clients.config.subscription_id)],
            options=QueryRequestOptions(top=_PAGE, skip_token=token, result_format="objectArray"),
        )
        with translated(clients.account, attempt):
            answer = clients.graph.resources(request)
        items = answer.data if isinstance(answer.data, list) else None
        if items is None or str(answer.result_truncated).lower() == "true":
            raise PayloadError(
                f"Azure account {clients.account.slug}: {attempt}: a part was left out.",
                hint="Nothing was loaded; take the inventory again.",
            )
        yield {"items": items}
        seen += len(items)
        token = links.follow(answer.skip_token)
        if token is None:
            if answer.total_records is not None and answer.total_records != seen:
                raise TransientError(
                    f"Azure account {clients.account.slug}: {attempt}: it announces"
                    f" {answer.total_records} resources and gave {seen}.",
                    hint="It is tried again by itself.",
                )
            return

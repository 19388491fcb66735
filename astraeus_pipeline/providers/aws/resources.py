"""Today's inventory of all enabled regions, page by page into the landing store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.errors import NotObtainable
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.inventory import KINDS, Item, Kind

_REGIONS_AT_ONCE: Final = 6
_NO_TAGS: Final = "NoSuchTagSet"


def fetch_resources(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Take the inventory of today; one denied call fails the whole, so nothing looks deleted.

    Raises: NotObtainable if the range does not end today: AWS cannot tell a past inventory.
    """
    today = datetime.now(UTC).date()
    if days.last != today:
        raise NotObtainable(
            f"AWS account {clients.account.slug}: the inventory of {days} cannot be had,"
            " AWS only tells what stands now.",
            hint=f"Ask for {today}; the daily schedule takes one each day.",
        )
    lines = (
        json.dumps(page, sort_keys=True, default=str).encode() + b"\n" for page in _all(clients)
    )
    part = landing.put(f"inventory-{today}.jsonl", lines, "jsonl")
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
    """Yield every page of every kind and region, regions side by side, in a fixed order."""
    regions = clients.config.regions or _enabled_regions(clients)
    work: list[tuple[Kind, str | None]] = [(kind, None) for kind in KINDS if kind.is_global]
    work += [(kind, region) for region in regions for kind in KINDS if not kind.is_global]
    with ThreadPoolExecutor(_REGIONS_AT_ONCE) as pool:
        for pages in pool.map(lambda each: list(_pages(clients, *each)), work):
            yield from pages


def _enabled_regions(clients: AwsClients) -> tuple[str, ...]:
    with translated(clients.account, "listing the enabled regions"):
        answer = clients.client("ec2").describe_regions(AllRegions=False)
    return tuple(sorted(region["RegionName"] for region in answer["Regions"]))


def _pages(clients: AwsClients, kind: Kind, region: str | None) -> Iterator[dict[str, Any]]:
    client = clients.client(kind.service, region)
    attempt = f"{kind.service}:{kind.operation} in {region or 'all regions'}"
    with translated(clients.account, attempt):
        for page in _answers(client, kind):
            items = [_completed(client, kind, item) for item in kind.items(page)]
            if items:
                yield {"resource_type": kind.resource_type, "region": region, "items": items}


def _answers(client: Any, kind: Kind) -> Iterator[Item]:
    if client.can_paginate(kind.operation):
        yield from client.get_paginator(kind.operation).paginate(**kind.arguments)
    else:
        yield getattr(client, kind.operation)(**kind.arguments)


def _completed(client: Any, kind: Kind, item: Item) -> Item:
    """Add what the listing leaves out: tags of functions and buckets, regions of buckets."""
    if kind.resource_type == "lambda:function":
        tags = client.list_tags(Resource=item["FunctionArn"]).get("Tags")
        return {**item, "AstraeusTags": tags}
    if kind.resource_type == "s3:bucket":
        found = client.get_bucket_location(Bucket=item["Name"]).get("LocationConstraint")
        tags = _bucket_tags(client, item["Name"])
        return {**item, "BucketRegion": found or "us-east-1", "AstraeusTags": tags}
    return item


def _bucket_tags(client: Any, bucket: str) -> dict[str, str]:
    try:
        answer = client.get_bucket_tagging(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == _NO_TAGS:
            return {}
        raise
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def snapshot_day(fetched: Fetched) -> date:
    """Return the day that an inventory describes."""
    return fetched.days.last

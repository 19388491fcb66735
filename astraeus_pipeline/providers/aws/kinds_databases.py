"""Databases, their clusters, snapshots, caches and tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.providers.aws.kind import Item, Kind, Place, listed, tags_of, under

_BYTES_PER_GIB: Final = Decimal(1024**3)
_NANO: Final = Decimal("0.000000001")


def _database(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["DBInstanceArn"],
        "resource_name": item.get("DBInstanceIdentifier"),
        "availability_zone": item.get("AvailabilityZone"),
        "state": item.get("DBInstanceStatus"),
        "created_at": item.get("InstanceCreateTime"),
        "instance_type": item.get("DBInstanceClass"),
        "size_gb": item.get("AllocatedStorage"),
        "iops": item.get("Iops"),
        "throughput_mbps": item.get("StorageThroughput"),
        "platform": _engine(item),
        "attached_to": item.get("DBClusterIdentifier"),
        "tags": tags_of(item, "TagList"),
    }


def _cluster(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["DBClusterArn"],
        "resource_name": item.get("DBClusterIdentifier"),
        "state": item.get("Status"),
        "created_at": item.get("ClusterCreateTime"),
        "instance_type": item.get("DBClusterInstanceClass") or item.get("EngineMode"),
        # Aurora grows by itself and says 1 here.
        "size_gb": None if _is_aurora(item) else item.get("AllocatedStorage"),
        "iops": item.get("Iops"),
        "throughput_mbps": item.get("StorageThroughput"),
        "platform": _engine(item),
        "tags": tags_of(item, "TagList"),
    }


def _is_aurora(item: Item) -> bool:
    return str(item.get("Engine", "")).startswith("aurora")


def _snapshot(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["DBSnapshotArn"],
        "resource_name": item.get("DBSnapshotIdentifier"),
        "availability_zone": item.get("AvailabilityZone"),
        "state": item.get("Status"),
        "created_at": item.get("SnapshotCreateTime"),
        "instance_type": item.get("SnapshotType"),
        "size_gb": item.get("AllocatedStorage"),
        "platform": _engine(item),
        "attached_to": item.get("DBInstanceIdentifier"),
        "tags": tags_of(item, "TagList"),
    }


def _cluster_snapshot(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["DBClusterSnapshotArn"],
        "resource_name": item.get("DBClusterSnapshotIdentifier"),
        "state": item.get("Status"),
        "created_at": item.get("SnapshotCreateTime"),
        "instance_type": item.get("SnapshotType"),
        "size_gb": None if _is_aurora(item) else item.get("AllocatedStorage"),
        "platform": _engine(item),
        "attached_to": item.get("DBClusterIdentifier"),
        "tags": tags_of(item, "TagList"),
    }


def _engine(item: Item) -> str | None:
    """Return engine and version as one word pair, as in "postgres 17.2"."""
    return " ".join(filter(None, (item.get("Engine"), item.get("EngineVersion")))) or None


def _with_cache_tags(place: Place, items: list[Item]) -> list[Item]:
    return [
        {
            **item,
            "AstraeusTags": tags_of(
                place.client.list_tags_for_resource(ResourceName=item["ARN"]), "TagList"
            ),
        }
        for item in items
    ]


def _cache(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["ARN"],
        "resource_name": item.get("CacheClusterId"),
        "availability_zone": item.get("PreferredAvailabilityZone"),
        "state": item.get("CacheClusterStatus"),
        "created_at": item.get("CacheClusterCreateTime"),
        "instance_type": item.get("CacheNodeType"),
        "platform": _engine(item),
        "attached_to": item.get("ReplicationGroupId"),
        "tags": item.get("AstraeusTags"),
    }


def _described_tables(place: Place, items: list[Item]) -> list[Item]:
    return [_described_table(place.client, item["Name"]) for item in items]


def _described_table(client: Any, name: str) -> Item:
    table = client.describe_table(TableName=name)["Table"]
    pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=table["TableArn"])
    tags = {key: value for page in pages for key, value in tags_of(page).items()}
    return {**table, "AstraeusTags": tags}


def _table(item: Item) -> dict[str, Any]:
    size = item.get("TableSizeBytes")
    # A table says how it is billed only once that has been changed from provisioned.
    billing = (item.get("BillingModeSummary") or {}).get("BillingMode") or "PROVISIONED"
    return {
        "resource_id": item["TableArn"],
        "resource_name": item.get("TableName"),
        "state": item.get("TableStatus"),
        "created_at": item.get("CreationDateTime"),
        "instance_type": billing,
        "size_gb": None if size is None else (Decimal(size) / _BYTES_PER_GIB).quantize(_NANO),
        "tags": item.get("AstraeusTags"),
    }


KINDS: tuple[Kind, ...] = (
    Kind("rds:instance", "rds", "describe_db_instances", under("DBInstances"), _database),
    Kind("rds:cluster", "rds", "describe_db_clusters", under("DBClusters"), _cluster),
    Kind("rds:snapshot", "rds", "describe_db_snapshots", under("DBSnapshots"), _snapshot),
    Kind(
        "rds:cluster-snapshot",
        "rds",
        "describe_db_cluster_snapshots",
        under("DBClusterSnapshots"),
        _cluster_snapshot,
    ),
    Kind(
        "elasticache:cluster",
        "elasticache",
        "describe_cache_clusters",
        under("CacheClusters"),
        _cache,
        complete=_with_cache_tags,
    ),
    Kind(
        "dynamodb:table",
        "dynamodb",
        "list_tables",
        lambda page: ({"Name": name} for name in listed(page, "TableNames")),
        _table,
        complete=_described_tables,
    ),
)

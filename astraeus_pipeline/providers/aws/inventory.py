"""The inventory: which calls list the resources of a region, and what each answer means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Item = Mapping[str, Any]


def tags_of(item: Item, key: str = "Tags") -> dict[str, str]:
    """Return AWS's list of keys and values as one object."""
    return {tag["Key"]: tag.get("Value", "") for tag in item.get(key) or ()}


@dataclass(frozen=True)
class Kind:
    """One kind of resource: the paged call that lists it and the row that an item becomes.

    `row` returns the contract's columns that the item knows; missing ones are null.
    """

    resource_type: str
    service: str
    operation: str
    items: Callable[[Item], Iterator[Item]]
    row: Callable[[Item], dict[str, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_global: bool = False


def _under(key: str) -> Callable[[Item], Iterator[Item]]:
    return lambda page: iter(page.get(key) or ())


def _instances(page: Item) -> Iterator[Item]:
    for reservation in page.get("Reservations") or ():
        for instance in reservation.get("Instances") or ():
            yield {"OwnerId": reservation.get("OwnerId"), **instance}


def _instance(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["InstanceId"],
        "owner_account_id": item.get("OwnerId"),
        "availability_zone": (item.get("Placement") or {}).get("AvailabilityZone"),
        "state": (item.get("State") or {}).get("Name"),
        "created_at": item.get("LaunchTime"),
        "instance_type": item.get("InstanceType"),
        "attached_to": item.get("VpcId"),
    }


def _volume(item: Item) -> dict[str, Any]:
    attachments = item.get("Attachments") or ()
    return {
        "resource_id": item["VolumeId"],
        "availability_zone": item.get("AvailabilityZone"),
        "state": item.get("State"),
        "created_at": item.get("CreateTime"),
        "instance_type": item.get("VolumeType"),
        "size_gb": item.get("Size"),
        "iops": item.get("Iops"),
        "throughput_mbps": item.get("Throughput"),
        "attached_to": attachments[0].get("InstanceId") if attachments else None,
    }


def _address(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item.get("AllocationId") or item["PublicIp"],
        "resource_name": item.get("PublicIp"),
        "attached_to": item.get("AssociationId") and item.get("InstanceId"),
        "state": "associated" if item.get("AssociationId") else "idle",
    }


def _snapshot(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["SnapshotId"],
        "owner_account_id": item.get("OwnerId"),
        "state": item.get("State"),
        "created_at": item.get("StartTime"),
        "size_gb": item.get("VolumeSize"),
        "attached_to": item.get("VolumeId"),
    }


def _vpc(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["VpcId"],
        "owner_account_id": item.get("OwnerId"),
        "state": item.get("State"),
    }


def _security_group(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["GroupId"],
        "resource_name": item.get("GroupName"),
        "owner_account_id": item.get("OwnerId"),
        "attached_to": item.get("VpcId"),
    }


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
        "tags": tags_of(item, "TagList"),
    }


def _function(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["FunctionArn"],
        "resource_name": item.get("FunctionName"),
        "state": item.get("State"),
        "instance_type": item.get("Runtime"),
        "tags": item.get("AstraeusTags"),
    }


def _bucket(item: Item) -> dict[str, Any]:
    return {
        "resource_id": f"arn:aws:s3:::{item['Name']}",
        "resource_name": item["Name"],
        "region": item.get("BucketRegion"),
        "created_at": item.get("CreationDate"),
        "tags": item.get("AstraeusTags"),
    }


KINDS: tuple[Kind, ...] = (
    Kind("ec2:instance", "ec2", "describe_instances", _instances, _instance),
    Kind("ec2:volume", "ec2", "describe_volumes", _under("Volumes"), _volume),
    Kind("ec2:address", "ec2", "describe_addresses", _under("Addresses"), _address),
    Kind(
        "ec2:snapshot",
        "ec2",
        "describe_snapshots",
        _under("Snapshots"),
        _snapshot,
        arguments={"OwnerIds": ["self"]},
    ),
    Kind("ec2:vpc", "ec2", "describe_vpcs", _under("Vpcs"), _vpc),
    Kind(
        "ec2:security-group",
        "ec2",
        "describe_security_groups",
        _under("SecurityGroups"),
        _security_group,
    ),
    Kind("rds:instance", "rds", "describe_db_instances", _under("DBInstances"), _database),
    Kind("lambda:function", "lambda", "list_functions", _under("Functions"), _function),
    Kind("s3:bucket", "s3", "list_buckets", _under("Buckets"), _bucket, is_global=True),
)
KIND_OF = {kind.resource_type: kind for kind in KINDS}

"""Machines, functions and clusters: what computes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.providers.aws.kind import Item, Kind, Place, in_chunks, listed

_TYPES_AT_ONCE: Final = 100
_CLUSTERS_AT_ONCE: Final = 100
_MIB_PER_GIB: Final = Decimal(1024)


def _instances(page: Item) -> Iterator[Item]:
    for reservation in page.get("Reservations") or ():
        for instance in reservation.get("Instances") or ():
            yield {"OwnerId": reservation.get("OwnerId"), **instance}


def _with_machine_types(place: Place, items: list[Item]) -> list[Item]:
    """Add size and build of each instance's type, which only the catalogue of types tells."""
    names = sorted({item["InstanceType"] for item in items if item.get("InstanceType")})
    known: dict[str, Item] = {}
    for some in in_chunks(names, _TYPES_AT_ONCE):
        answer = place.client.describe_instance_types(InstanceTypes=some)
        known |= {each["InstanceType"]: each for each in answer.get("InstanceTypes") or ()}
    return [
        {**item, "AstraeusType": _size(known.get(item.get("InstanceType", "")))} for item in items
    ]


def _size(machine: Item | None) -> Item:
    if machine is None:
        return {}
    return {
        "VCpus": (machine.get("VCpuInfo") or {}).get("DefaultVCpus"),
        "MemoryMiB": (machine.get("MemoryInfo") or {}).get("SizeInMiB"),
    }


def _instance(item: Item) -> dict[str, Any]:
    size = item.get("AstraeusType") or {}
    return {
        "resource_id": item["InstanceId"],
        "owner_account_id": item.get("OwnerId"),
        "availability_zone": (item.get("Placement") or {}).get("AvailabilityZone"),
        "state": (item.get("State") or {}).get("Name"),
        "created_at": item.get("LaunchTime"),
        "instance_type": item.get("InstanceType"),
        "vcpus": size.get("VCpus"),
        "memory_gb": _gib(size.get("MemoryMiB")),
        "architecture": item.get("Architecture"),
        "platform": item.get("PlatformDetails") or item.get("Platform"),
        # AWS names spot, scheduled and capacity-block machines, and no others.
        "lifecycle": item.get("InstanceLifecycle") or "on-demand",
        "attached_to": item.get("VpcId"),
    }


def _function(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["FunctionArn"],
        "resource_name": item.get("FunctionName"),
        "state": item.get("State"),
        "instance_type": item.get("Runtime"),
        "memory_gb": _gib(item.get("MemorySize")),
        "architecture": next(iter(item.get("Architectures") or ()), None),
        "tags": item.get("AstraeusTags"),
    }


def _with_function_tags(place: Place, items: list[Item]) -> list[Item]:
    return [
        {**item, "AstraeusTags": place.client.list_tags(Resource=item["FunctionArn"]).get("Tags")}
        for item in items
    ]


def _described_ecs(place: Place, items: list[Item]) -> list[Item]:
    arns = [item["Arn"] for item in items]
    return [
        cluster
        for some in in_chunks(arns, _CLUSTERS_AT_ONCE)
        for cluster in place.client.describe_clusters(clusters=some, include=["TAGS"])["clusters"]
    ]


def _ecs_cluster(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["clusterArn"],
        "resource_name": item.get("clusterName"),
        "state": item.get("status"),
        "tags": {tag["key"]: tag.get("value", "") for tag in item.get("tags") or ()},
    }


def _described_eks(place: Place, items: list[Item]) -> list[Item]:
    return [place.client.describe_cluster(name=item["Name"])["cluster"] for item in items]


def _eks_cluster(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["arn"],
        "resource_name": item.get("name"),
        "state": item.get("status"),
        "created_at": item.get("createdAt"),
        "platform": item.get("version") and f"Kubernetes {item['version']}",
        "attached_to": (item.get("resourcesVpcConfig") or {}).get("vpcId"),
        "tags": item.get("tags"),
    }


def _gib(mebibytes: int | None) -> Decimal | None:
    return None if mebibytes is None else Decimal(mebibytes) / _MIB_PER_GIB


KINDS: tuple[Kind, ...] = (
    Kind(
        "ec2:instance",
        "ec2",
        "describe_instances",
        _instances,
        _instance,
        complete=_with_machine_types,
    ),
    Kind(
        "lambda:function",
        "lambda",
        "list_functions",
        lambda page: iter(listed(page, "Functions")),
        _function,
        complete=_with_function_tags,
    ),
    Kind(
        "ecs:cluster",
        "ecs",
        "list_clusters",
        lambda page: ({"Arn": arn} for arn in listed(page, "clusterArns")),
        _ecs_cluster,
        complete=_described_ecs,
    ),
    Kind(
        "eks:cluster",
        "eks",
        "list_clusters",
        lambda page: ({"Name": name} for name in listed(page, "clusters")),
        _eks_cluster,
        complete=_described_eks,
    ),
)

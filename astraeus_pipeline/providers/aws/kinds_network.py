"""Addresses, gateways, load balancers and networks: what connects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from astraeus_pipeline.providers.aws.kind import (
    Attachment,
    Item,
    Kind,
    Place,
    attachment,
    in_chunks,
    tags_of,
    under,
)


def _address(item: Item) -> dict[str, Any]:
    # An address that a network interface holds is in use, be it a gateway's or a machine's.
    is_held = bool(item.get("AssociationId") or item.get("NetworkInterfaceId"))
    return {
        "resource_id": item.get("AllocationId") or item["PublicIp"],
        "resource_name": item.get("PublicIp"),
        "attached_to": (item.get("InstanceId") or item.get("NetworkInterfaceId"))
        if is_held
        else None,
        "state": "associated" if is_held else "idle",
        "attachment_state": attachment(is_held),
    }


def _gateway(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["NatGatewayId"],
        "state": item.get("State"),
        "created_at": item.get("CreateTime"),
        "instance_type": item.get("ConnectivityType"),
        "attached_to": item.get("SubnetId") or item.get("VpcId"),
    }


def _with_targets_and_tags(place: Place, items: list[Item]) -> list[Item]:
    """Add tags, and how many targets are registered behind each balancer."""
    tags: dict[str, dict[str, str]] = {}
    for arns in in_chunks([item["LoadBalancerArn"] for item in items]):
        answer = place.client.describe_tags(ResourceArns=arns)
        tags |= {each["ResourceArn"]: tags_of(each) for each in answer["TagDescriptions"]}
    return [
        {
            **item,
            "AstraeusTags": tags.get(item["LoadBalancerArn"]),
            "AstraeusTargets": _targets(place.client, item["LoadBalancerArn"]),
        }
        for item in items
    ]


def _targets(client: Any, balancer: str) -> int | None:
    """Count registered targets; None without target groups, as where all is redirected."""
    groups = [
        group["TargetGroupArn"]
        for page in client.get_paginator("describe_target_groups").paginate(
            LoadBalancerArn=balancer
        )
        for group in page.get("TargetGroups") or ()
    ]
    if not groups:
        return None
    return sum(
        len(client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"])
        for group in groups
    )


def _balancer(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["LoadBalancerArn"],
        "resource_name": item.get("LoadBalancerName"),
        "state": (item.get("State") or {}).get("Code"),
        "created_at": item.get("CreatedTime"),
        "instance_type": item.get("Type"),
        "attached_to": item.get("VpcId"),
        "attachment_state": _attachment_of(item.get("AstraeusTargets")),
        "tags": item.get("AstraeusTags"),
    }


def _attachment_of(targets: int | None) -> Attachment | None:
    return None if targets is None else attachment(targets > 0)


def _with_classic_arn_and_tags(place: Place, items: list[Item]) -> list[Item]:
    """Add the ARN, which the bill shows and the listing does not, and the tags."""
    tags: dict[str, dict[str, str]] = {}
    for names in in_chunks([item["LoadBalancerName"] for item in items]):
        answer = place.client.describe_tags(LoadBalancerNames=names)
        tags |= {each["LoadBalancerName"]: tags_of(each) for each in answer["TagDescriptions"]}
    return [
        {
            **item,
            "AstraeusArn": place.arn(
                "elasticloadbalancing", f"loadbalancer/{item['LoadBalancerName']}"
            ),
            "AstraeusTags": tags.get(item["LoadBalancerName"]),
        }
        for item in items
    ]


def _classic(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["AstraeusArn"],
        "resource_name": item["LoadBalancerName"],
        "created_at": item.get("CreatedTime"),
        "instance_type": "classic",
        "attached_to": item.get("VPCId"),
        "attachment_state": attachment(bool(item.get("Instances"))),
        "tags": item.get("AstraeusTags"),
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


def _distributions(page: Item) -> Iterator[Item]:
    return iter((page.get("DistributionList") or {}).get("Items") or ())


def _with_distribution_tags(place: Place, items: list[Item]) -> list[Item]:
    return [
        {**item, "AstraeusTags": tags_of(_distribution_tags(place.client, item["ARN"]), "Items")}
        for item in items
    ]


def _distribution_tags(client: Any, arn: str) -> Item:
    found: Item = client.list_tags_for_resource(Resource=arn)["Tags"]
    return found


def _distribution(item: Item) -> dict[str, Any]:
    return {
        "resource_id": item["ARN"],
        "resource_name": item.get("DomainName"),
        "state": item.get("Status"),
        "instance_type": item.get("PriceClass"),
        "tags": item.get("AstraeusTags"),
    }


KINDS: tuple[Kind, ...] = (
    Kind("ec2:address", "ec2", "describe_addresses", under("Addresses"), _address),
    Kind("ec2:natgateway", "ec2", "describe_nat_gateways", under("NatGateways"), _gateway),
    Kind(
        "elasticloadbalancing:loadbalancer",
        "elbv2",
        "describe_load_balancers",
        under("LoadBalancers"),
        _balancer,
        complete=_with_targets_and_tags,
    ),
    Kind(
        "elasticloadbalancing:classic",
        "elb",
        "describe_load_balancers",
        under("LoadBalancerDescriptions"),
        _classic,
        complete=_with_classic_arn_and_tags,
    ),
    Kind("ec2:vpc", "ec2", "describe_vpcs", under("Vpcs"), _vpc),
    Kind(
        "ec2:security-group",
        "ec2",
        "describe_security_groups",
        under("SecurityGroups"),
        _security_group,
    ),
    Kind(
        "cloudfront:distribution",
        "cloudfront",
        "list_distributions",
        _distributions,
        _distribution,
        is_global=True,
        complete=_with_distribution_tags,
    ),
)

"""Disks, snapshots and buckets: what stores."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from astraeus_pipeline.providers.aws.kind import Item, Kind, Place, attachment, under

_NO_TAGS: Final = "NoSuchTagSet"


def _volume(item: Item) -> dict[str, Any]:
    attachments = item.get("Attachments") or ()
    first = attachments[0] if attachments else {}
    return {
        "resource_id": item["VolumeId"],
        "availability_zone": item.get("AvailabilityZone"),
        "state": item.get("State"),
        "created_at": item.get("CreateTime"),
        "instance_type": item.get("VolumeType"),
        "size_gb": item.get("Size"),
        "iops": item.get("Iops"),
        "throughput_mbps": item.get("Throughput"),
        "attached_to": first.get("InstanceId"),
        "attachment_state": attachment(bool(attachments)),
        "attached_at": first.get("AttachTime"),
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


def _bucket(item: Item) -> dict[str, Any]:
    return {
        "resource_id": f"arn:aws:s3:::{item['Name']}",
        "resource_name": item["Name"],
        "region": item.get("BucketRegion"),
        "created_at": item.get("CreationDate"),
        "tags": item.get("AstraeusTags"),
    }


def _with_region_and_tags(place: Place, items: list[Item]) -> list[Item]:
    return [
        {
            **item,
            "BucketRegion": _bucket_region(place.client, item["Name"]),
            "AstraeusTags": _bucket_tags(place.client, item["Name"]),
        }
        for item in items
    ]


def _bucket_region(client: Any, bucket: str) -> str:
    # us-east-1 is the one region that S3 leaves unnamed.
    return client.get_bucket_location(Bucket=bucket).get("LocationConstraint") or "us-east-1"


def _bucket_tags(client: Any, bucket: str) -> dict[str, str]:
    try:
        answer = client.get_bucket_tagging(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == _NO_TAGS:
            return {}
        raise
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


KINDS: tuple[Kind, ...] = (
    Kind("ec2:volume", "ec2", "describe_volumes", under("Volumes"), _volume),
    Kind(
        "ec2:snapshot",
        "ec2",
        "describe_snapshots",
        under("Snapshots"),
        _snapshot,
        arguments={"OwnerIds": ["self"]},
    ),
    Kind(
        "s3:bucket",
        "s3",
        "list_buckets",
        under("Buckets"),
        _bucket,
        is_global=True,
        complete=_with_region_and_tags,
    ),
)

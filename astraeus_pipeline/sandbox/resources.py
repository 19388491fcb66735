"""Seeds moto with the cloud resources that the estate's bills speak of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.config import Config

from astraeus_pipeline.sandbox.estate import AWS_OWNERS, DATA, PROD, STAGING, Owner

ROLE_NAME: Final = "astraeus-reader"
_IMAGE: Final = "ami-0abcdef1234567890"
# (region, instance type, count, team)
_INSTANCES: Final[Mapping[str, tuple[tuple[str, str, int, str], ...]]] = {
    PROD.slug: (
        ("us-east-1", "m6i.2xlarge", 22, "platform"),
        ("eu-central-1", "m6i.xlarge", 9, "shop"),
    ),
    STAGING.slug: (("us-east-1", "m6i.large", 8, "platform"),),
    DATA.slug: (("us-west-2", "g5.2xlarge", 3, "ml"),),
}
_BUCKETS: Final = ("logs", "assets", "exports")


def role_arn(owner: Owner) -> str:
    """Return the role to assume in the owner's account."""
    return f"arn:aws:iam::{owner.number}:role/{ROLE_NAME}"


def seed(endpoint: str) -> None:
    """Create the resources of all AWS accounts in the moto server at `endpoint`."""
    for owner in AWS_OWNERS:
        credentials = _assumed(endpoint, owner)
        for region, instance_type, count, team in _INSTANCES[owner.slug]:
            _seed_region(endpoint, credentials, owner, region, instance_type, count, team)
        _seed_buckets(endpoint, credentials, owner)


def _assumed(endpoint: str, owner: Owner) -> dict[str, str]:
    """Return session credentials: moto keeps a state of its own per assumed account."""
    sts = _client("sts", endpoint, "us-east-1", {"access": "demo", "secret": "demo", "token": ""})
    answer = sts.assume_role(RoleArn=role_arn(owner), RoleSessionName="seed")["Credentials"]
    return {
        "access": answer["AccessKeyId"],
        "secret": answer["SecretAccessKey"],
        "token": answer["SessionToken"],
    }


def _client(service: str, endpoint: str, region: str, keys: Mapping[str, str]) -> Any:
    return boto3.client(  # type: ignore[call-overload] # by name, several services
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=keys["access"],
        aws_secret_access_key=keys["secret"],
        aws_session_token=keys["token"] or None,
        config=Config(retries={"max_attempts": 2}),
    )


def _seed_region(
    endpoint: str,
    keys: Mapping[str, str],
    owner: Owner,
    region: str,
    instance_type: str,
    count: int,
    team: str,
) -> None:
    ec2 = _client("ec2", endpoint, region, keys)
    tags = [{"Key": "team", "Value": team}, {"Key": "env", "Value": owner.slug.split("-")[-1]}]
    ec2.run_instances(
        ImageId=_IMAGE,
        MinCount=count,
        MaxCount=count,
        InstanceType=instance_type,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    for size in (100, 500):
        ec2.create_volume(
            AvailabilityZone=f"{region}a",
            Size=size,
            VolumeType="gp3",
            Iops=4000,
            Throughput=250,
            TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        )
    ec2.allocate_address(Domain="vpc")
    rds = _client("rds", endpoint, region, keys)
    rds.create_db_instance(
        DBInstanceIdentifier=f"{owner.slug}-{team}",
        DBInstanceClass="db.r6g.2xlarge" if owner is PROD else "db.t4g.large",
        Engine="postgres",
        AllocatedStorage=400,
        MasterUsername="demo",
        MasterUserPassword="not-a-secret",
        Tags=tags,
    )
    _seed_function(
        _client("lambda", endpoint, region, keys), _client("iam", endpoint, region, keys), team
    )


def _seed_function(functions: Any, iam: Any, team: str) -> None:
    name = f"{team}-events"
    try:
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName=name)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return event\n")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="main.handler",
        Code={"ZipFile": code.getvalue()},
        Tags={"team": team},
    )


def _seed_buckets(endpoint: str, keys: Mapping[str, str], owner: Owner) -> None:
    s3 = _client("s3", endpoint, "us-east-1", keys)
    for name in _BUCKETS:
        bucket = f"{owner.slug}-{name}"
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "platform"}]}
        )

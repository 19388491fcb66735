"""Seeds moto with the cloud resources that the estate's bills speak of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from moto.backends import get_backend

from astraeus_pipeline.sandbox import metrics, organization
from astraeus_pipeline.sandbox.estate import AWS_OWNERS, DATA, PROD, STAGING, Owner
from astraeus_pipeline.sandbox.moto_clients import assumed, client
from astraeus_pipeline.sandbox.organization import SANDBOX

_AGE: Final = timedelta(days=230)
_IMAGE: Final = "ami-0abcdef1234567890"
# (region, instance type, count, team)
_INSTANCES: Final[Mapping[str, tuple[tuple[str, str, int, str], ...]]] = {
    PROD.slug: (
        ("us-east-1", "m6i.2xlarge", 22, "platform"),
        ("eu-central-1", "m6i.xlarge", 9, "shop"),
    ),
    STAGING.slug: (("us-east-1", "m6i.large", 8, "platform"),),
    DATA.slug: (("us-west-2", "g5.2xlarge", 3, "ml"),),
    SANDBOX.slug: (("us-east-1", "t3.micro", 2, "trials"),),
}
# Where its reservations lie; its members inherit the regions.
PAYER_REGIONS: Final = ["us-east-1"]
_BUCKETS: Final = ("logs", "assets", "exports")
_ELABORATE: Final = (PROD, DATA)  # accounts that use more than the basic services


@dataclass(frozen=True)
class _Site:
    """One account's region with what is being made there."""

    endpoint: str
    keys: Mapping[str, str]
    owner: Owner
    region: str
    team: str

    def client(self, service: str) -> Any:
        return client(service, self.endpoint, self.region, self.keys)

    @property
    def tags(self) -> list[dict[str, str]]:
        environment = self.owner.slug.split("-")[-1]
        return [{"Key": "team", "Value": self.team}, {"Key": "env", "Value": environment}]

    @property
    def name(self) -> str:
        return f"{self.owner.slug}-{self.team}"


def used_regions(owner: Owner) -> list[str]:
    """Return the regions that an account uses."""
    return sorted({region for region, *_ in _INSTANCES[owner.slug]})


def seed(endpoint: str, anchor: date | None = None) -> None:
    """Create the resources of all AWS accounts, their metrics, and the organization.

    `endpoint` is a moto server of this process; metrics go back from the anchor, by default today.
    """
    organization.seed(endpoint)
    for owner in (*AWS_OWNERS, SANDBOX):
        keys = assumed(endpoint, owner)
        for region, instance_type, count, team in _INSTANCES[owner.slug]:
            site = _Site(endpoint, keys, owner, region, team)
            _seed_region(site, instance_type, count, anchor)
        home = _Site(endpoint, keys, owner, "us-east-1", "platform")
        _seed_buckets(home)
        if owner is PROD:
            _seed_distribution(home)


def _seed_region(site: _Site, instance_type: str, count: int, anchor: date | None) -> None:
    ec2 = site.client("ec2")
    machines = [
        each["InstanceId"]
        for each in ec2.run_instances(
            ImageId=_IMAGE,
            MinCount=count,
            MaxCount=count,
            InstanceType=instance_type,
            TagSpecifications=[{"ResourceType": "instance", "Tags": site.tags}],
        )["Instances"]
    ]
    volumes = list(_seed_volumes(site, ec2, machines[0]))
    _seed_addresses(ec2, machines[0])
    database = _seed_database(site)
    function = _seed_function(site)
    seeded = {
        "AWS/EC2": machines,
        "AWS/EBS": volumes,
        "AWS/RDS": [database],
        "AWS/Lambda": [function],
    }
    if site.owner in _ELABORATE:
        seeded |= _seed_network(site, ec2, machines)
        _seed_platforms(site, ec2)
    metrics.seed(
        site.client("cloudwatch"),
        seeded,
        site.owner.slug,
        _loads(site, machines, database),
        anchor,
    )
    _age(site)


def _loads(site: _Site, machines: list[str], database: str) -> dict[str, float]:
    """Return who bears less than the usual load: in a fleet one is idle, one too large."""
    loads = dict(zip(machines[-2:], (0.4, 0.0), strict=True)) if len(machines) > 2 else {}
    return loads | ({database: 0.0} if site.owner is STAGING else {})


def _age(site: _Site) -> None:
    """Make the machines and disks as old as their bills: moto stamps all with the present.

    No call of AWS's sets these times, so they are set in the backend of this process.
    """
    backend = get_backend("ec2")[site.owner.number][site.region]
    then = datetime.now(UTC).replace(tzinfo=None) - _AGE
    for reservation in backend.reservations.values():
        for instance in reservation.instances:
            instance.launch_time = then
    for volume in backend.volumes.values():
        volume.create_time = then
    for snapshot in backend.snapshots.values():
        snapshot.start_time = then


def _seed_volumes(site: _Site, ec2: Any, machine: str) -> Iterator[str]:
    """Make a volume in use and one that nothing uses."""
    for size, is_attached in ((100, True), (500, False)):
        volume = ec2.create_volume(
            AvailabilityZone=f"{site.region}a",
            Size=size,
            VolumeType="gp3",
            Iops=4000,
            Throughput=250,
            TagSpecifications=[{"ResourceType": "volume", "Tags": site.tags}],
        )["VolumeId"]
        if is_attached:
            ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
            ec2.create_snapshot(VolumeId=volume, Description="before the upgrade")
        yield volume


def _seed_addresses(ec2: Any, machine: str) -> None:
    """Allocate an address in use and an idle one."""
    used = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=used, InstanceId=machine)
    ec2.allocate_address(Domain="vpc")


def _seed_database(site: _Site) -> str:
    name = site.name
    site.client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.r6g.2xlarge" if site.owner is PROD else "db.t4g.large",
        Engine="postgres",
        AllocatedStorage=400,
        MasterUsername="demo",
        MasterUserPassword="not-a-secret",
        Tags=site.tags,
    )
    return name


def _seed_network(site: _Site, ec2: Any, machines: list[str]) -> dict[str, list[str]]:
    """Make a gateway, a busy and an idle load balancer, and a classic one; return what to meter."""
    subnets = ec2.describe_subnets()["Subnets"]
    gateway = ec2.create_nat_gateway(SubnetId=subnets[0]["SubnetId"], ConnectivityType="private")[
        "NatGateway"
    ]["NatGatewayId"]
    elb = site.client("elbv2")
    arns = {
        name: elb.create_load_balancer(
            Name=name, Subnets=[each["SubnetId"] for each in subnets[:2]], Tags=site.tags
        )["LoadBalancers"][0]["LoadBalancerArn"]
        for name in (f"{site.team}-web", f"{site.team}-old")
    }
    for name, arn in arns.items():
        group = elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=subnets[0]["VpcId"]
        )["TargetGroups"][0]["TargetGroupArn"]
        elb.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        if name.endswith("-web"):
            elb.register_targets(TargetGroupArn=group, Targets=[{"Id": each} for each in machines])
    classic = f"{site.team}-classic"
    site.client("elb").create_load_balancer(
        LoadBalancerName=classic,
        Listeners=[{"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}],
        AvailabilityZones=[f"{site.region}a"],
        Tags=site.tags,
    )
    busy = arns[f"{site.team}-web"].split("loadbalancer/")[1]
    return {"AWS/NATGateway": [gateway], "AWS/ApplicationELB": [busy], "AWS/ELB": [classic]}


def _seed_platforms(site: _Site, ec2: Any) -> None:
    """Make a database cluster with a snapshot, a cache, a table, and clusters of containers."""
    rds = site.client("rds")
    cluster = f"{site.name}-aurora"
    rds.create_db_cluster(
        DBClusterIdentifier=cluster,
        Engine="aurora-postgresql",
        MasterUsername="demo",
        MasterUserPassword="not-a-secret",
        Tags=site.tags,
    )
    rds.create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=f"{cluster}-before-upgrade", DBClusterIdentifier=cluster
    )
    rds.create_db_snapshot(
        DBSnapshotIdentifier=f"{site.name}-before-upgrade", DBInstanceIdentifier=site.name
    )
    site.client("elasticache").create_cache_cluster(
        CacheClusterId=f"{site.team}-cache",
        CacheNodeType="cache.t4g.small",
        Engine="redis",
        NumCacheNodes=1,
        Tags=site.tags,
    )
    site.client("dynamodb").create_table(
        TableName=f"{site.team}-sessions",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=site.tags,
    )
    site.client("ecs").create_cluster(
        clusterName=f"{site.team}-jobs",
        tags=[{"key": each["Key"], "value": each["Value"]} for each in site.tags],
    )
    site.client("eks").create_cluster(
        name=f"{site.team}-apps",
        roleArn=f"arn:aws:iam::{site.owner.number}:role/eks",
        resourcesVpcConfig={
            "subnetIds": [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
        },
        tags={each["Key"]: each["Value"] for each in site.tags},
    )


def _seed_function(site: _Site) -> str:
    name = f"{site.team}-events"
    iam = site.client("iam")
    try:
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName=name)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return event\n")
    site.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="main.handler",
        Code={"ZipFile": code.getvalue()},
        Architectures=["arm64"],
        MemorySize=512,
        Tags={"team": site.team},
    )
    return name


def _seed_buckets(site: _Site) -> None:
    s3 = site.client("s3")
    for name in _BUCKETS:
        bucket = f"{site.owner.slug}-{name}"
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "platform"}]}
        )


def _seed_distribution(site: _Site) -> None:
    site.client("cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": "demo",
            "Comment": "assets",
            "Enabled": True,
            "Origins": {
                "Quantity": 1,
                "Items": [
                    {
                        "Id": "assets",
                        "DomainName": f"{site.owner.slug}-assets.s3.amazonaws.com",
                        "S3OriginConfig": {"OriginAccessIdentity": ""},
                    }
                ],
            },
            "DefaultCacheBehavior": {
                "TargetOriginId": "assets",
                "ViewerProtocolPolicy": "redirect-to-https",
            },
        }
    )

"""Which metrics tell how a resource is used: CloudWatch's names, and the resource as billed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from astraeus_pipeline.providers.aws.kind import Place


@dataclass(frozen=True)
class Gauge:
    """The metrics of one kind of resource: `metrics` maps each name to its documented unit.

    `dimension` is the only dimension of the metric series that count a resource; `resource_id`
    turns its value into the id that bills and inventory show.
    """

    resource_type: str
    namespace: str
    dimension: str
    metrics: dict[str, str]
    resource_id: Callable[[Place, str], str] = lambda _, value: value


def _arn(service: str, prefix: str) -> Callable[[Place, str], str]:
    return lambda place, value: place.arn(service, f"{prefix}{value}")


GAUGES: tuple[Gauge, ...] = (
    Gauge(
        "ec2:instance",
        "AWS/EC2",
        "InstanceId",
        {
            "CPUUtilization": "Percent",
            "NetworkIn": "Bytes",
            "NetworkOut": "Bytes",
            "EBSReadOps": "Count",
            "EBSWriteOps": "Count",
            "EBSReadBytes": "Bytes",
            "EBSWriteBytes": "Bytes",
        },
    ),
    Gauge(
        "ec2:volume",
        "AWS/EBS",
        "VolumeId",
        {
            "VolumeReadOps": "Count",
            "VolumeWriteOps": "Count",
            "VolumeIdleTime": "Seconds",
            "VolumeQueueLength": "Count",
        },
    ),
    Gauge(
        "ec2:natgateway",
        "AWS/NATGateway",
        "NatGatewayId",
        {"BytesOutToDestination": "Bytes", "BytesInFromDestination": "Bytes"},
    ),
    Gauge(
        "rds:instance",
        "AWS/RDS",
        "DBInstanceIdentifier",
        {
            "CPUUtilization": "Percent",
            "DatabaseConnections": "Count",
            "FreeStorageSpace": "Bytes",
            "ReadIOPS": "Count/Second",
            "WriteIOPS": "Count/Second",
        },
        _arn("rds", "db:"),
    ),
    Gauge(
        "lambda:function",
        "AWS/Lambda",
        "FunctionName",
        {"Invocations": "Count", "Duration": "Milliseconds", "Errors": "Count"},
        _arn("lambda", "function:"),
    ),
    Gauge(
        "elasticloadbalancing:loadbalancer",
        "AWS/ApplicationELB",
        "LoadBalancer",
        {"RequestCount": "Count"},
        _arn("elasticloadbalancing", "loadbalancer/"),
    ),
    Gauge(
        "elasticloadbalancing:classic",
        "AWS/ELB",
        "LoadBalancerName",
        {"RequestCount": "Count"},
        _arn("elasticloadbalancing", "loadbalancer/"),
    ),
)

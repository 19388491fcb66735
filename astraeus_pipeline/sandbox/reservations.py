"""Reserved instances in moto, which lists none: answers put in the place of its empty methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from astraeus_pipeline.sandbox import commitments as bought
from astraeus_pipeline.sandbox.commitments import Commitment


def install(anchor: Callable[[], date]) -> None:
    """Let the moto of this process list the reservations of the company made on `anchor`."""
    from moto.core.responses import ActionResult  # heavy
    from moto.ec2.responses.reserved_instances import ReservedInstances
    from moto.rds.responses import RDSResponse

    def of(response: Any, kind: bought.Kind) -> Iterator[Commitment]:
        for each in bought.company(anchor()):
            if (each.kind, each.owner.number, each.region) == (
                kind,
                response.current_account,
                response.region,
            ):
                yield each

    def machines(response: Any) -> ActionResult:
        return ActionResult({"ReservedInstances": [_machine(each) for each in of(response, "ec2")]})

    def databases(response: Any) -> ActionResult:
        return ActionResult(
            {"ReservedDBInstances": [_database(each) for each in of(response, "rds")]}
        )

    setattr(ReservedInstances, "describe_reserved_instances", machines)  # noqa: B010 - not assignable
    setattr(RDSResponse, "describe_reserved_db_instances", databases)  # noqa: B010 - not declared


def _machine(each: Commitment) -> dict[str, Any]:
    return {
        "ReservedInstancesId": each.identity,
        "InstanceType": each.instance_type,
        "InstanceCount": each.count,
        "Start": bought.instant(each.start),
        "End": bought.instant(each.end),
        "Duration": each.days * 86_400,
        "FixedPrice": float(each.upfront / each.count),
        "UsagePrice": 0.0,
        "RecurringCharges": [{"Frequency": "Hourly", "Amount": float(each.hourly / each.count)}],
        "CurrencyCode": "USD",
        "OfferingClass": each.plan,
        "OfferingType": each.payment,
        "ProductDescription": "Linux/UNIX",
        "Scope": "Region",
        "State": "active",
    }


def _database(each: Commitment) -> dict[str, Any]:
    return {
        "ReservedDBInstanceId": each.identity,
        "ReservedDBInstanceArn": each.arn,
        "LeaseId": each.identity,
        "DBInstanceClass": each.instance_type,
        "DBInstanceCount": each.count,
        "StartTime": bought.instant(each.start),
        "Duration": each.days * 86_400,
        "FixedPrice": float(each.upfront / each.count),
        "UsagePrice": 0.0,
        "RecurringCharges": [
            {"RecurringChargeFrequency": "Hourly", "RecurringChargeAmount": float(each.hourly)}
        ],
        "CurrencyCode": "USD",
        "OfferingType": each.payment,
        "ProductDescription": each.plan,
        "MultiAZ": False,
        "State": "active",
    }

"""The inventory: what Resource Graph's resources mean, type by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from astraeus_pipeline.contracts.typed_rows import exact

Item = Mapping[str, Any]
_GIB: Final = 1 << 30


def row_of(item: Item) -> dict[str, Any]:
    """Return the contract's columns that a resource of Resource Graph knows.

    Types without a reading of their own have identity, place, sku and provisioning state.
    Raises: KeyError without id or type.
    """
    kind = str(item["type"]).lower()
    location = str(item.get("location") or "").lower()
    zones = list(item.get("zones") or ())
    properties: Item = item.get("properties") or {}
    common = {
        "resource_id": clean_id(item["id"]),
        "resource_type": kind,
        "resource_name": item.get("name"),
        "owner_account_id": str(item.get("subscriptionId") or "").lower() or None,
        "region": None if location in ("", "global") else location,
        "availability_zone": f"{location}-{zones[0]}" if len(zones) == 1 else None,
        "state": properties.get("provisioningState"),
        "created_at": properties.get("timeCreated") or properties.get("creationTime"),
        "instance_type": _under(item, "sku", "name"),
    }
    read = _READERS.get(kind)
    return {**common, **(read(item, properties) if read else {})}


def clean_id(value: object) -> str:
    """Return an id in lower case with its leading slash, as both sides of a join spell it."""
    text = str(value).strip().lower()
    return text if text.startswith("/") else f"/{text}"


def _under(item: Item, *path: str) -> Any:
    value: Any = item
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _reference(item: Item, *path: str) -> str | None:
    """Return the id that lies at a path, None where there is none: nobody uses the resource."""
    value = _under(item, *path)
    return clean_id(value) if value else None


def _machine(item: Item, properties: Item) -> dict[str, Any]:
    power = _under(properties, "extended", "instanceView", "powerState", "code")
    return {
        "instance_type": _under(properties, "hardwareProfile", "vmSize"),
        "state": str(power).removeprefix("PowerState/") if power else _state(properties),
        "attached_to": _reference(properties, "virtualMachineScaleSet", "id"),
    }


def _state(properties: Item) -> Any:
    return properties.get("provisioningState")


def _disk(item: Item, properties: Item) -> dict[str, Any]:
    return {
        "state": properties.get("diskState"),
        "size_gb": properties.get("diskSizeGB"),
        "iops": properties.get("diskIOPSReadWrite"),
        "throughput_mbps": properties.get("diskMBpsReadWrite"),
        "attached_to": _reference(item, "managedBy"),
    }


def _snapshot(item: Item, properties: Item) -> dict[str, Any]:
    return {
        "size_gb": properties.get("diskSizeGB"),
        "attached_to": _reference(properties, "creationData", "sourceResourceId"),
    }


def _address(item: Item, properties: Item) -> dict[str, Any]:
    user = _reference(properties, "ipConfiguration", "id") or _reference(
        properties, "natGateway", "id"
    )
    return {"attached_to": user, "state": "associated" if user else "idle"}


def _interface(item: Item, properties: Item) -> dict[str, Any]:
    return {
        "attached_to": _reference(properties, "virtualMachine", "id")
        or _reference(properties, "privateEndpoint", "id")
    }


def _sql_database(item: Item, properties: Item) -> dict[str, Any]:
    size = properties.get("maxSizeBytes")
    return {
        "state": properties.get("status"),
        "created_at": properties.get("creationDate"),
        "instance_type": properties.get("currentServiceObjectiveName")
        or _under(item, "sku", "name"),
        "size_gb": None if size is None else exact(size) / _GIB,
        "attached_to": _reference(properties, "elasticPoolId"),
    }


def _flexible_server(item: Item, properties: Item) -> dict[str, Any]:
    return {
        "state": properties.get("state"),
        "size_gb": _under(properties, "storage", "storageSizeGB"),
        "iops": _under(properties, "storage", "iops"),
        "throughput_mbps": _under(properties, "storage", "throughput"),
        "availability_zone": _zone(item, properties),
    }


def _zone(item: Item, properties: Item) -> str | None:
    zone = properties.get("availabilityZone")
    return f"{str(item.get('location')).lower()}-{zone}" if zone else None


def _storage_account(item: Item, properties: Item) -> dict[str, Any]:
    return {"state": properties.get("statusOfPrimary")}


def _plan(item: Item, properties: Item) -> dict[str, Any]:
    return {"state": properties.get("status") or _state(properties)}


def _site(item: Item, properties: Item) -> dict[str, Any]:
    return {
        "state": properties.get("state"),
        "attached_to": _reference(properties, "serverFarmId"),
    }


def _cluster(item: Item, properties: Item) -> dict[str, Any]:
    return {"state": _under(properties, "powerState", "code") or _state(properties)}


_READERS: Final[Mapping[str, Callable[[Item, Item], dict[str, Any]]]] = {
    "microsoft.compute/virtualmachines": _machine,
    "microsoft.compute/disks": _disk,
    "microsoft.compute/snapshots": _snapshot,
    "microsoft.network/publicipaddresses": _address,
    "microsoft.network/networkinterfaces": _interface,
    "microsoft.sql/servers/databases": _sql_database,
    "microsoft.sql/managedinstances": lambda item, properties: {
        "state": properties.get("state"),
        "size_gb": properties.get("storageSizeInGB"),
    },
    "microsoft.dbforpostgresql/flexibleservers": _flexible_server,
    "microsoft.dbformysql/flexibleservers": _flexible_server,
    "microsoft.storage/storageaccounts": _storage_account,
    "microsoft.web/serverfarms": _plan,
    "microsoft.web/sites": _site,
    "microsoft.containerservice/managedclusters": _cluster,
}

"""The cloud resources that the Azure bills speak of, as Resource Graph lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from astraeus_pipeline.sandbox.estate import FABRIKAM_DATA, FABRIKAM_SHOP, Owner

Item = dict[str, Any]
_GROUPS: Final = {FABRIKAM_SHOP.slug: "rg-Shop-prod", FABRIKAM_DATA.slug: "rg-Data-prod"}
# What each workload's meter runs on: (type, names).
_BILLED: Final[dict[tuple[str, str], tuple[str, tuple[str, ...]]]] = {
    (FABRIKAM_SHOP.slug, "D4s v5"): (
        "Microsoft.Compute/virtualMachines",
        tuple(f"web-{number:02}" for number in range(1, 7)),
    ),
    (FABRIKAM_SHOP.slug, "P20 LRS Disk"): (
        "Microsoft.Compute/disks",
        (*(f"web-{number:02}-data" for number in range(1, 7)), "old-import-data"),
    ),
    (FABRIKAM_SHOP.slug, "Hot LRS Data Stored"): (
        "Microsoft.Storage/storageAccounts",
        ("fabshopassets", "fabshoplogs"),
    ),
    (FABRIKAM_SHOP.slug, "Hot Read Operations"): (
        "Microsoft.Storage/storageAccounts",
        ("fabshopassets",),
    ),
    (FABRIKAM_SHOP.slug, "vCore"): (
        "Microsoft.Sql/servers/databases",
        ("sql-shop/databases/orders", "sql-shop/databases/catalogue"),
    ),
    (FABRIKAM_SHOP.slug, "Standard Data Transfer Out"): (
        "Microsoft.Compute/virtualMachines",
        ("web-01",),
    ),
    (FABRIKAM_DATA.slug, "Premium All-purpose Compute DBU"): (
        "Microsoft.Databricks/workspaces",
        ("dbw-data",),
    ),
    (FABRIKAM_DATA.slug, "E8s v5"): (
        "Microsoft.Compute/virtualMachines",
        tuple(f"etl-{number:02}" for number in range(1, 4)),
    ),
    (FABRIKAM_DATA.slug, "Cool ZRS Data Stored"): (
        "Microsoft.Storage/storageAccounts",
        ("fabdatalake",),
    ),
    (FABRIKAM_DATA.slug, "vCore"): ("Microsoft.DBforPostgreSQL/flexibleServers", ("pg-data",)),
    (FABRIKAM_DATA.slug, "Pay-as-you-go Data Ingestion"): (
        "Microsoft.OperationalInsights/workspaces",
        ("log-data",),
    ),
}


def identity(owner: Owner, kind: str, name: str) -> str:
    """Return a resource's id; names of children hold the type below: sql-shop/databases/orders."""
    group = _GROUPS[owner.slug]
    kind = kind.removesuffix("/databases")
    return f"/subscriptions/{owner.number}/resourceGroups/{group}/providers/{kind}/{name}"


def billed(owner: Owner, usage_type: str) -> list[str]:
    """Return the ids of the resources that a workload's meter runs on."""
    kind, names = _BILLED[owner.slug, usage_type]
    return [identity(owner, kind, name) for name in names]


def items(owner: Owner) -> list[Item]:
    """Return the owner's resources in order of their ids."""
    return sorted(_items(owner), key=lambda item: str(item["id"]).lower())


def _items(owner: Owner) -> Iterator[Item]:
    seen = set()
    for (slug, _), (kind, names) in _BILLED.items():
        for name in names:
            if slug == owner.slug and (kind, name) not in seen:
                seen.add((kind, name))
                yield _item(owner, kind, name)
    yield from _network(owner)
    yield _kept(owner)


def _item(owner: Owner, kind: str, name: str) -> Item:
    further = {
        "Microsoft.Compute/virtualMachines": _machine,
        "Microsoft.Compute/disks": _disk,
        "Microsoft.Storage/storageAccounts": _storage,
        "Microsoft.Sql/servers/databases": _database,
        "Microsoft.DBforPostgreSQL/flexibleServers": _server,
    }.get(kind)
    known = further(owner, name) if further else {}
    return {
        "id": identity(owner, kind, name),
        "name": name.rpartition("/")[2],
        "type": kind.lower(),
        "kind": "",
        "location": _location(owner),
        "resourceGroup": _GROUPS[owner.slug].lower(),
        "subscriptionId": owner.number,
        "managedBy": "",
        "zones": None,
        "sku": None,
        "tags": {"team": "shop" if owner is FABRIKAM_SHOP else "data", "env": "prod"},
        **known,
        "properties": {"provisioningState": "Succeeded", **known.get("properties", {})},
    }


def _location(owner: Owner) -> str:
    return owner.workloads[0].region


def _machine(owner: Owner, name: str) -> Item:
    size = "Standard_D4s_v5" if owner is FABRIKAM_SHOP else "Standard_E8s_v5"
    power = "deallocated" if name == "etl-03" else "running"
    return {
        "zones": [str(int(name[-2:]) % 3 + 1)],
        "properties": {
            "vmId": name,
            "hardwareProfile": {"vmSize": size},
            "timeCreated": "2026-02-11T08:30:12.5678901+00:00",
            "extended": {"instanceView": {"powerState": {"code": f"PowerState/{power}"}}},
        },
    }


def _disk(owner: Owner, name: str) -> Item:
    machine = name.removesuffix("-data")
    is_used = machine.startswith("web-")
    owner_id = identity(owner, "Microsoft.Compute/virtualMachines", machine)
    return {
        "managedBy": owner_id if is_used else "",
        "sku": {"name": "Premium_LRS", "tier": "Premium"},
        "properties": {
            "diskSizeGB": 512,
            "diskIOPSReadWrite": 2300,
            "diskMBpsReadWrite": 150,
            "diskState": "Attached" if is_used else "Unattached",
            "timeCreated": "2026-02-11T08:31:40.1+00:00",
        },
    }


def _storage(_: Owner, name: str) -> Item:
    return {
        "kind": "StorageV2",
        "sku": {"name": "Standard_ZRS" if name == "fabdatalake" else "Standard_LRS"},
        "properties": {
            "creationTime": "2025-11-03T10:00:00.0000000Z",
            "statusOfPrimary": "available",
            "accessTier": "Cool" if name == "fabdatalake" else "Hot",
        },
    }


def _database(_: Owner, name: str) -> Item:
    return {
        "kind": "v12.0,user,vcore",
        "sku": {"name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 4},
        "properties": {
            "status": "Online",
            "creationDate": "2026-01-20T14:05:00Z",
            "currentServiceObjectiveName": "GP_Gen5_4",
            "maxSizeBytes": 268435456000,
        },
    }


def _server(_: Owner, name: str) -> Item:
    return {
        "sku": {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"},
        "properties": {
            "state": "Ready",
            "availabilityZone": "2",
            "storage": {"storageSizeGB": 256, "iops": 1100, "throughput": 125},
        },
    }


def _kept(owner: Owner) -> Item:
    """Return a snapshot that nobody deleted after the move that it was made for."""
    snapshot = _item(owner, "Microsoft.Compute/snapshots", "before-the-move")
    return {
        **snapshot,
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "provisioningState": "Succeeded",
            "diskSizeGB": 512,
            "timeCreated": "2026-02-10T21:00:00+00:00",
        },
    }


def _network(owner: Owner) -> Iterator[Item]:
    """Networks, and addresses of which one is idle."""
    virtual = _item(owner, "Microsoft.Network/virtualNetworks", "vnet-prod")
    yield {**virtual, "properties": {"addressSpace": {"addressPrefixes": ["10.4.0.0/16"]}}}
    for name, user in (("pip-front", "nic-web-01/ipConfigurations/main"), ("pip-old", None)):
        address = _item(owner, "Microsoft.Network/publicIPAddresses", name)
        properties: Item = {"provisioningState": "Succeeded", "ipAddress": "203.0.113.7"}
        if user:
            interface = identity(owner, "Microsoft.Network/networkInterfaces", user)
            properties["ipConfiguration"] = {"id": interface}
        yield {**address, "sku": {"name": "Standard"}, "properties": properties}

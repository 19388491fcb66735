"""The estate's Snowflake as the rows of Snowflake's views, every cell as text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from astraeus_pipeline.sandbox.snowflake_estate import (
    CONTRACT,
    CURRENCY,
    ORGANIZATION,
    OVERAGE_RATES,
    RATES,
    Cells,
    Hour,
    Line,
    SnowAccount,
    SnowEstate,
    cloud_services,
    hours,
    serverless,
    stored,
)

_CENT: Final = Decimal("0.01")
_FAILSAFE: Final = 0.07  # of the bytes of a database
_QUERY_HOURS: Final = 4  # a kind of work asks once in so many hours
_BORN: Final = "2025-03-01T08:00:00+00:00"


def organization_rows(snow: SnowEstate) -> dict[str, list[Cells]]:
    """Return the rows of ORGANIZATION_USAGE."""
    return {
        "organization_usage.usage_in_currency_daily": list(_bill(snow)),
        "organization_usage.rate_sheet_daily": list(_rates(snow)),
        "organization_usage.remaining_balance_daily": list(_balances(snow)),
        "organization_usage.accounts": [_account(each) for each in ORGANIZATION],
    }


def account_rows(snow: SnowEstate, account: SnowAccount) -> dict[str, list[Cells]]:
    """Return the rows of an account's ACCOUNT_USAGE, and its answer to SHOW WAREHOUSES."""
    queries = list(_queries(snow, account))
    return {
        "account_usage.metering_daily_history": list(_metering(snow, account)),
        "account_usage.storage_usage": list(_storage(snow, account)),
        "account_usage.database_storage_usage_history": list(_databases_by_day(snow, account)),
        "account_usage.warehouse_metering_history": list(_warehouse_hours(snow, account)),
        "account_usage.warehouse_load_history": list(_loads(snow, account)),
        "account_usage.query_attribution_history": queries,
        "account_usage.query_history": queries,
        "account_usage.databases": list(_databases(account)),
        "account_usage.pipes": list(_pipes(account)),
        "sandbox.show_warehouses": list(_warehouses(account)),
    }


def _owner(account: SnowAccount | None) -> Cells:
    return {
        "organization_name": ORGANIZATION[0].organization,
        "contract_number": CONTRACT,
        "account_name": account.name if account else None,
        "account_locator": account.locator if account else None,
        "region": account.region if account else None,
        "service_level": account.edition if account else None,
        "currency": CURRENCY,
    }


def _bill(snow: SnowEstate) -> Iterator[Cells]:
    for line in snow.bill():
        yield {
            **_owner(line.account),
            "usage_date": line.day.isoformat(),
            "usage_type": _usage_type(line),
            "billing_type": line.billing,
            "rating_type": line.rating,
            "service_type": line.service or None,
            "is_adjustment": str(line.is_adjustment).lower(),
            "usage": f"{line.usage:.3f}",
            "usage_in_currency": f"{_rounded(line):f}",
            "balance_source": "overage" if line.is_overage else "capacity",
        }


def _usage_type(line: Line) -> str:
    return f"overage-{line.usage_type}" if line.is_overage else line.usage_type


def _rounded(line: Line) -> Decimal:
    return line.cost.quantize(_CENT)


def _rates(snow: SnowEstate) -> Iterator[Cells]:
    for day in snow.days:
        for account in ORGANIZATION:
            services = [("compute", "WAREHOUSE_METERING", "compute")]
            services += [
                (service.lower().replace("_", " "), service, "compute")
                for service, _ in account.serverless
            ]
            services.append(("storage", "STORAGE", "storage"))
            for prefix, rates in (("", RATES), ("overage-", OVERAGE_RATES)):
                for usage_type, service, rating in services:
                    yield {
                        **_owner(account),
                        "date": day.isoformat(),
                        "usage_type": f"{prefix}{usage_type}",
                        "billing_type": "consumption",
                        "rating_type": rating,
                        "service_type": service,
                        "is_adjustment": "false",
                        "effective_rate": f"{rates[rating]:f}",
                    }


def _balances(snow: SnowEstate) -> Iterator[Cells]:
    """Yield what is left at each day's end: the capacity was bought to last until the overage."""
    spent: dict[date, Decimal] = {}
    over: dict[date, Decimal] = {}
    for line in snow.bill():
        into = over if line.is_overage else spent
        into[line.day] = into.get(line.day, Decimal(0)) + _rounded(line)
    left, owed = sum(spent.values(), Decimal(0)), Decimal(0)
    for day in snow.days:
        left -= spent.get(day, Decimal(0))
        owed -= over.get(day, Decimal(0))
        yield {
            "organization_name": ORGANIZATION[0].organization,
            "contract_number": CONTRACT,
            "date": day.isoformat(),
            "currency": CURRENCY,
            "free_usage_balance": "0.00",
            "capacity_balance": f"{left:f}",
            "on_demand_consumption_balance": f"{owed:f}",
            "rollover_balance": "0.00",
            "marketplace_capacity_drawdown_balance": None,
        }


def _account(account: SnowAccount) -> Cells:
    host = f"{account.organization}-{account.name}".lower()
    return {
        "organization_name": account.organization,
        "account_name": account.name,
        "account_locator": account.locator,
        "region": account.region,
        "edition": account.edition.upper(),
        "created_on": _BORN,
        "is_locked": "false",
        "account_url": f"https://{host}.snowflakecomputing.com",
        "deleted_on": None,
    }


def _metering(snow: SnowEstate, account: SnowAccount) -> Iterator[Cells]:
    for day in snow.days:
        compute = sum((hour.compute for hour in hours(account, day)), Decimal(0))
        used, adjustment = cloud_services(account, day)
        yield _metered(day, "WAREHOUSE_METERING", compute, used, adjustment)
        for service, credits in serverless(account, snow.estate, day).items():
            yield _metered(day, service, credits, Decimal(0), Decimal(0))


def _metered(
    day: date, service: str, compute: Decimal, cloud: Decimal, adjustment: Decimal
) -> Cells:
    return {
        "service_type": service,
        "usage_date": day.isoformat(),
        "credits_used_compute": f"{compute:f}",
        "credits_used_cloud_services": f"{cloud:f}",
        "credits_used": f"{compute + cloud:f}",
        "credits_adjustment_cloud_services": f"{adjustment:f}",
        "credits_billed": f"{compute + cloud + adjustment:f}",
    }


def _storage(snow: SnowEstate, account: SnowAccount) -> Iterator[Cells]:
    for day in snow.days:
        total = sum(stored(account, snow.estate, day).values())
        failsafe = int(total * _FAILSAFE)
        yield {
            "usage_date": day.isoformat(),
            "storage_bytes": str(total - failsafe),
            "stage_bytes": "0",
            "failsafe_bytes": str(failsafe),
        }


def _databases_by_day(snow: SnowEstate, account: SnowAccount) -> Iterator[Cells]:
    for day in snow.days:
        for number, (name, total) in enumerate(stored(account, snow.estate, day).items(), 1):
            failsafe = int(total * _FAILSAFE)
            yield {
                "usage_date": day.isoformat(),
                "database_id": str(number),
                "database_name": name,
                "average_database_bytes": str(total - failsafe),
                "average_failsafe_bytes": str(failsafe),
            }


def _warehouse_hours(snow: SnowEstate, account: SnowAccount) -> Iterator[Cells]:
    for hour in _all_hours(snow, account):
        attributed = hour.compute * Decimal(repr(hour.busy))
        yield {
            **_hour(account, hour),
            "credits_used": f"{hour.compute + hour.cloud_services:f}",
            "credits_used_compute": f"{hour.compute:f}",
            "credits_used_cloud_services": f"{hour.cloud_services:f}",
            "credits_attributed_compute_queries": f"{attributed:.9f}",
        }


def _loads(snow: SnowEstate, account: SnowAccount) -> Iterator[Cells]:
    for hour in _all_hours(snow, account):
        running = hour.warehouse.running * hour.busy
        yield {
            **_hour(account, hour),
            "avg_running": f"{running:.9f}",
            "avg_queued_load": f"{max(0.0, hour.busy - 0.85):.9f}",
            "avg_queued_provisioning": "0",
            "avg_blocked": "0",
        }


def _all_hours(snow: SnowEstate, account: SnowAccount) -> Iterator[Hour]:
    for day in snow.days:
        yield from hours(account, day)


def _hour(account: SnowAccount, hour: Hour) -> Cells:
    return {
        "start_time": hour.start.isoformat(),
        "end_time": (hour.start + timedelta(hours=1)).isoformat(),
        "warehouse_id": str(account.warehouses.index(hour.warehouse) + 1),
        "warehouse_name": hour.warehouse.name,
    }


def _queries(snow: SnowEstate, account: SnowAccount) -> Iterator[Cells]:
    """Yield queries that share what is busy of some hours; cells of both query views."""
    for day in snow.days:
        for warehouse in account.warehouses:
            mine = [hour for hour in hours(account, day) if hour.warehouse is warehouse]
            whole = sum(work.share for work in warehouse.works)
            for first in range(0, len(mine), _QUERY_HOURS):
                block = mine[first : first + _QUERY_HOURS]
                credits = sum(float(hour.compute) * hour.busy for hour in block)
                for work in warehouse.works:
                    mark = f"{account.locator}:{warehouse.name}:{block[0].start}:{work.user}"
                    share = work.share / whole
                    yield {
                        **_hour(account, block[0]),
                        "query_id": hashlib.sha256(mark.encode()).hexdigest()[:36],
                        "query_hash": _digest(f"{work.statement} {day}"),
                        "query_parameterized_hash": _digest(work.statement),
                        "query_tag": work.tag or "",
                        "query_type": work.kind,
                        "user_name": work.user,
                        "role_name": work.role,
                        "credits_attributed_compute": repr(round(credits * share, 12)),
                        "total_elapsed_time": str(int(3_600_000 * len(block) * share)),
                        "bytes_scanned": str(int(credits * share * 2**33)),
                    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _databases(account: SnowAccount) -> Iterator[Cells]:
    for number, store in enumerate(account.stores, 1):
        yield {
            "database_id": str(number),
            "database_name": store.name,
            "database_owner": "SYSADMIN",
            "created": _BORN,
            "retention_time": "7",
            "type": "STANDARD",
        }


def _pipes(account: SnowAccount) -> Iterator[Cells]:
    for number, name in enumerate(account.pipes, 1):
        catalog, schema, pipe = name.split(".")
        yield {
            "pipe_id": str(number),
            "pipe_name": pipe,
            "pipe_schema": schema,
            "pipe_catalog": catalog,
            "is_autoingest_enabled": "YES",
            "pipe_owner": "LOADER",
            "created": _BORN,
        }


def _warehouses(account: SnowAccount) -> Iterator[Cells]:
    for warehouse in account.warehouses:
        yield {
            "name": warehouse.name,
            "state": "SUSPENDED",
            "type": "STANDARD",
            "size": warehouse.size,
            "min_cluster_count": "1",
            "max_cluster_count": "1",
            "auto_suspend": str(warehouse.auto_suspend),
            "auto_resume": "true",
            "created_on": _BORN,
            "owner": "SYSADMIN",
            "comment": "",
            "scaling_policy": "STANDARD",
            "resource_monitor": "null",
        }

"""The views of Snowflake's SNOWFLAKE database that are emulated, with their documented types."""

from __future__ import annotations

from typing import Final

_TEXT: Final = "varchar"
_TIME: Final = "timestamp_ltz"
_DATE: Final = "date"
_WHOLE: Final = "number(38, 0)"
_CREDITS: Final = "number(38, 9)"
_MONEY: Final = "number(38, 2)"

_RATED: Final = {
    "organization_name": _TEXT,
    "contract_number": _TEXT,
    "account_name": _TEXT,
    "account_locator": _TEXT,
    "region": _TEXT,
    "service_level": _TEXT,
    "usage_type": _TEXT,
    "currency": _TEXT,
    "billing_type": _TEXT,
    "rating_type": _TEXT,
    "service_type": _TEXT,
    "is_adjustment": "boolean",
}

ORGANIZATION_VIEWS: Final[dict[str, dict[str, str]]] = {
    "organization_usage.usage_in_currency_daily": {
        **_RATED,
        "usage_date": _DATE,
        "usage": "number(38, 3)",
        "usage_in_currency": _MONEY,
        "balance_source": _TEXT,
    },
    "organization_usage.rate_sheet_daily": {**_RATED, "date": _DATE, "effective_rate": _MONEY},
    "organization_usage.remaining_balance_daily": {
        "organization_name": _TEXT,
        "contract_number": _TEXT,
        "date": _DATE,
        "currency": _TEXT,
        "free_usage_balance": _MONEY,
        "capacity_balance": _MONEY,
        "on_demand_consumption_balance": _MONEY,
        "rollover_balance": _MONEY,
        "marketplace_capacity_drawdown_balance": _MONEY,
    },
    "organization_usage.accounts": {
        "organization_name": _TEXT,
        "account_name": _TEXT,
        "account_locator": _TEXT,
        "region": _TEXT,
        "edition": _TEXT,
        "created_on": _TIME,
        "is_locked": "boolean",
        "account_url": _TEXT,
        "deleted_on": _TIME,
    },
}

_WAREHOUSE_HOUR: Final = {
    "start_time": _TIME,
    "end_time": _TIME,
    "warehouse_id": _WHOLE,
    "warehouse_name": _TEXT,
}
ACCOUNT_VIEWS: Final[dict[str, dict[str, str]]] = {
    "account_usage.metering_daily_history": {
        "service_type": _TEXT,
        "usage_date": _DATE,
        "credits_used_compute": _CREDITS,
        "credits_used_cloud_services": _CREDITS,
        "credits_used": _CREDITS,
        "credits_adjustment_cloud_services": _CREDITS,
        "credits_billed": _CREDITS,
    },
    "account_usage.storage_usage": {
        "usage_date": _DATE,
        "storage_bytes": "number(38, 6)",
        "stage_bytes": "number(38, 6)",
        "failsafe_bytes": "number(38, 6)",
    },
    "account_usage.database_storage_usage_history": {
        "usage_date": _DATE,
        "database_id": _WHOLE,
        "database_name": _TEXT,
        "deleted": _TIME,
        "average_database_bytes": "float",
        "average_failsafe_bytes": "float",
    },
    "account_usage.warehouse_metering_history": {
        **_WAREHOUSE_HOUR,
        "credits_used": _CREDITS,
        "credits_used_compute": _CREDITS,
        "credits_used_cloud_services": _CREDITS,
        "credits_attributed_compute_queries": _CREDITS,
    },
    "account_usage.warehouse_load_history": {
        **_WAREHOUSE_HOUR,
        "avg_running": _CREDITS,
        "avg_queued_load": _CREDITS,
        "avg_queued_provisioning": _CREDITS,
        "avg_blocked": _CREDITS,
    },
    "account_usage.query_attribution_history": {
        "query_id": _TEXT,
        "parent_query_id": _TEXT,
        "root_query_id": _TEXT,
        "warehouse_id": _WHOLE,
        "warehouse_name": _TEXT,
        "query_hash": _TEXT,
        "query_parameterized_hash": _TEXT,
        "query_tag": _TEXT,
        "user_name": _TEXT,
        "start_time": _TIME,
        "end_time": _TIME,
        "credits_attributed_compute": "float",
        "credits_used_query_acceleration": "float",
    },
    "account_usage.query_history": {
        "query_id": _TEXT,
        "query_type": _TEXT,
        "user_name": _TEXT,
        "role_name": _TEXT,
        "warehouse_name": _TEXT,
        "query_tag": _TEXT,
        "start_time": _TIME,
        "total_elapsed_time": _WHOLE,
        "bytes_scanned": _WHOLE,
    },
    "account_usage.databases": {
        "database_id": _WHOLE,
        "database_name": _TEXT,
        "database_owner": _TEXT,
        "created": _TIME,
        "deleted": _TIME,
        "comment": _TEXT,
        "retention_time": _WHOLE,
        "type": _TEXT,
    },
    "account_usage.pipes": {
        "pipe_id": _WHOLE,
        "pipe_name": _TEXT,
        "pipe_schema": _TEXT,
        "pipe_catalog": _TEXT,
        "is_autoingest_enabled": _TEXT,
        "pipe_owner": _TEXT,
        "created": _TIME,
        "comment": _TEXT,
        "deleted": _TIME,
    },
}
VIEWS: Final = {**ORGANIZATION_VIEWS, **ACCOUNT_VIEWS}

# What SHOW commands answer.
SHOWN: Final[dict[str, dict[str, str]]] = {
    "sandbox.show_warehouses": {
        "name": _TEXT,
        "state": _TEXT,
        "type": _TEXT,
        "size": _TEXT,
        "min_cluster_count": _WHOLE,
        "max_cluster_count": _WHOLE,
        "auto_suspend": _WHOLE,
        "auto_resume": _TEXT,
        "created_on": _TIME,
        "owner": _TEXT,
        "comment": _TEXT,
        "scaling_policy": _TEXT,
        "resource_monitor": _TEXT,
    },
}

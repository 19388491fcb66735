"""The views of Snowflake's SNOWFLAKE database that are emulated, with their documented types."""

from __future__ import annotations

from typing import Final

_TEXT: Final = "varchar"
_TIME: Final = "timestamp_ltz"
_CREDITS: Final = "number(38, 9)"

_RATED: Final = {
    "organization_name": _TEXT,
    "contract_number": _TEXT,
    "account_name": _TEXT,
    "account_locator": _TEXT,
    "region": _TEXT,
    "service_level": _TEXT,
}
_KINDS: Final = {
    "billing_type": _TEXT,
    "rating_type": _TEXT,
    "service_type": _TEXT,
    "is_adjustment": "boolean",
}

ORGANIZATION_VIEWS: Final = {
    "organization_usage.usage_in_currency_daily": {
        **_RATED,
        "usage_date": "date",
        "usage_type": _TEXT,
        "usage": "number(38, 3)",
        "currency": _TEXT,
        "usage_in_currency": "number(38, 2)",
        "balance_source": _TEXT,
        **_KINDS,
    },
}
ACCOUNT_VIEWS: Final[dict[str, dict[str, str]]] = {}
VIEWS: Final = {**ORGANIZATION_VIEWS, **ACCOUNT_VIEWS}

# What SHOW commands answer.
SHOWN: Final[dict[str, dict[str, str]]] = {
    "sandbox.show_warehouses": {
        "name": _TEXT,
        "state": _TEXT,
        "type": _TEXT,
        "size": _TEXT,
        "min_cluster_count": "number(38, 0)",
        "max_cluster_count": "number(38, 0)",
        "auto_suspend": "number(38, 0)",
        "auto_resume": _TEXT,
        "created_on": _TIME,
        "owner": _TEXT,
        "comment": _TEXT,
        "scaling_policy": _TEXT,
        "resource_monitor": _TEXT,
    },
}

"""Who bears which costs in the invented company, as its finance team would write it down.

Tags where there are any, accounts and services where there are none; what all use is shared. Some
costs are left to be found unallocated.
"""

from __future__ import annotations

from typing import Any, Final

_DATA: Final = ["acme-data", "fabrikam-data"]

RULES: Final[tuple[dict[str, Any], ...]] = (
    {
        "dimension": "team",
        "name": "Taxes, as the teams use the clouds",
        "conditions": {"charge_category": "Tax"},
        "effect": {"proportional_to": "all"},
    },
    {
        "dimension": "team",
        "name": "Support plans, as agreed",
        "conditions": {"service_name": "*support*"},
        "effect": {"shares": {"platform": "0.5", "shop": "0.3", "data": "0.2"}},
    },
    {
        "dimension": "team",
        "name": "The team tag",
        "effect": {"tag": "team"},
    },
    {
        "dimension": "team",
        "name": "Models",
        "conditions": {"service_name": ["amazon sagemaker", "amazon bedrock"]},
        "effect": {"value": "ml"},
    },
    {
        "dimension": "team",
        "name": "Language models",
        "conditions": {"provider": ["openai", "anthropic"]},
        "effect": {"value": "ml"},
    },
    {
        "dimension": "team",
        "name": "Data accounts",
        "conditions": {"account_id": _DATA},
        "effect": {"value": "data"},
    },
    {
        "dimension": "team",
        "name": "Snowflake",
        "conditions": {"provider": "snowflake"},
        "effect": {"value": "data"},
    },
    {
        "dimension": "team",
        "name": "Shop accounts",
        "conditions": {"account_id": "fabrikam-shop"},
        "effect": {"value": "shop"},
    },
    {
        "dimension": "team",
        "name": "Databases and storage of production",
        "conditions": {
            "account_id": "acme-prod",
            "service_name": ["*relational database*", "*cloudfront"],
        },
        "effect": {"value": "shop"},
    },
    {
        "dimension": "team",
        "name": "What all of production stands on",
        "conditions": {
            "account_id": "acme-prod",
            "service_name": ["ec2 - other", "amazoncloudwatch", "*storage service"],
        },
        "effect": {"value": "platform"},
    },
    {
        "dimension": "cost_center",
        "name": "Research",
        "conditions": {"provider": ["openai", "anthropic"]},
        "effect": {"value": "4100 research"},
    },
    {
        "dimension": "cost_center",
        "name": "Analytics",
        "conditions": {"account_id": [*_DATA, "snowflake*"]},
        "effect": {"value": "4200 analytics"},
    },
    {
        "dimension": "cost_center",
        "name": "Everything else",
        "effect": {"value": "4000 engineering"},
    },
    {
        "dimension": "environment",
        "name": "The env tag",
        "effect": {"tag": "env"},
    },
    {
        "dimension": "environment",
        "name": "Accounts named after theirs",
        "conditions": {"account_id": "*-staging"},
        "effect": {"value": "staging"},
    },
    {
        "dimension": "environment",
        "name": "Production accounts",
        "conditions": {"account_id": ["*-prod", "fabrikam-*"]},
        "effect": {"value": "prod"},
    },
)

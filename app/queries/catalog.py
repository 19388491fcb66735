"""What may be asked of the daily costs: metrics, dimensions, grains. Defined once, for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Basis = Literal["billed", "effective", "list", "contracted"]
Grain = Literal["day", "week", "month"]
Source = Literal["daily", "allocated", "tagged"]


@dataclass(frozen=True)
class Metric:
    """A sum of one mart column; `unit` is the billing currency unless said otherwise."""

    key: str
    label: str
    column: str
    description: str


@dataclass(frozen=True)
class Dimension:
    """An expression to group and filter by; `missing` is what its nulls are called.

    `source` is the mart of SOURCES that has it: every one of them has those of the daily costs.
    """

    key: str
    label: str
    column: str
    missing: str
    source: Source = "daily"


@dataclass(frozen=True)
class Tag:
    """The key of a tag as it is compared, and its spellings in the bills in byte order.

    Of several spellings on one charge the first that has a value counts, as for allocation rules.
    """

    key: str
    spellings: tuple[str, ...]


# What people call a provider: FOCUS is a format, so its bills go by their issuers' names.
_SHORT_NAMES: Final = {
    "aws": "AWS",
    "azure": "Azure",
    "snowflake": "Snowflake",
    "openai": "OpenAI",
    "anthropic": "Anthropic",
}
PROVIDER_NAME: Final = (
    "case accounts.provider when 'focus' then accounts.account_name "
    + " ".join(f"when '{key}' then '{name}'" for key, name in _SHORT_NAMES.items())
    + " else accounts.provider end"
)

METRICS: Final = {
    metric.key: metric
    for metric in (
        Metric("billed", "Billed", "billed_cost", "What the invoice asks for"),
        Metric("effective", "Effective", "effective_cost", "Commitments spread over their use"),
        Metric("list", "List", "list_cost", "At public prices"),
        Metric("contracted", "Contracted", "contracted_cost", "At agreed prices"),
    )
}
DIMENSIONS: Final = {
    dimension.key: dimension
    for dimension in (
        Dimension("provider", "Provider", PROVIDER_NAME, "No provider"),
        Dimension("category", "Service category", "costs.service_category", "No category"),
        Dimension("service", "Service", "costs.service_name", "No service"),
        Dimension("account", "Account", "costs.account_id", "No account"),
        Dimension("sub_account", "Sub account", "costs.sub_account_id", "No sub account"),
        Dimension("region", "Region", "costs.region_id", "No region"),
        Dimension("charge", "Charge category", "costs.charge_category", "No charge category"),
        Dimension("team", "Team", "costs.team", "Unallocated", "allocated"),
        Dimension("cost_center", "Cost center", "costs.cost_center", "Unallocated", "allocated"),
        Dimension("environment", "Environment", "costs.environment", "Unallocated", "allocated"),
        # Its column is an expression over the spellings of the tag that is asked for.
        Dimension("tag", "Tag", "", "Untagged", "tagged"),
    )
}
# One row per account whatever its versions are, so that a join can never multiply money.
ACCOUNTS: Final = (
    "(select account_id, min(provider) as provider, min(account_name) as account_name,"
    " min(final_through) as final_through from marts.dim_accounts where is_current group by 1)"
    " as accounts"
)
_NAMED: Final = f" left join {ACCOUNTS} on accounts.account_id = costs.account_id"
SOURCE: Final = f"marts.fct_daily_costs as costs{_NAMED}"


def _finality(mart: str) -> str:
    """Return a mart whose rows do not say whether they are final, with that of their days."""
    return (
        f"(select parts.*, coalesce(days.is_final, false) as is_final"  # noqa: S608 - names of this module
        f" from marts.{mart} as parts left join (select account_id, usage_date, billing_period,"
        " bool_and(is_final) as is_final from marts.fct_daily_costs"
        " where usage_date between :first and :last group by 1, 2, 3) as days"
        " on days.account_id = parts.account_id and days.usage_date = parts.usage_date"
        " and days.billing_period = parts.billing_period"
        f" where parts.usage_date between :first and :last) as costs{_NAMED}"
    )


# What costs are asked of, with first and last day; and what the values of a dimension are asked of.
SOURCES: Final[dict[Source, str]] = {
    "daily": SOURCE,
    "allocated": _finality("fct_daily_allocated_costs"),
    "tagged": _finality("fct_daily_tag_costs"),
}
MEMBERS: Final[dict[Source, str]] = {
    "daily": SOURCE,
    "allocated": f"marts.fct_daily_allocated_costs as costs{_NAMED}",
    "tagged": f"marts.fct_daily_tag_costs as costs{_NAMED}",
}
GRAINS: Final[dict[Grain, str]] = {
    "day": "costs.usage_date",
    "week": "date_trunc('week', costs.usage_date)::date",
    "month": "date_trunc('month', costs.usage_date)::date",
}


def provider_label(key: str) -> str:
    """Return what people call a provider, by its key."""
    return {**_SHORT_NAMES, "focus": "FOCUS files"}.get(key, key)


def dimension_of(label: str) -> Dimension:
    """Return the dimension with this label, as selectors and URLs show it."""
    return next(each for each in DIMENSIONS.values() if each.label == label)


def metric_of(label: str) -> Metric:
    """Return the metric with this label."""
    return next(each for each in METRICS.values() if each.label == label)

"""What is asked of Snowflake: one SQL text each, columns listed, days bounded, rows in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Statement:
    """A question: `key` names its stored answer, `view` what the role must be able to see."""

    key: str
    view: str
    sql: str


_BILL_LINES: Final = """
select
    organization_name, contract_number, account_name, account_locator, region, service_level,
    usage_date, usage_type, billing_type, rating_type, service_type, is_adjustment,
    usage, currency, usage_in_currency, balance_source
from snowflake.organization_usage.usage_in_currency_daily
where usage_date between %(first)s::date and %(last)s::date
order by
    usage_date, account_locator, service_type, usage_type, is_adjustment, balance_source,
    billing_type, rating_type, contract_number, currency, usage, usage_in_currency
"""

# Summed by Snowflake itself, from the same view but not from the rows that were read.
_BILL_TOTALS: Final = """
select
    usage_date,
    currency,
    count(*)::number(38, 0) as charges,
    sum(usage_in_currency)::number(38, 2) as amount
from snowflake.organization_usage.usage_in_currency_daily
where usage_date between %(first)s::date and %(last)s::date
group by usage_date, currency
order by usage_date, currency
"""

_USAGE_IN_CURRENCY: Final = "ORGANIZATION_USAGE.USAGE_IN_CURRENCY_DAILY"
BILL_LINES: Final = Statement("usage_in_currency_daily", _USAGE_IN_CURRENCY, _BILL_LINES)
BILL_TOTALS: Final = Statement("usage_in_currency_totals", _USAGE_IN_CURRENCY, _BILL_TOTALS)

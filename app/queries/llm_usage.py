"""The statement of what an organization's own use of language models costs, as it is billed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.queries.compiler import Statement
from astraeus_pipeline.contracts.days import DayRange

GROUPS: Final = {
    "provider": "provider",
    "account": "account_id",
    "model": "coalesce(model, 'No model')",
    "meter": "coalesce(meter, 'No meter')",
    "day": "usage_date",
}


def compile_usage(days: DayRange, groups: Sequence[str]) -> Statement:
    """Return the statement of use and cost by groups of GROUPS and currency, the dearest first.

    Columns out: the groups, billing_currency (null where no cost is known), tokens, requests,
    billed_cost.
    Raises: KeyError for another group.
    """
    select = "".join(f"{GROUPS[each]} as {each}, " for each in groups)
    places = ", ".join(str(place + 1) for place in range(len(groups) + 1))
    return Statement(
        f"select {select}billing_currency, sum(tokens) as tokens, sum(requests) as requests,"  # noqa: S608 - names of this module
        " sum(billed_cost) as billed_cost from marts.fct_llm_usage"
        f" where usage_date between :first and :last group by {places}"
        f" order by billing_currency nulls last, billed_cost desc nulls last, {places}",
        (("first", days.first), ("last", days.last)),
    )


def compile_own(days: DayRange) -> Statement:
    """Return the statement of what the assistant's own calls are estimated at, one row.

    Columns out: calls, unpriced_calls, estimated_cost (USD; null where none is known).
    """
    return Statement(
        "select coalesce(sum(calls), 0)::bigint as calls,"
        " coalesce(sum(unpriced_calls), 0)::bigint as unpriced_calls,"
        " sum(estimated_cost) as estimated_cost from marts.fct_assistant_usage"
        " where usage_date between :first and :last",
        (("first", days.first), ("last", days.last)),
    )

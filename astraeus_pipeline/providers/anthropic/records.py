"""Stored pages into typed rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.typed_rows import Row, typed
from astraeus_pipeline.providers.anthropic.client import day_of
from astraeus_pipeline.providers.anthropic.usage import MEASURES
from astraeus_pipeline.reports import daily, listing
from astraeus_pipeline.reports.api import Content
from astraeus_pipeline.reports.values import amount, count, further, text

# Decimals between a currency and its lowest unit; the report knows USD alone so far.
_LOWEST_UNIT: Final = {"USD": 2}
_COST_TEXTS: Final = (
    "workspace_id",
    "description",
    "cost_type",
    "model",
    "token_type",
    "service_tier",
    "context_window",
    "inference_geo",
)
_USAGE_TEXTS: Final = ("workspace_id", "api_key_id", "model", "service_tier", "context_window")
_COST_FIELDS: Final = frozenset({"amount", "currency", *_COST_TEXTS})
_USAGE_FIELDS: Final = frozenset({*_USAGE_TEXTS, *(path[0] for path in MEASURES.values())})


def rows_of(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Turn the stored pages of a delivery into batches of the table's contract.

    Raises: PayloadError if a page is no JSON.
    """
    purpose, row = ("costs", cost_row) if table.dataset == "costs" else ("usage", usage_row)
    pages = daily.stored_pages(fetched, landing)
    return typed(table, daily.rows(listing.named(pages, purpose), day_of, row))


def money_of(result: Content) -> daily.Money:
    """Return currency and amount of a cost result, in whole units of the currency.

    Raises: KeyError or ValueError where there is none, or its lowest unit is not known.
    """
    currency = result["currency"]
    if currency not in _LOWEST_UNIT:
        raise ValueError(f"the lowest unit of {currency!r} is not known")
    return currency, amount(amount(result["amount"]).scaleb(-_LOWEST_UNIT[currency]))


def cost_row(page: dict[str, Any], day: date, result: Content) -> Row:
    """Turn one result of the cost report into an `anthropic_costs` row.

    Shape: {amount, currency, workspace_id, description, cost_type, model, token_type, service_tier,
    context_window, inference_geo}; all but the first two may be null.
    Raises: KeyError or ValueError where the result cannot be typed.
    Source: GET /v1/organizations/cost_report (Admin API, version 2023-06-01).
    """
    currency, cost = money_of(result)
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "organization_id": page["organization_id"],
        "organization_name": text(page.get("organization_name")),
        **{name: text(result.get(name)) for name in _COST_TEXTS},
        "workspace_name": page["names"].get(result.get("workspace_id")),
        "currency": currency,
        "amount": cost,
        "payload": further(result, _COST_FIELDS),
    }


def usage_row(page: dict[str, Any], day: date, result: Content) -> Row:
    """Turn one result of the usage report into an `anthropic_utilisation` row.

    Shape: {uncached_input_tokens, cache_read_input_tokens, cache_creation: {...}, output_tokens,
    server_tool_use: {web_search_requests}, model, workspace_id, ...}; kinds of tokens are disjoint.
    Raises: ValueError where the result cannot be typed.
    Source: GET /v1/organizations/usage_report/messages (Admin API, version 2023-06-01).
    """
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "organization_id": page["organization_id"],
        **{name: text(result.get(name)) for name in _USAGE_TEXTS},
        **{name: count(daily.at(result, path)) for name, path in MEASURES.items()},
        "payload": further(result, _USAGE_FIELDS),
    }

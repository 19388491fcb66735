"""Stored pages into typed rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.delivery import Fetched, Landing, RowBatch
from astraeus_pipeline.contracts.typed_rows import Row, typed
from astraeus_pipeline.providers.openai.client import day_of
from astraeus_pipeline.providers.openai.usage import ENDPOINTS, MEASURES
from astraeus_pipeline.reports import daily, listing
from astraeus_pipeline.reports.api import Content
from astraeus_pipeline.reports.values import amount, count, further, text

_COUNTED: Final = {each.name: (each.counts, each.unit) for each in ENDPOINTS}
_COST_FIELDS: Final = frozenset(
    {"object", "amount", "project_id", "line_item", "quantity", "quantity_unit"}
)
_USAGE_FIELDS: Final = frozenset(
    {"object", "project_id", "user_id", "api_key_id", "model", "batch", "service_tier", *MEASURES}
)


def rows_of(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Turn the stored pages of a delivery into batches of the table's contract.

    Raises: PayloadError if a page is no JSON.
    """
    purpose, row = ("costs", cost_row) if table.dataset == "costs" else ("usage", usage_row)
    pages = daily.stored_pages(fetched, landing)
    return typed(table, daily.rows(listing.named(pages, purpose), day_of, row))


def money_of(result: Content) -> daily.Money:
    """Return currency and amount of a cost result.

    Shape: {amount: {value, currency}}; `value` is a number, or a decimal string in some answers.
    Raises: KeyError, TypeError or ValueError where there is none.
    """
    money = result["amount"]
    currency = money["currency"]
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isalpha():
        raise ValueError(f"{currency!r} is no currency")
    return currency.upper(), amount(money["value"])


def cost_row(page: dict[str, Any], day: date, result: Content) -> Row:
    """Turn one result of the costs report into an `openai_costs` row.

    Shape: {amount: {value, currency}, project_id, line_item, quantity, quantity_unit}; the last two
    came to the API later and may be absent.
    Raises: KeyError, TypeError or ValueError where the result cannot be typed.
    Source: GET /v1/organization/costs (API v1), object organization.costs.result.
    """
    currency, cost = money_of(result)
    quantity = result.get("quantity")
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "organization_id": page.get("organization_id"),
        "project_id": text(result.get("project_id")),
        "project_name": page["names"].get(result.get("project_id")),
        "line_item": text(result.get("line_item")),
        "currency": currency,
        "amount": cost,
        "quantity": None if quantity is None else amount(quantity),
        "quantity_unit": text(result.get("quantity_unit")),
        "payload": further(result, _COST_FIELDS),
    }


def usage_row(page: dict[str, Any], day: date, result: Content) -> Row:
    """Turn one result of a usage report into an `openai_utilisation` row.

    Shape: {input_tokens, output_tokens, num_model_requests, model, ...}, by endpoint; images count
    `images`, speech `characters`, transcriptions `seconds`, stores `usage_bytes`, the code
    interpreter `num_sessions`.
    Raises: TypeError or ValueError where the result cannot be typed.
    Source: GET /v1/organization/usage/<endpoint> (API v1), organization.usage.<endpoint>.result.
    """
    endpoint = page["endpoint"]
    counted, unit = _COUNTED[endpoint]
    batch = result.get("batch")
    if batch is not None and not isinstance(batch, bool):
        raise ValueError(f"batch is {batch!r}")
    quantity = count(result.get(counted)) if counted else None
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "organization_id": page.get("organization_id"),
        "endpoint": endpoint,
        **{name: text(result.get(name)) for name in ("project_id", "user_id", "api_key_id")},
        "model": text(result.get("model")),
        "is_batch": batch,
        "service_tier": text(result.get("service_tier")),
        **{column: count(result.get(name)) for name, column in MEASURES.items()},
        "quantity": quantity,
        "quantity_unit": None if quantity is None else unit,
        "payload": further(result, _USAGE_FIELDS | {counted}),
    }

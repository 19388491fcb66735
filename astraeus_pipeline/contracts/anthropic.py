"""Raw tables of Anthropic: the cost report and the messages usage report, both by UTC day."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, RawTable

ANTHROPIC_COSTS = RawTable(
    provider="anthropic",
    dataset="costs",
    description="Anthropic cost report, one row per day, workspace and description",
    vendor_columns=(
        Column("organization_id", "text", "Organization that the admin key belongs to"),
        Column("organization_name", "text", "Its name when the report was read; null if untold"),
        Column("workspace_id", "text", "Workspace, wrkspc_...; null: the default workspace"),
        Column("workspace_name", "text", "Its name when the report was read; null if untold"),
        Column("description", "text", "Line of the report in words"),
        Column("cost_type", "text", "tokens, web_search, code_execution, ..."),
        Column("model", "text", "Model; null for costs that are not of tokens"),
        Column("token_type", "text", "Kind of token, as in cache_read_input_tokens"),
        Column("service_tier", "text", "standard or batch; null for costs not of tokens"),
        Column("context_window", "text", "0-200k or 200k-1M; null for costs not of tokens"),
        Column("inference_geo", "text", "Where the model ran; null if untold"),
        Column("currency", "text", "ISO code of the amount", nullable=False),
        Column(
            "amount",
            "numeric",
            "Cost of the day in currency; the report tells it in the lowest unit (cents)",
            nullable=False,
        ),
    ),
    cost_types=("amount",),
    currency="currency",
    service="description",
)

ANTHROPIC_UTILISATION = RawTable(
    provider="anthropic",
    dataset="utilisation",
    description="Anthropic messages usage, one row per day, workspace, key, model, tier and window",
    vendor_columns=(
        Column("organization_id", "text", "Organization that the admin key belongs to"),
        Column("workspace_id", "text", "Workspace, wrkspc_...; null: the default workspace"),
        Column("api_key_id", "text", "Key that was used; null for the Workbench"),
        Column("model", "text", "Model that answered"),
        Column("service_tier", "text", "standard, batch, priority, ..."),
        Column("context_window", "text", "0-200k or 200k-1M"),
        Column("uncached_input_tokens", "bigint", "Tokens in that touched no cache"),
        Column("cache_read_input_tokens", "bigint", "Tokens in that came from the cache"),
        Column("cache_creation_5m_input_tokens", "bigint", "Tokens written to the 5 minute cache"),
        Column("cache_creation_1h_input_tokens", "bigint", "Tokens written to the 1 hour cache"),
        Column("output_tokens", "bigint", "Tokens out"),
        Column("web_search_requests", "bigint", "Web searches made by the model"),
    ),
)

ANTHROPIC_TABLES = (ANTHROPIC_COSTS, ANTHROPIC_UTILISATION)

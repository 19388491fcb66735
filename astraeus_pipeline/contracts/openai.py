"""Raw tables of OpenAI: costs by project and line item, usage by model and key, both by UTC day."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, RawTable

OPENAI_COSTS = RawTable(
    provider="openai",
    dataset="costs",
    description="OpenAI organization costs, one row per day, project, line item and currency",
    vendor_columns=(
        Column("organization_id", "text", "Organization that answered, org-...; null if untold"),
        Column("project_id", "text", "Project of the cost, proj_...; null where it has none"),
        Column("project_name", "text", "Its name when the costs were read; null if untold"),
        Column("line_item", "text", "Line of the bill, as in 'gpt-4o-2024-08-06, cached input'"),
        Column("currency", "text", "ISO code of the amount, upper case", nullable=False),
        Column("amount", "numeric", "Cost of the day in currency", nullable=False),
        Column("quantity", "numeric", "Quantity of the line item; null where OpenAI tells none"),
        Column("quantity_unit", "text", "Unit of quantity in OpenAI's words; null if untold"),
    ),
    cost_types=("amount",),
    currency="currency",
    service="line_item",
)

OPENAI_UTILISATION = RawTable(
    provider="openai",
    dataset="utilisation",
    description="OpenAI organization usage, one row per day, endpoint and finest group it tells",
    vendor_columns=(
        Column("organization_id", "text", "Organization that answered, org-...; null if untold"),
        Column("endpoint", "text", "completions, embeddings, images, ...", nullable=False),
        Column("project_id", "text", "Project that used it; null where it has none"),
        Column("api_key_id", "text", "Key that was used; null for use without a key"),
        Column("user_id", "text", "User that the key belongs to; null for service accounts"),
        Column("model", "text", "Model as called; null where the endpoint has none"),
        Column("is_batch", "boolean", "Whether through the batch API; null if untold"),
        Column("service_tier", "text", "Tier that served the requests; null if untold"),
        Column("requests", "bigint", "Requests to the model; null where OpenAI counts none"),
        Column("input_tokens", "bigint", "Text tokens in, the cached ones included"),
        Column("input_cached_tokens", "bigint", "Text tokens in that came from the cache"),
        Column("output_tokens", "bigint", "Text tokens out"),
        Column("input_audio_tokens", "bigint", "Audio tokens in, the cached ones included"),
        Column("output_audio_tokens", "bigint", "Audio tokens out"),
        Column("quantity", "bigint", "What the endpoint counts beside tokens, in quantity_unit"),
        Column("quantity_unit", "text", "images, characters, seconds, bytes or sessions"),
    ),
)

OPENAI_TABLES = (OPENAI_COSTS, OPENAI_UTILISATION)

-- grain: one row per day, endpoint, project, key, user, model, batch and tier of OpenAI's usage
with

usage as (
    select * from {{ source('raw', 'openai_utilisation') }}
)

select
    -- keys
    usage.account_id,
    'openai' as provider,
    usage.usage_date,
    usage.delivery_id as x_delivery_id,
    usage.row_number as x_row_number,

    -- who and what
    coalesce(usage.organization_id, usage.account_id) as billing_account_id,
    usage.project_id as sub_account_id,
    usage.api_key_id,
    usage.user_id,
    usage.endpoint,
    usage.model,
    usage.is_batch,
    usage.service_tier,

    -- kinds of tokens, none inside another: OpenAI counts the cached ones among the input
    usage.requests,
    usage.input_tokens - coalesce(usage.input_cached_tokens, 0) as input_tokens,
    usage.input_cached_tokens as cached_input_tokens,
    null::bigint as cache_write_5m_tokens,
    null::bigint as cache_write_1h_tokens,
    usage.output_tokens,
    usage.input_audio_tokens,
    usage.output_audio_tokens,

    -- what is counted otherwise
    usage.quantity,
    usage.quantity_unit
from usage

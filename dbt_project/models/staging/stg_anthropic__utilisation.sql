-- grain: one row per day, workspace, key, model, tier and context window of Anthropic's usage
-- The report counts no requests.
with

usage as (
    select * from {{ source('raw', 'anthropic_utilisation') }}
)

select
    -- keys
    usage.account_id,
    'anthropic' as provider,
    usage.usage_date,
    usage.delivery_id as x_delivery_id,
    usage.row_number as x_row_number,

    -- who and what
    coalesce(usage.organization_id, usage.account_id) as billing_account_id,
    usage.workspace_id as sub_account_id,
    usage.api_key_id,
    null::text as user_id,
    'messages' as endpoint,
    usage.model,
    usage.service_tier = 'batch' as is_batch,
    usage.service_tier,

    -- kinds of tokens, none inside another
    null::bigint as requests,
    usage.uncached_input_tokens as input_tokens,
    usage.cache_read_input_tokens as cached_input_tokens,
    usage.cache_creation_5m_input_tokens as cache_write_5m_tokens,
    usage.cache_creation_1h_input_tokens as cache_write_1h_tokens,
    usage.output_tokens,
    null::bigint as input_audio_tokens,
    null::bigint as output_audio_tokens,

    -- what is counted otherwise
    usage.web_search_requests as quantity,
    case when usage.web_search_requests is not null then 'web_search' end as quantity_unit
from usage

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_reconciliations'}}}) }}
-- Shown here, not failed: a residual blocks its own account and day, and nobody else's.
select
    check_name,
    account_id,
    first_day,
    last_day,
    currency,
    cost_type,
    residual
from {{ ref('fct_reconciliations') }}
where state = 'blocked'

{{ config(meta={'dagster': {'ref': {'name': 'fct_restatements'}}}) }}
-- What a re-delivery changed is the new figure less the old one, to the last decimal.
select
    restatement_id,
    old_cost,
    new_cost,
    delta
from {{ ref('fct_restatements') }}
where delta <> coalesce(new_cost, 0) - coalesce(old_cost, 0) or (old_cost is null and new_cost is null)

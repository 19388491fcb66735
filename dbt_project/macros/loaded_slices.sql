{#
    What a build has read of the datasets without a tie-out (resources, utilisation, ...), so that the
    marts sensor knows which loads wait for one. Noted before the first model and confirmed after the
    last: a load that commits in between, or a build that fails, leaves its slices waiting.
#}
{% macro waiting_slices() %}
    select
        standing.dataset,
        standing.account_id,
        standing.usage_date,
        standing.billing_period,
        greatest(standing.delivery_id, standing.blocked_by) as delivery_id
    from {{ source('raw', 'partitions') }} as standing
    left join intermediate.built_slices as built
        on
            built.model = 'raw.' || standing.dataset
            and built.account_id = standing.account_id
            and built.usage_date = standing.usage_date
            and built.billing_period = standing.billing_period
    where
        standing.dataset <> 'costs'
        and coalesce(standing.delivery_id, standing.blocked_by) is not null
        and greatest(standing.delivery_id, standing.blocked_by) is distinct from built.delivery_id
{% endmacro %}

{# Before the first model; `logic` says which build noted them. #}
{% macro note_loaded_slices() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    insert into intermediate.built_slices (
        model, account_id, usage_date, billing_period, delivery_id, logic
    )
    select 'noted.' || dataset, account_id, usage_date, billing_period, delivery_id,
        '{{ invocation_id }}'
    from ({{ waiting_slices() }}) as waiting
    on conflict (model, account_id, usage_date, billing_period) do update
    set delivery_id = excluded.delivery_id, logic = excluded.logic, built_at = clock_timestamp()
    {%- endif -%}
{% endmacro %}

{# After the last model: the marts hold what this build had noted. #}
{% macro confirm_loaded_slices() %}
    {%- if execute -%}
    with confirmed as (
        delete from intermediate.built_slices
        where model like 'noted.%' and logic = '{{ invocation_id }}'
        returning *
    )
    insert into intermediate.built_slices (
        model, account_id, usage_date, billing_period, delivery_id
    )
    select replace(model, 'noted.', 'raw.'), account_id, usage_date, billing_period, delivery_id
    from confirmed
    on conflict (model, account_id, usage_date, billing_period) do update
    set delivery_id = excluded.delivery_id, built_at = clock_timestamp()
    {%- endif -%}
{% endmacro %}

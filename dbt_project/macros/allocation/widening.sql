{#
    Pre-hook, after open_increment: a share in proportion to what others cost depends on all accounts
    of a day, so with such a rule a changed day is taken whole.
#}
{% macro widen_to_whole_days(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    insert into {{ changed_slices() }} (account_id, usage_date, billing_period, delivery_id)
    select slices.account_id, slices.usage_date, slices.billing_period, slices.delivery_id
    from ({{ upstream_slices(upstream) }}) as slices
    where
        exists (select 1 from {{ this.identifier }}__rules as rules where rules.proportional_to is not null)
        and slices.usage_date in (select usage_date from {{ changed_slices() }})
        and {{ is_not_yet_changed() }};
    {{ empty_changed_days() }}
    {%- endif -%}
{% endmacro %}

{# Of the slices of an insert into changed_slices(): those that stand there already stay out. #}
{% macro is_not_yet_changed() -%}
    not exists (
        select 1 from {{ changed_slices() }} as changed
        where
            changed.account_id = slices.account_id
            and changed.usage_date = slices.usage_date
            and changed.billing_period = slices.billing_period
    )
{%- endmacro %}

{# After more slices have been called changed: what the model holds of their days goes. #}
{% macro empty_changed_days() %}
    analyze {{ changed_slices() }};
    {% if is_incremental() %}
    delete from {{ this }} as mart
    using (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    where mart.account_id = changed.account_id and mart.usage_date = changed.usage_date;
    {% endif %}
{% endmacro %}

{#
    Pre-hook, after open_increment, of a model on fct_daily_allocated_costs or its sums: the slices that
    it wrote again since, for other rules or for another account's costs, though their delivery is the
    same. `keeps_rows` as in open_increment.
#}
{% macro widen_to_rewritten(upstream, keeps_rows=false) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    insert into {{ changed_slices() }} (account_id, usage_date, billing_period, delivery_id)
    select slices.account_id, slices.usage_date, slices.billing_period, slices.delivery_id
    from intermediate.built_slices as slices
    inner join intermediate.built_slices as own
        on
            own.model = '{{ this.identifier }}'
            and own.account_id = slices.account_id
            and own.usage_date = slices.usage_date
            and own.billing_period = slices.billing_period
    where
        slices.model = '{{ upstream }}'
        and slices.built_at > own.built_at
        and {{ is_not_yet_changed() }};
    {{ empty_changed_days() if not keeps_rows else 'analyze ' ~ changed_slices() }}
    {%- endif -%}
{% endmacro %}

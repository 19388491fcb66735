{#
    What budgets are held against. A budget's costs are kept per day (int_budget_days, and for teams,
    cost centres and environments, which rules may move, int_budget_allocated_days), so that a view
    over years of them is quick; a budget that was entered since the last build is summed when
    it is looked at. `built_budgets` tells one kind from the other.
#}
{% macro create_budget_tables() %}
    create table if not exists intermediate.built_budgets (
        budget_id bigint primary key,
        built_at timestamp with time zone not null default clock_timestamp()
    );
{% endmacro %}

{# Whether a budget is held against costs as rules allocate them. #}
{% macro is_allocated(budgets) -%}
    {{ budgets }}.filters ?| array['team', 'cost_center', 'environment']
{%- endmacro %}

{# The charges that a forecast is made of; credits and adjustments are not. #}
{% macro forecast_categories() -%} ('Usage', 'Tax', 'Purchase') {%- endmacro %}

{#
    A budget's filters as one array per dimension, as in warehouse/budgets.py: null takes any, ''
    stands for costs without one.
#}
{% macro budget_filters(budgets) -%}
    {%- set dimensions = [
        'provider', 'account_id', 'sub_account_id', 'service_name', 'service_category', 'region_id',
        'charge_category', 'team', 'cost_center', 'environment'
    ] -%}
    {%- for name in dimensions %}
    case
        when {{ budgets }}.filters ? '{{ name }}'
            then array(
                select coalesce(wanted.value #>> '{}', '')
                from jsonb_array_elements({{ budgets }}.filters -> '{{ name }}') as wanted
            )
    end as {{ name }}s{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#
    Whether a row lies within the filters, as budget_filters gives them. A case, because the planner
    multiplies what it takes each filter to leave over, and would sort a million rows as if one.
#}
{% macro within_filters(row, filters, dimensions) -%}
    case
        when
        {%- for name in dimensions %}
            {{ 'and ' if not loop.first }}(
                {{ filters }}.{{ name }}s is null
                or coalesce({{ row }}.{{ name }}, '') = any({{ filters }}.{{ name }}s)
            )
        {%- endfor %}
            then true
        else false
    end
{%- endmacro %}

{#
    Daily costs of budgets. `budgets` is a relation with the columns of app.budgets, `costs` one with
    the columns of fct_daily_costs, or of fct_daily_allocated_costs. Costs in any currency: those in others than the budget's are
    only ever counted. One pass over the costs per budget, which at 1M rows takes a second; a join
    of all budgets with the kinds of costs that they hold is slower for few budgets, since kinds are
    long texts.
#}
{% macro sum_budgets(budgets, costs, allocated=false) %}
    {%- set dimensions = [
        'provider', 'account_id', 'sub_account_id', 'service_name', 'service_category', 'region_id',
        'charge_category'
    ] + (['team', 'cost_center', 'environment'] if allocated else []) -%}
    select
        wanted.id as budget_id,
        charges.*
    from (
        select
            budgets.id,
            budgets.cost_type = 'billed' as is_billed,
            -- what came shortly before tells which accounts are to be waited for
            (budgets.starts_on - interval '3 months')::date as since,
            {{ budget_filters('budgets') }}
        from {{ budgets }} as budgets
        offset 0
    ) as wanted
    cross join lateral (
        select
            daily.provider,
            daily.account_id,
            daily.usage_date,
            daily.billing_currency,
            sum(case when wanted.is_billed then daily.billed_cost else daily.effective_cost end) as cost,
            coalesce(
                sum(case when wanted.is_billed then daily.billed_cost else daily.effective_cost end)
                filter (where daily.charge_category not in {{ forecast_categories() }}),
                0
            ) as credit_cost,
            sum(daily.effective_cost) as effective_cost
        from {{ costs }} as daily
        where
            daily.usage_date >= wanted.since
            and {{ within_filters('daily', 'wanted', dimensions) }}
        group by daily.provider, daily.account_id, daily.usage_date, daily.billing_currency
    ) as charges
{% endmacro %}

{% macro seen_budgets() -%}
    {{ this.identifier }}__budgets
{%- endmacro %}

{# Pre-hook: note the budgets of this kind that are there now, and which of them were summed before. #}
{% macro open_budgets(allocated=false) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ seen_budgets() }} on commit drop as
    select
        budgets.*,
        {% if is_incremental() %}built.budget_id is null{% else %}true{% endif %} as is_new
    from {{ source('app', 'budgets') }} as budgets
    left join intermediate.built_budgets as built on built.budget_id = budgets.id
    where {{ '' if allocated else 'not ' }}({{ is_allocated('budgets') }});
    analyze {{ seen_budgets() }};
    {%- endif -%}
{% endmacro %}

{# Post-hook: remember that they are summed up to now. #}
{% macro close_budgets() %}
    {%- if execute -%}
    insert into intermediate.built_budgets (budget_id)
    select id from {{ seen_budgets() }} where is_new
    on conflict do nothing;
    -- statistics of a table that new budgets have filled
    do $$ begin
        if exists (select from {{ seen_budgets() }} where is_new) then
            analyze {{ this }};
        end if;
    end $$
    {%- endif -%}
{% endmacro %}

{#
    What the marts on budgets are made of, as CTEs: each step is worked out once in a mart's query.
    As views on views the same takes twenty times as long, since a view is worked out wherever it
    is named, and so is an ephemeral model.
#}
{% macro budget_steps() %}
budget_costs_not_yet_built as materialized (
    {{ budget_costs_not_yet_built() }}
),

budget_costs as not materialized (
    {{ budget_costs() }}
),

budget_sums as materialized (
    {{ budget_sums() }}
),

budget_periods as (
    {{ budget_periods() }}
),

budget_accounts as (
    {{ budget_accounts() }}
),

budget_burns as (
    {{ budget_burns() }}
),

budget_standings as (
    {{ budget_standings() }}
),

budget_forecasts as (
    {{ budget_forecasts() }}
),

budget_projections as (
    {{ budget_projections() }}
)
{% endmacro %}

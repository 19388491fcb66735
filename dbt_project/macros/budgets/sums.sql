{#
    What budgets are held against. A budget's costs are kept per account and day (int_budget_days, and
    for teams, cost centres and environments, which rules may move, int_budget_allocated_days), and of
    these, in the same transaction, what most questions ask: their sums over all accounts per day
    (`budget_day_sums`), and which accounts had any in a month (`budget_account_months`; `differs`
    where they are billed otherwise than they are used). A budget that was entered since the last
    build is summed when it is looked at. `built_budgets` tells one kind from the other.
#}
{% macro create_budget_tables() %}
    create table if not exists intermediate.built_budgets (
        budget_id bigint primary key,
        built_at timestamp with time zone not null default clock_timestamp()
    );
    create table if not exists intermediate.budget_day_sums (
        budget_id bigint not null,
        usage_date date not null,
        billing_currency text not null,
        cost numeric not null,
        primary key (budget_id, usage_date, billing_currency)
    );
    create table if not exists intermediate.budget_account_months (
        budget_id bigint not null,
        month date not null,
        account_id text not null,
        differs boolean not null,
        primary key (budget_id, month, account_id)
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

{#
    Post-hook, after close_increment: sum the changed days again over all accounts, and the changed
    accounts' months; of new budgets all of them.
#}
{% macro sum_budget_days() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- set mart = this.identifier %}
    create temporary table {{ mart }}__dates on commit drop as
    select distinct seen.id as budget_id, changed.usage_date
    from {{ seen_budgets() }} as seen
    cross join {{ changed_slices() }} as changed
    where not seen.is_new;
    create temporary table {{ mart }}__months on commit drop as
    select distinct
        seen.id as budget_id,
        changed.account_id,
        date_trunc('month', changed.usage_date::timestamp)::date as month
    from {{ seen_budgets() }} as seen
    cross join {{ changed_slices() }} as changed
    where not seen.is_new;
    analyze {{ mart }}__dates;
    analyze {{ mart }}__months;
    {%- for table in ['budget_day_sums', 'budget_account_months'] %}
    delete from intermediate.{{ table }} as summed
    using {{ seen_budgets() }} as seen
    where seen.is_new and summed.budget_id = seen.id;
    {%- endfor %}
    delete from intermediate.budget_day_sums as summed
    using {{ mart }}__dates as dates
    where summed.budget_id = dates.budget_id and summed.usage_date = dates.usage_date;
    delete from intermediate.budget_account_months as summed
    using {{ mart }}__months as months
    where
        summed.budget_id = months.budget_id and summed.month = months.month
        and summed.account_id = months.account_id;
    insert into intermediate.budget_day_sums (budget_id, usage_date, billing_currency, cost)
    select days.budget_id, days.usage_date, days.billing_currency, sum(days.cost)
    from {{ this }} as days
    inner join {{ seen_budgets() }} as seen on seen.is_new and seen.id = days.budget_id
    group by 1, 2, 3
    union all
    select dates.budget_id, dates.usage_date, found.billing_currency, found.cost
    from {{ mart }}__dates as dates
    cross join lateral (
        select days.billing_currency, sum(days.cost) as cost
        from {{ this }} as days
        where days.budget_id = dates.budget_id and days.usage_date = dates.usage_date
        group by 1
        offset 0
    ) as found;
    insert into intermediate.budget_account_months (budget_id, month, account_id, differs)
    select
        days.budget_id,
        date_trunc('month', days.usage_date::timestamp)::date,
        days.account_id,
        bool_or(days.cost <> days.effective_cost)
    from {{ this }} as days
    inner join {{ seen_budgets() }} as seen on seen.is_new and seen.id = days.budget_id
    group by 1, 2, 3
    union all
    select months.budget_id, months.month, months.account_id, found.differs
    from {{ mart }}__months as months
    cross join lateral (
        select bool_or(days.cost <> days.effective_cost) as differs
        from {{ this }} as days
        where
            days.budget_id = months.budget_id and days.account_id = months.account_id
            and days.usage_date >= months.month
            and days.usage_date < months.month + interval '1 month'
        having count(*) > 0
        offset 0
    ) as found
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
            analyze intermediate.budget_day_sums;
            analyze intermediate.budget_account_months;
        end if;
    end $$
    {%- endif -%}
{% endmacro %}

{#
    What the marts on budgets are made of, as CTEs that are worked out for what is asked: all but what
    was entered since the last build, which is summed once.
#}
{% macro budget_steps() %}
budget_costs_not_yet_built as materialized (
    {{ budget_costs_not_yet_built() }}
),

{{ budget_costs() }},

budget_services as materialized (
    {{ budget_services() }}
),

budget_periods as not materialized (
    {{ budget_periods() }}
),

budget_standings as not materialized (
    {{ budget_standings() }}
)
{% endmacro %}

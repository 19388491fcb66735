{#
    The superseded lines of the changed days as staging maps them: each staging model of charges with
    its raw table exchanged for the lines that are rows of that table. So a mapping is written once,
    and where it changes history follows. `x_row_number` is then the id of the line.
#}
{% macro superseded_charges() %}
    {%- if execute -%}
    {%- set arms = [] -%}
    {%- for id in graph.nodes['model.astraeus.int_costs_unioned'].depends_on.nodes -%}
        {%- set staging = graph.nodes[id] -%}
        {%- set table = staging.sources[0][1] -%}
        {%- set source_call = "\\{\\{\\s*source\\(\\s*['\"]raw['\"],\\s*['\"]" ~ table ~ "['\"]\\s*\\)\\s*\\}\\}" -%}
        {%- set code = render(modules.re.sub(source_call, 'superseded_' ~ table, staging.raw_code)) -%}
        {%- set lines = "superseded_" ~ table ~ " as " ~ superseded_lines(table) -%}
        {%- do arms.append("(with " ~ lines ~ " select * from (" ~ code ~ ") as staged)") -%}
    {%- endfor -%}
    {{ arms | join('\nunion all\n') }}
    {%- else -%}
    select * from {{ ref('int_costs_unioned') }}
    {%- endif -%}
{% endmacro %}

{% macro superseded_lines(table) -%}
(
    select content.*
    from {{ this.identifier }}__lines as lines
    cross join lateral jsonb_populate_record(
        null::raw.{{ table }},
        lines.line || jsonb_build_object(
            'account_id', lines.account_id,
            'usage_date', lines.usage_date,
            'billing_period', lines.billing_period,
            'delivery_id', lines.delivery_id,
            'row_number', lines.id
        )
    ) as content
    where lines.raw_table = '{{ table }}' and lines.rows > 0
)
{%- endmacro %}

{#
    Pre-hook, after open_increment: the superseded lines of the changed days, as far as fct_daily_costs
    knows what replaced them; history never runs ahead of the present.
#}
{% macro take_superseded_lines() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__lines on commit drop as
    select lines.*
    from (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    inner join {{ source('raw', 'superseded') }} as lines
        on lines.account_id = changed.account_id and lines.usage_date = changed.usage_date
    inner join intermediate.built_slices as built
        on
            built.model = 'fct_daily_costs'
            and built.account_id = lines.account_id
            and built.usage_date = lines.usage_date
            and built.billing_period = lines.billing_period
            and built.delivery_id >= lines.superseded_by
    {%- endif -%}
{% endmacro %}

{# Post-hook: what readers ask as of an instant. Written as text, so that marts may be swapped. #}
{% macro create_as_of_functions() %}
    {%- if execute -%}
    create or replace function {{ this.schema }}.costs_as_of(
        as_of timestamp with time zone,
        accounts text[] default null,
        first_day date default '-infinity',
        last_day date default 'infinity'
    )
    returns table (
        provider text,
        account_id text,
        usage_date date,
        billing_period date,
        service_name text,
        charge_category text,
        billing_currency text,
        list_cost numeric,
        contracted_cost numeric,
        effective_cost numeric,
        billed_cost numeric,
        charges bigint,
        delivery_id bigint
    )
    language sql stable parallel safe
    as $function$
        with superseded as materialized (
            select history.*
            from marts.fct_cost_history as history
            where
                history.stood_from <= as_of and history.stood_until > as_of
                and (accounts is null or history.account_id = any(accounts))
                and history.usage_date between first_day and last_day
        ),

        present as (
            select
                daily.provider, daily.account_id, daily.usage_date, daily.billing_period,
                daily.service_name, daily.charge_category, daily.billing_currency,
                daily.list_cost, daily.contracted_cost, daily.effective_cost, daily.billed_cost,
                daily.charges, daily.delivery_id
            from marts.fct_daily_costs as daily
            where
                daily.loaded_at <= as_of
                and (accounts is null or daily.account_id = any(accounts))
                and daily.usage_date between first_day and last_day
                and not exists (
                    select 1 from superseded
                    where
                        superseded.account_id = daily.account_id
                        and superseded.usage_date = daily.usage_date
                        and superseded.billing_period = daily.billing_period
                )
        ),

        stood as (
            select * from present
            union all
            select
                superseded.provider, superseded.account_id, superseded.usage_date,
                superseded.billing_period, superseded.service_name, superseded.charge_category,
                superseded.billing_currency, superseded.list_cost, superseded.contracted_cost,
                superseded.effective_cost, superseded.billed_cost, superseded.charges,
                superseded.delivery_id
            from superseded
            where superseded.charges > 0
        )

        select
            stood.provider, stood.account_id, stood.usage_date, stood.billing_period,
            stood.service_name, stood.charge_category, stood.billing_currency,
            sum(stood.list_cost), sum(stood.contracted_cost), sum(stood.effective_cost),
            sum(stood.billed_cost), sum(stood.charges)::bigint, stood.delivery_id
        from stood
        group by 1, 2, 3, 4, 5, 6, 7, stood.delivery_id
    $function$;

    create or replace function {{ this.schema }}.cost_changes_since(
        as_of timestamp with time zone,
        accounts text[] default null,
        first_day date default '-infinity',
        last_day date default 'infinity'
    )
    returns table (
        delivery_id bigint,
        loaded_at timestamp with time zone,
        account_id text,
        usage_date date,
        billing_period date,
        service_name text,
        charge_category text,
        billing_currency text,
        is_first boolean,
        old_billed_cost numeric,
        new_billed_cost numeric,
        old_effective_cost numeric,
        new_effective_cost numeric,
        old_list_cost numeric,
        new_list_cost numeric,
        old_contracted_cost numeric,
        new_contracted_cost numeric
    )
    language sql stable parallel safe
    as $function$
        with history as materialized (
            select * from marts.fct_cost_history as every
            where
                every.stood_until > as_of
                and (accounts is null or every.account_id = any(accounts))
                and every.usage_date between first_day and last_day
        ),

        versions as (
            select
                history.delivery_id, history.account_id, history.usage_date, history.billing_period,
                history.service_name, history.charge_category, history.billing_currency,
                history.billed_cost, history.effective_cost, history.list_cost,
                history.contracted_cost
            from history
            where history.stood_from > as_of and history.charges > 0
            union all
            select
                daily.delivery_id, daily.account_id, daily.usage_date, daily.billing_period,
                daily.service_name, daily.charge_category, daily.billing_currency,
                sum(daily.billed_cost), sum(daily.effective_cost), sum(daily.list_cost),
                sum(daily.contracted_cost)
            from marts.fct_daily_costs as daily
            where
                daily.loaded_at > as_of
                and (accounts is null or daily.account_id = any(accounts))
                and daily.usage_date between first_day and last_day
            group by 1, 2, 3, 4, 5, 6, 7
        ),

        changes as (
            select
                coalesce(after.delivery_id, before.superseded_by) as delivery_id,
                coalesce(after.account_id, before.account_id) as account_id,
                coalesce(after.usage_date, before.usage_date) as usage_date,
                coalesce(after.billing_period, before.billing_period) as billing_period,
                coalesce(after.service_name, before.service_name) as service_name,
                coalesce(after.charge_category, before.charge_category) as charge_category,
                coalesce(after.billing_currency, before.billing_currency) as billing_currency,
                before.billed_cost as old_billed_cost,
                after.billed_cost as new_billed_cost,
                before.effective_cost as old_effective_cost,
                after.effective_cost as new_effective_cost,
                before.list_cost as old_list_cost,
                after.list_cost as new_list_cost,
                before.contracted_cost as old_contracted_cost,
                after.contracted_cost as new_contracted_cost
            from versions as after
            full join (select * from history where charges > 0) as before
                on
                    before.superseded_by = after.delivery_id
                    and before.account_id = after.account_id
                    and before.usage_date = after.usage_date
                    and before.billing_period = after.billing_period
                    and before.service_name = after.service_name
                    and before.charge_category = after.charge_category
                    and before.billing_currency = after.billing_currency
        )

        select
            changes.delivery_id,
            deliveries.finished_at,
            changes.account_id,
            changes.usage_date,
            changes.billing_period,
            changes.service_name,
            changes.charge_category,
            changes.billing_currency,
            not exists (
                select 1 from history
                where
                    history.superseded_by = changes.delivery_id
                    and history.account_id = changes.account_id
                    and history.usage_date = changes.usage_date
                    and history.billing_period = changes.billing_period
            ),
            changes.old_billed_cost,
            changes.new_billed_cost,
            changes.old_effective_cost,
            changes.new_effective_cost,
            changes.old_list_cost,
            changes.new_list_cost,
            changes.old_contracted_cost,
            changes.new_contracted_cost
        from changes
        inner join marts.fct_deliveries as deliveries on deliveries.delivery_id = changes.delivery_id
        where
            (
                changes.old_billed_cost, changes.old_effective_cost,
                changes.old_list_cost, changes.old_contracted_cost
            ) is distinct from (
                changes.new_billed_cost, changes.new_effective_cost,
                changes.new_list_cost, changes.new_contracted_cost
            )
    $function$;

    grant execute on function
        {{ this.schema }}.costs_as_of(timestamp with time zone, text[], date, date),
        {{ this.schema }}.cost_changes_since(timestamp with time zone, text[], date, date)
    to astraeus_reader, astraeus_operator, astraeus_app
    {%- endif -%}
{% endmacro %}

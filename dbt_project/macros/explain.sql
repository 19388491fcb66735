{#
    Post-hook: why costs differ between two periods, as a function that readers ask. Each line of
    fct_sku_costs has one place, so the drivers sum to the change whatever the data:

    - tax, credit, adjustment: by charge category.
    - commitment: what commitments cost beside what they cover (fees, unused parts), and what covered
      usage costs less, or more, than at agreed prices.
    - the rest by article, at agreed prices where a commitment covers it: new and gone if only one
      period has the article; usage = more of it at the old price; price = what remains.
    - unexplained: no quantity where both periods have the article and one no quantity to price it
      by; account not loaded where the other period was never loaded, so that nothing can be said.

    A range is read as whole months, whole weeks of what is left, and days, summed over all accounts
    where none is told apart: neither by the question, nor by who asks, nor by what was loaded. Where
    sub accounts or regions are asked for, it is read as the rows of fct_daily_sku_costs. All are first
    summed to a few lines per period. Written as text, so that marts may be swapped, with the
    conditions that are asked and no others: those are planned with the values at hand.
#}
{% macro create_explain_function() %}
    {%- if execute -%}
    create or replace function {{ this.schema }}.explain_cost_change(
        first_a date,
        last_a date,
        first_b date,
        last_b date,
        basis text default 'effective_cost',
        currency text default null,
        providers text[] default null,
        accounts text[] default null,
        sub_accounts text[] default null,
        service_categories text[] default null,
        services text[] default null,
        regions text[] default null,
        charge_categories text[] default null,
        by_service boolean default false,
        by_sku boolean default false
    )
    returns table (
        billing_currency text,
        driver text,
        service_name text,
        sku text,
        pricing_unit text,
        delta numeric
    )
    language plpgsql stable parallel safe
    -- starting a worker takes longer than all of an answer from sums; from days it pays
    set parallel_setup_cost = 5000
    as $function$
    #variable_conflict use_column
    declare
        -- the accounts of which something is known in each period
        loaded_a text[] := {{ accounts_loaded('first_a', 'last_a') }};
        loaded_b text[] := {{ accounts_loaded('first_b', 'last_b') }};
        mart text := case
            when sub_accounts is not null or regions is not null then 'fct_daily_sku_costs'
            when
                accounts is null
                -- all accounts can be compared, or none
                and (loaded_a = loaded_b or not loaded_a && loaded_b)
                -- who may see any of these may see them all
                and exists (select from marts.fct_total_sku_costs)
                then 'fct_total_sku_costs'
            else 'fct_sku_costs'
        end;
        -- what usage that a commitment covers would cost without it
        agreed text := case when basis in ('effective_cost', 'billed_cost') then 'contracted_cost' else basis end;
        conditions text := '';
        lines text[] := '{}';
        wanted record;
        period record;
    begin
        if basis is null or basis not in ('list_cost', 'contracted_cost', 'effective_cost', 'billed_cost') then
            raise exception 'Costs cannot be explained by %.', coalesce(quote_literal(basis), 'no cost type')
            using
                errcode = 'invalid_parameter_value',
                hint = 'Ask for list_cost, contracted_cost, effective_cost or billed_cost.';
        end if;
        if first_a is null or last_a < first_a or first_b is null or last_b < first_b then
            raise exception 'A period ends before it begins: % to %, % to %.', first_a, last_a, first_b, last_b
            using errcode = 'invalid_parameter_value', hint = 'Exchange its days.';
        end if;

        if currency is not null then
            conditions := format(' and costs.billing_currency = %L', currency);
        end if;
        for wanted in
            select *
            from (
                values
                ('provider', providers),
                ('account_id', accounts),
                ('sub_account_id', sub_accounts),
                ('service_category', service_categories),
                ('service_name', services),
                ('region_id', regions),
                ('charge_category', charge_categories)
            ) as filters (name, members)
            where filters.members is not null
        loop
            conditions := conditions || format(
                case
                    when array_position(wanted.members, null) is null then ' and costs.%1$I = any(%2$L::text[])'
                    -- global services have no region
                    else ' and (costs.%1$I = any(%2$L::text[]) or costs.%1$I is null)'
                end,
                wanted.name,
                wanted.members
            );
        end loop;

        for period in
            select *
            from (
                values (false, first_a, last_a, loaded_b), (true, first_b, last_b, loaded_a)
            ) as periods (is_later, first_day, last_day, loaded_in_other)
        loop
            lines := lines || format(
                $line$
                select
                    %1$L::boolean as is_later,
                    %2$s as is_comparable,
                    costs.billing_currency,
                    costs.provider,
                    costs.service_name,
                    costs.charge_category,
                    costs.sku,
                    costs.pricing_unit,
                    costs.commitment_use,
                    case when count(*) = count(costs.pricing_quantity) then sum(costs.pricing_quantity) end
                        as pricing_quantity,
                    sum(costs.%3$I) as cost,
                    case when costs.commitment_use = 'used' then sum(costs.%4$I) else sum(costs.%3$I) end
                        as cost_of_usage
                from marts.%5$I as costs
                where (%6$s)%7$s
                group by 2, 3, 4, 5, 6, 7, 8, 9
                $line$,
                period.is_later,
                case
                    when mart = 'fct_total_sku_costs' then (loaded_a && loaded_b)::text
                    else format('costs.account_id = any(%L::text[])', period.loaded_in_other)
                end,
                basis,
                agreed,
                mart,
                case
                    when mart = 'fct_daily_sku_costs'
                        then format('costs.usage_date between %L and %L', period.first_day, period.last_day)
                    else {{ condition_of_pieces('period.first_day', 'period.last_day') }}
                end,
                conditions
            );
        end loop;

        return query execute format(
            $drivers$
        with lines as materialized (
            %1$s
        ),

        placed as (
            select
                lines.*,
                case
                    when not lines.is_comparable then 'unexplained: account not loaded'
                    when lines.charge_category = 'Tax' then 'tax'
                    when lines.charge_category = 'Credit' then 'credit'
                    when lines.charge_category = 'Adjustment' then 'adjustment'
                    when lines.commitment_use in ('unused', 'purchase') then 'commitment'
                end as place
            from lines
        ),

        articles as (
            select
                placed.billing_currency,
                placed.provider,
                placed.service_name,
                placed.charge_category,
                placed.sku,
                placed.pricing_unit,
                count(*) filter (where not placed.is_later) as old_rows,
                count(*) filter (where placed.is_later) as new_rows,
                coalesce(sum(placed.cost_of_usage) filter (where not placed.is_later), 0) as old_cost,
                coalesce(sum(placed.cost_of_usage) filter (where placed.is_later), 0) as new_cost,
                case
                    when bool_and(placed.pricing_quantity is not null)
                        then sum(placed.pricing_quantity) filter (where not placed.is_later)
                end as old_quantity,
                case
                    when bool_and(placed.pricing_quantity is not null)
                        then sum(placed.pricing_quantity) filter (where placed.is_later)
                end as new_quantity
            from placed
            where placed.place is null
            group by 1, 2, 3, 4, 5, 6
        ),

        judged as (
            select
                articles.*,
                case
                    when articles.old_rows = 0 then 'new'
                    when articles.new_rows = 0 then 'gone'
                    when articles.old_quantity > 0 and articles.new_quantity > 0 then 'usage'
                    else 'unexplained: no quantity'
                end as place,
                -- rounded, as no division ends by itself; price takes what is left, so the sum is exact
                round(
                    articles.old_cost * (articles.new_quantity - articles.old_quantity)
                    / nullif(articles.old_quantity, 0),
                    12
                ) as more_at_old_price
            from articles
        ),

        drivers as (
            select
                placed.billing_currency,
                placed.place as driver,
                placed.service_name,
                placed.sku,
                placed.pricing_unit,
                case when placed.is_later then placed.cost else -placed.cost end as delta
            from placed
            where placed.place is not null
            union all
            select
                placed.billing_currency,
                'commitment',
                placed.service_name,
                placed.sku,
                placed.pricing_unit,
                case
                    when placed.is_later then placed.cost - placed.cost_of_usage
                    else placed.cost_of_usage - placed.cost
                end
            from placed
            where placed.place is null and placed.commitment_use = 'used'
            union all
            select
                judged.billing_currency,
                judged.place,
                judged.service_name,
                judged.sku,
                judged.pricing_unit,
                case
                    when judged.place = 'usage' then judged.more_at_old_price
                    else judged.new_cost - judged.old_cost
                end
            from judged
            union all
            select
                judged.billing_currency,
                'price',
                judged.service_name,
                judged.sku,
                judged.pricing_unit,
                judged.new_cost - judged.old_cost - judged.more_at_old_price
            from judged
            where judged.place = 'usage'
        )

        select
            drivers.billing_currency,
            drivers.driver,
            case when %2$L::boolean then drivers.service_name end,
            case when %3$L::boolean then drivers.sku end,
            case when %3$L::boolean then drivers.pricing_unit end,
            sum(drivers.delta)
        from drivers
        group by 1, 2, 3, 4, 5
        order by 1, abs(sum(drivers.delta)) desc, 2, 3, 4, 5
            $drivers$,
            array_to_string(lines, ' union all '),
            by_service or by_sku,
            by_sku
        );
    end
    $function$;

    grant execute on function
        {{ this.schema }}.explain_cost_change(
            date, date, date, date, text, text, text[], text[], text[], text[], text[], text[], text[],
            boolean, boolean
        )
    to astraeus_reader, astraeus_operator, astraeus_app
    {%- endif -%}
{% endmacro %}

{# The accounts of which something is known in a period, in order. #}
{% macro accounts_loaded(first_day, last_day) -%}
    array(
        select distinct freshness.account_id
        from marts.fct_freshness as freshness
        where
            freshness.dataset = 'costs' and freshness.state <> 'missing'
            and freshness.usage_date between {{ first_day }} and {{ last_day }}
        order by 1
    )
{%- endmacro %}

{#
    Which rows of fct_sku_costs or of its totals, as `costs`, make up the days of a range, as text: those of whole
    months, of whole weeks in what is left at either end, and of days.
#}
{% macro condition_of_pieces(first_day, last_day) -%}
    (
        select
            coalesce(
                string_agg(
                    distinct format(
                        'costs.grain = %L and costs.period_start >= %L and costs.period_start < %L',
                        pieces.grain,
                        pieces.begins,
                        pieces.ends
                    ),
                    ' or '
                ),
                'false'
            )
        from (select {{ first_day }} as begins, {{ last_day }} + 1 as ends) as asked
        {{ whole_periods('month', 'asked') }}
        cross join
            lateral (values (asked.begins, months.begins), (months.ends, asked.ends)) as ends (begins, ends)
        {{ whole_periods('week', 'ends') }}
        cross join lateral (
            values
            ('month', months.begins, months.ends),
            ('day', ends.begins, weeks.begins),
            ('week', weeks.begins, weeks.ends),
            ('day', weeks.ends, ends.ends)
        ) as pieces (grain, begins, ends)
        where pieces.begins < pieces.ends
    )
{%- endmacro %}

{# The whole months or weeks in a range with an exclusive end; without any, nothing at its end. #}
{% macro whole_periods(unit, range) -%}
    cross join lateral (
        select
            case when whole.begins < whole.ends then whole.begins else {{ range }}.ends end as begins,
            case when whole.begins < whole.ends then whole.ends else {{ range }}.ends end as ends
        from (
            select
                date_trunc('{{ unit }}', {{ range }}.begins + interval '1 {{ unit }}' - interval '1 day')::date
                    as begins,
                date_trunc('{{ unit }}', {{ range }}.ends)::date as ends
        ) as whole
    ) as {{ unit }}s
{%- endmacro %}

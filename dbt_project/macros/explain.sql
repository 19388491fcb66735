{#
    Post-hook: why costs differ between two periods, as a function that readers ask. Each line of
    fct_daily_sku_costs has one place, so the drivers sum to the change whatever the data:

    - tax, credit, adjustment: by charge category.
    - commitment: what commitments cost beside what they cover (fees, unused parts), and what covered
      usage costs less, or more, than at agreed prices.
    - the rest by article, at agreed prices where a commitment covers it: new and gone if only one
      period has the article; usage = more of it at the old price; price = what remains.
    - unexplained: no quantity where both periods have the article and one no quantity to price it
      by; account not loaded where the other period was never loaded, so that nothing can be said.

    Written as text, so that marts may be swapped.
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
    as $function$
    #variable_conflict use_column
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

        return query
        with periods as (
            select * from (values (false, first_a, last_a), (true, first_b, last_b))
                as periods (is_later, first_day, last_day)
        ),

        -- the accounts of which something is known in a period
        loaded as (
            select distinct periods.is_later, freshness.account_id
            from periods
            inner join marts.fct_freshness as freshness
                on freshness.usage_date between periods.first_day and periods.last_day
            where freshness.dataset = 'costs' and freshness.state <> 'missing'
        ),

        charges as (
            select
                periods.is_later,
                daily.*,
                case basis
                    when 'list_cost' then daily.list_cost
                    when 'contracted_cost' then daily.contracted_cost
                    when 'effective_cost' then daily.effective_cost
                    when 'billed_cost' then daily.billed_cost
                end as cost
            from periods
            inner join marts.fct_daily_sku_costs as daily
                on daily.usage_date between periods.first_day and periods.last_day
            where
                (currency is null or daily.billing_currency = currency)
                -- array_position finds null, too: global services have no region
                and (providers is null or array_position(providers, daily.provider) is not null)
                and (accounts is null or array_position(accounts, daily.account_id) is not null)
                and (sub_accounts is null or array_position(sub_accounts, daily.sub_account_id) is not null)
                and (
                    service_categories is null
                    or array_position(service_categories, daily.service_category) is not null
                )
                and (services is null or array_position(services, daily.service_name) is not null)
                and (regions is null or array_position(regions, daily.region_id) is not null)
                and (
                    charge_categories is null
                    or array_position(charge_categories, daily.charge_category) is not null
                )
        ),

        placed as (
            select
                charges.*,
                case
                    when loaded.account_id is null then 'unexplained: account not loaded'
                    when charges.charge_category = 'Tax' then 'tax'
                    when charges.charge_category = 'Credit' then 'credit'
                    when charges.charge_category = 'Adjustment' then 'adjustment'
                    when charges.commitment_use in ('unused', 'purchase') then 'commitment'
                end as place,
                -- what covered usage would cost without its commitment
                case
                    when charges.commitment_use = 'used' and basis in ('effective_cost', 'billed_cost')
                        then charges.contracted_cost
                    else charges.cost
                end as cost_of_usage
            from charges
            left join loaded
                on loaded.account_id = charges.account_id and loaded.is_later <> charges.is_later
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
            case when by_service or by_sku then drivers.service_name end,
            case when by_sku then drivers.sku end,
            case when by_sku then drivers.pricing_unit end,
            sum(drivers.delta)
        from drivers
        group by 1, 2, 3, 4, 5
        order by 1, abs(sum(drivers.delta)) desc, 2, 3, 4, 5;
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

{#
    Pre-hook of the models of reconciliations, of days and of months: the days whose standing or
    held-back delivery is another than the one they were compared for, and those that could not be
    compared yet and now can. Days that the marts do not hold as they stand (a load came in between)
    wait for the next build. Months go with their days.
#}
{% macro open_reconciliations(grain) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    select pg_advisory_xact_lock(hashtextextended('{{ this }}', 0));
    {% if not is_incremental() %}
    delete from intermediate.built_slices where model = '{{ this.identifier }}';
    {% endif %}
    create temporary table {{ changed_slices() }} on commit drop as
    with
    ledger as (
        select
            account_id, usage_date, billing_period,
            delivery_id as standing_id,
            greatest(delivery_id, blocked_by) as delivery_id
        from {{ source('raw', 'partitions') }}
        where dataset = 'costs'
    ),
    late as (
        select account_id, usage_date
        from (
            select account_id, usage_date, billing_period, standing_id as delivery_id
            from ledger where standing_id is not null
        ) as standing
        full join (
            select * from intermediate.built_slices where model = 'fct_daily_costs'
        ) as built using (account_id, usage_date, billing_period)
        where built.delivery_id is distinct from standing.delivery_id
        except
        select account_id, usage_date from intermediate.int_days_blocked
    )
    select account_id, usage_date, billing_period, ledger.delivery_id
    from ledger
    full join (
        select * from intermediate.built_slices where model = '{{ this.identifier }}'
    ) as built using (account_id, usage_date, billing_period)
    where
        (
            built.delivery_id is distinct from ledger.delivery_id
            or built.logic is distinct from '{{ logic_of(model.unique_id) }}'
            {% if is_incremental() and grain == 'day' %}
            or (account_id, usage_date) in (
                select account_id, usage_date
                from {{ this }} as mart
                left join {{ ref('provider_rules') }} as rules on rules.provider = mart.provider
                where
                    mart.state = 'not comparable yet' and mart.usage_date is not null
                    and mart.usage_date + coalesce(rules.settle_days, 3) <= '{{ var("today") }}'::date
            )
            or (account_id, usage_date) in (
                select account_id, usage_date from {{ this }}
                where state = 'blocked' and usage_date is not null
            )
            {% endif %}
        )
        and (account_id, usage_date) not in (select account_id, usage_date from late);
    create temporary table {{ this.identifier }}__months on commit drop as
    select distinct account_id, billing_period from {{ changed_slices() }}
    {% if is_incremental() %}
    union
    select account_id, billing_period from {{ this }} as mart
    {% if grain == 'day' -%}
    where state in ('not comparable yet', 'blocked') and usage_date is null
    {% else -%}
    where
        preset = 'not comparable yet'
        and exists (
            select 1
            from {{ source('raw', 'partitions') }} as partitions
            left join {{ ref('provider_rules') }} as rules on rules.provider = partitions.provider
            where
                partitions.account_id = mart.account_id and partitions.dataset = 'costs'
                and partitions.billing_period = mart.billing_period
                and (mart.billing_period + interval '1 month')::date + coalesce(rules.closes_on, 15) - 1
                <= '{{ var("today") }}'::date
        )
    {% endif %}
    {% endif %};
    analyze {{ changed_slices() }};
    {% if is_incremental() %}
    {% if grain == 'day' %}
    delete from {{ this }} as mart
    using (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    where mart.account_id = changed.account_id and mart.usage_date = changed.usage_date;
    {% endif %}
    delete from {{ this }} as mart
    using {{ this.identifier }}__months as months
    where
        mart.usage_date is null
        and mart.account_id = months.account_id and mart.billing_period = months.billing_period;
    {% endif %}
    {%- endif -%}
{% endmacro %}

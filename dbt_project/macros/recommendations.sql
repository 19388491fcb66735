{# A threshold of the seed as a scalar. #}
{% macro threshold(name) -%}
    (select value from {{ ref('recommendation_thresholds') }} where name = '{{ name }}')
{%- endmacro %}

{% macro threshold_days(name) -%}
    (select value::integer from {{ ref('recommendation_thresholds') }} where name = '{{ name }}')
{%- endmacro %}

{# The first day of use that is looked at: two may be missing, the newest often is. #}
{% macro first_observed_day() -%}
    '{{ var("today") }}'::date - {{ threshold_days('observed_days') }} - 2
{%- endmacro %}

{# Name of a thing that could save money, the same from build to build. #}
{% macro recommendation_id(relation) -%}
    md5(concat_ws('|', {{ relation }}.kind, {{ relation }}.account_id, {{ relation }}.resource_id))
{%- endmacro %}

{# AWS's usage type of a resource without the region's prefix: by it a bill without resources knows it. #}
{% macro usage_type_of(resources) -%}
    case {{ resources }}.resource_type
        when 'ec2:volume'
            then 'EBS:VolumeUsage' || case {{ resources }}.instance_type
                when 'standard' then ''
                when 'io1' then '.piops'
                else '.' || {{ resources }}.instance_type
            end
        when 'ec2:address' then 'PublicIPv4:IdleAddress'
        -- other systems are billed under the same type at other prices
        when 'ec2:instance'
            then case
                when
                    {{ resources }}.lifecycle = 'on-demand'
                    and coalesce({{ resources }}.platform, 'Linux') ~ '^Linux'
                    then 'BoxUsage:' || {{ resources }}.instance_type
            end
        when 'rds:instance' then 'InstanceUsage:' || regexp_replace({{ resources }}.instance_type, 'xlarge$', 'xl')
    end
{%- endmacro %}

{# What is left of a usage type without the region, as in EUC1-BoxUsage:m6i.xlarge. #}
{% macro without_region(usage_type) -%}
    regexp_replace({{ usage_type }}, '^[A-Z]{2,4}[0-9]?-', '')
{%- endmacro %}

{#
    What was ever advised: when it was seen first and last, what it promised, when and how it ended.
    A time that it stood is a row; what comes back is another. Nothing but this table knows that, so
    no model owns it and a full refresh leaves it alone.
    An upgrade that adds a column adds it here, as `alter table ... add column if not exists`.
#}
{% macro create_recommendation_tables() %}
    create table if not exists intermediate.recommendation_log (
        recommendation_id text not null,
        first_seen date not null,
        last_seen date not null,
        ended_on date,
        ended_by text,
        kind text not null,
        provider text not null,
        account_id text not null,
        sub_account_id text,
        region_id text,
        service_name text,
        resource_id text not null,
        resource_name text,
        resource_type text,
        action text not null,
        evidence jsonb not null,
        monthly_cost numeric,
        promised_saving numeric,
        monthly_saving numeric,
        billing_currency text,
        saving_source text not null,
        confidence text not null,
        primary key (recommendation_id, first_seen)
    );
{% endmacro %}

{#
    Post-hook of int_recommendations_judged: what is found goes on or begins, what was judged and is
    no longer found ends, and so does what the inventory has no more. What could not be judged today,
    as for want of metrics, stays as it was. On the same day again it comes to the same; a build as of
    an earlier day than the last changes nothing.
#}
{% macro note_recommendations() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- set today = "'" ~ var('today') ~ "'::date" -%}
    {%- set details = [
        'sub_account_id', 'region_id', 'service_name', 'resource_name', 'resource_type', 'action',
        'evidence', 'monthly_cost', 'monthly_saving', 'billing_currency', 'saving_source', 'confidence'
    ] -%}
    select pg_advisory_xact_lock(hashtextextended('recommendation_log', 0));
    -- what was moved to another type has followed the advice, even where the new type is advised on, too
    update intermediate.recommendation_log as log
    set ended_on = {{ today }}, ended_by = 'retyped'
    from {{ this }} as judged
    where
        judged.recommendation_id = log.recommendation_id
        and judged.evidence ->> 'instance_type' <> log.evidence ->> 'instance_type'
        and log.ended_on is null
        and log.last_seen < {{ today }};
    -- an episode that ended today and is found again today has not ended
    update intermediate.recommendation_log as log
    set
        last_seen = {{ today }},
        ended_on = null,
        ended_by = null,
        -- what was promised is what was first known
        promised_saving = case
            when log.first_seen = {{ today }} or log.promised_saving is null then judged.monthly_saving
            else log.promised_saving
        end,
        {% for name in details -%}
        {{ name }} = judged.{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ this }} as judged
    where
        judged.recommendation_id = log.recommendation_id
        and judged.is_found
        and log.last_seen <= {{ today }}
        and (log.ended_on is null or (log.ended_on = {{ today }} and log.ended_by <> 'retyped'));
    insert into intermediate.recommendation_log (
        recommendation_id, first_seen, last_seen, kind, provider, account_id, resource_id,
        promised_saving, {{ details | join(', ') }}
    )
    select
        judged.recommendation_id, {{ today }}, {{ today }}, judged.kind, judged.provider,
        judged.account_id, judged.resource_id, judged.monthly_saving,
        {% for name in details -%}
        judged.{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ this }} as judged
    where
        judged.is_found
        and not exists (
            select 1 from intermediate.recommendation_log as log
            where
                log.recommendation_id = judged.recommendation_id
                and (
                    log.ended_on is null
                    or log.ended_on >= {{ today }}
                    -- its use in the days before is that of the old type
                    or (
                        log.ended_by = 'retyped'
                        and log.ended_on > {{ today }} - {{ threshold_days('observed_days') }} - 2
                    )
                )
        );
    update intermediate.recommendation_log as log
    set ended_on = {{ today }}, ended_by = 'resolved'
    from {{ this }} as judged
    where
        judged.recommendation_id = log.recommendation_id
        and not judged.is_found
        and log.ended_on is null
        and log.last_seen <= {{ today }};
    update intermediate.recommendation_log as log
    set ended_on = {{ today }}, ended_by = 'gone'
    from {{ ref('dim_resources') }} as resources
    where
        resources.account_id = log.account_id
        and resources.resource_id = log.resource_id
        and not resources.is_active
        and (log.ended_on is null or (log.ended_on = {{ today }} and log.ended_by = 'resolved'))
        and log.last_seen <= {{ today }};
    analyze intermediate.recommendation_log
    {%- endif -%}
{% endmacro %}

{# Bills name snapshots and addresses of EC2 by ARN, the inventory by their bare id. #}
{% macro billed_resource_id(resource_id) -%}
    regexp_replace({{ resource_id }}, '^arn:aws[a-z-]*:ec2:[^:]*:[0-9]*:(snapshot|elastic-ip)/', '')
{%- endmacro %}

{#
    The next smaller size with half of everything: AWS normalises sizes by factors that double with
    each step (large 4, xlarge 8, 2xlarge 16), and prices of a family follow them. Below large the
    steps differ by family. Null where no size is half.
#}
{% macro halved_size(size) -%}
    case {{ size }}
        when 'xlarge' then 'large'
        when '2xlarge' then 'xlarge'
        when '4xlarge' then '2xlarge'
        when '8xlarge' then '4xlarge'
        when '16xlarge' then '8xlarge'
        when '24xlarge' then '12xlarge'
        when '32xlarge' then '16xlarge'
        when '48xlarge' then '24xlarge'
    end
{%- endmacro %}

{# What is found, in a sentence: the figures are in the evidence. #}
{% macro recommendation_sentence(found) -%}
    case {{ found }}.kind
        when 'unattached_volume' then 'No machine uses this volume'
        when 'unattached_address' then 'Nothing uses this address'
        when 'idle_instance'
            then 'Never above ' || ({{ found }}.evidence ->> 'cpu_peak_percent') || ' % of its processors, next to no '
            || 'network traffic'
        when 'oversized_instance'
            then 'Never above ' || ({{ found }}.evidence ->> 'cpu_peak_percent') || ' % of its processors: '
            || ({{ found }}.evidence ->> 'smaller_type') || ' would do'
        when 'idle_database' then 'Nobody connected to this database'
        when 'oversized_database'
            then 'Never above ' || ({{ found }}.evidence ->> 'cpu_peak_percent') || ' % of its processors: '
            || ({{ found }}.evidence ->> 'smaller_type') || ' would do'
        when 'old_generation'
            then ({{ found }}.evidence ->> 'instance_type') || ' is of an older generation'
            || coalesce(', newer is ' || ({{ found }}.evidence ->> 'successor'), '')
            || coalesce(', it ends on ' || ({{ found }}.evidence ->> 'retires_on'), '')
        when 'old_snapshot' then 'Kept for ' || ({{ found }}.evidence ->> 'age_days') || ' days'
        when 'idle_warehouse' then 'Ran without a query'
        when 'late_suspend_warehouse'
            then case coalesce({{ found }}.evidence ->> 'auto_suspend_seconds', '0')
                when '0' then 'Never suspends by itself'
                else 'Suspends after ' || ({{ found }}.evidence ->> 'auto_suspend_seconds') || ' idle seconds'
            end
        when 'oversized_warehouse' then 'Small queries that never queue, on size ' || ({{ found }}.evidence ->> 'warehouse_size')
        when 'unused_commitment'
            then round(({{ found }}.evidence ->> 'unused_share')::numeric * 100, 1) || ' % of what is paid for goes unused'
        when 'uncovered_usage'
            then 'At least ' || round(({{ found }}.evidence ->> 'least_daily_cost')::numeric, 2) || ' '
            || {{ found }}.billing_currency || ' a day that no commitment covers'
        else {{ found }}.kind
    end
{%- endmacro %}

{#
    Whether a day lies in the last whole weeks that are settled by the provider's rule (of a CTE or
    table `rules`). The first comparison is a literal, for the index: no provider settles ten days late.
#}
{% macro in_settled_days(relation, days) -%}
    {{ relation }}.usage_date > '{{ var("today") }}'::date - {{ days }} - 10
    and {{ relation }}.usage_date <= '{{ var("today") }}'::date
    and {{ relation }}.usage_date > '{{ var("today") }}'::date - coalesce(rules.settle_days, 3) - {{ days }}
    and {{ relation }}.usage_date <= '{{ var("today") }}'::date - coalesce(rules.settle_days, 3)
{%- endmacro %}

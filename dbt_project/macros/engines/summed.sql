{#
    Daily costs that another engine summed from line items, and slice by slice what became of them:
    `reason` says why one is held back. Written by warehouse/line_item_sums.py.
#}
{% macro create_summed_tables() %}
    create table if not exists intermediate.daily_costs_summed (
        provider text not null,
        account_id text not null,
        billing_account_id text,
        sub_account_id text,
        sub_account_name text,
        service_category text,
        service_name text not null,
        region_id text,
        charge_category text not null,
        billing_currency text not null,
        usage_date date not null,
        billing_period date not null,
        list_cost numeric not null,
        contracted_cost numeric not null,
        effective_cost numeric not null,
        billed_cost numeric not null,
        charges bigint not null,
        is_final boolean not null,
        is_invoiced boolean not null,
        delivery_id bigint not null,
        loaded_at timestamp with time zone not null
    );
    create index if not exists daily_costs_summed_by_day
    on intermediate.daily_costs_summed (usage_date, account_id);
    create table if not exists intermediate.summed_slices (
        account_id text not null,
        usage_date date not null,
        billing_period date not null,
        delivery_id bigint not null,
        rows bigint not null,
        line_item_order text not null,
        reason text,
        taken_at timestamp with time zone not null default clock_timestamp(),
        primary key (account_id, usage_date, billing_period)
    );
{% endmacro %}

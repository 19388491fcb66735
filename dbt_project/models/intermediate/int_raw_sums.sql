-- grain: one row per raw table, account, UTC day, currency, basis, cost type and reason to leave out;
-- null where no row has the cost
{% for table, costs in raw_costs().items() %}
{% if not loop.first %}union all{% endif %}
select
    summed.account_id,
    summed.usage_date,
    summed.currency,
    summed.excluded_reason,
    each.basis,
    each.cost_type,
    each.amount
from (
    select
        account_id,
        usage_date,
        {{ costs['currency'] }} as currency,
        {% if costs.get('excluded') %}
        case
            {% for reason, condition in costs['excluded'].items() %}
            when {{ condition }} then '{{ reason }}'
            {% endfor %}
        end as excluded_reason,
        {% else %}
        null::text as excluded_reason,
        {% endif %}
        {% for cost in costs['delivered'] %}
        sum({{ cost }}) as delivered_{{ cost }},
        {% endfor %}
        {% for cost in focus_costs() if cost in costs %}
        sum({{ raw_cost(table, cost) }}) as focus_{{ cost }},
        {% endfor %}
        count(*) as rows
    from {{ source('raw', table) }}
    group by 1, 2, 3, 4
) as summed
cross join
    lateral (
        values
        {% for cost in costs['delivered'] %}
        ('delivered', '{{ cost }}', summed.delivered_{{ cost }}),
        {% endfor %}
        {% for cost in focus_costs() if cost in costs %}
        ('focus', '{{ cost }}', summed.focus_{{ cost }}),
        {% endfor %}
        ('rows', 'rows', summed.rows)
    ) as each (basis, cost_type, amount)
{% endfor %}

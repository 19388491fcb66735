-- grain: one row per UTC day from 2020 to the end of next year
with

days as (
    select day::date as date_day
    from
        generate_series(
            '2020-01-01'::date,
            (date_trunc('year', '{{ var("today") }}'::date) + interval '2 years - 1 day')::date,
            interval '1 day'
        ) as day
)

select
    days.date_day,
    extract(isodow from days.date_day)::integer as iso_weekday,
    extract(isodow from days.date_day) >= 6 as is_weekend,
    date_trunc('week', days.date_day)::date as week_start,
    date_trunc('month', days.date_day)::date as month_start,
    date_trunc('quarter', days.date_day)::date as quarter_start,
    date_trunc('year', days.date_day)::date as year_start,
    extract(day from days.date_day)::integer as day_of_month,
    extract(day from date_trunc('month', days.date_day) + interval '1 month - 1 day')::integer as days_in_month
from days

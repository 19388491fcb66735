"""Incidents: flags of one series within a week of one another, their impact and their drivers."""

from __future__ import annotations

from datetime import date
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from astraeus_pipeline.anomalies.floors import FLOORS, floor_of

_JOIN_DAYS: Final = 7

# What an account spent, by what may drive an incident: each incident reads four weeks of it, which
# in the charges themselves are ten times the pages.
_SPENT: Final = """
create temporary table spent on commit drop as
select usage_date, billing_currency, sub_account_id, service_name, resource_id,
    coalesce(sku_meter, charge_description) as usage_type, region_id,
    sum(effective_cost) as effective_cost
from marts.fct_charges
where account_id = %(account)s and usage_date >= %(from)s::date - 28 and charge_category = 'Usage'
group by 1, 2, 3, 4, 5, 6, 7
"""
_SPENT_DAYS: Final = """
create temporary table spent_days on commit drop as
select billing_currency, usage_date
from intermediate.int_usage_series
where account_id = %(account)s and usage_date >= %(from)s::date - 28 and scope = 'account'
"""
_GATHER: Final = """
insert into intermediate.anomaly_incidents (
    anomaly_id, series_key, scope, provider, account_id, sub_account_id, service_name,
    billing_currency, method, start_date, end_date, flagged_days, peak_date, peak_cost,
    expected_cost, lower_cost, upper_cost, excess_cost, score, reason, severity, drivers
)
with

flagged as (
    select
        *,
        coalesce(usage_date - lag(usage_date) over series > %(join)s, true)::integer as begins
    from intermediate.anomaly_scores
    where account_id = %(account)s and usage_date >= %(from)s and reason is not null
    window series as (partition by series_key, method order by usage_date)
),

in_runs as (
    select *, sum(begins) over (partition by series_key, method order by usage_date) as run
    from flagged
),

runs as (
    select
        series_key, method, run,
        min(usage_date) as start_date,
        max(usage_date) as end_date,
        count(*)::integer as flagged_days,
        max(score) as score,
        -- many spikes in a row are a level
        case
            when bool_or(reason = 'new_service') then 'new_service'
            when bool_or(reason = 'shift') or count(*) >= 5 then 'shift'
            else 'spike'
        end as reason,
        (array_agg(usage_date order by actual_cost - expected_cost desc, usage_date))[1]
            as peak_date
    from in_runs
    group by 1, 2, 3
    having max(usage_date) >= %(since)s::date - %(join)s
),

measured as (
    select
        runs.*,
        peak.scope, peak.provider, peak.account_id, peak.sub_account_id, peak.service_name,
        peak.billing_currency, peak.actual_cost, peak.expected_cost, peak.lower_cost,
        peak.upper_cost,
        whole.excess_cost,
        whole.excess_cost
        / coalesce((%(floors)s::jsonb ->> peak.billing_currency)::numeric, %(floor)s) as weight
    from runs
    inner join intermediate.anomaly_scores as peak
        on peak.account_id = %(account)s and peak.series_key = runs.series_key
        and peak.method = runs.method and peak.usage_date = runs.peak_date
        and peak.reason is not null
    cross join lateral (
        select sum(days.actual_cost - days.expected_cost) as excess_cost
        from intermediate.anomaly_scores as days
        where days.account_id = %(account)s and days.series_key = runs.series_key
            and days.method = runs.method
            and days.usage_date between runs.start_date and runs.end_date
    ) as whole
)

select
    md5(concat_ws('|', measured.series_key, measured.start_date, measured.method)),
    measured.series_key, measured.scope, measured.provider, measured.account_id,
    measured.sub_account_id, measured.service_name, measured.billing_currency, measured.method,
    measured.start_date, measured.end_date, measured.flagged_days, measured.peak_date,
    measured.actual_cost, measured.expected_cost, measured.lower_cost, measured.upper_cost,
    measured.excess_cost, measured.score, measured.reason,
    case
        when measured.weight >= 1000 then 'critical'
        when measured.weight >= 100 then 'high'
        when measured.weight >= 10 then 'medium'
        else 'low'
    end,
    coalesce(found.drivers, '[]')
from measured
cross join lateral (
    select
        count(*) filter (where usage_date < measured.start_date) as before,
        count(*) filter (where usage_date >= measured.start_date) as during
    from spent_days
    where billing_currency = measured.billing_currency
        and usage_date between measured.start_date - 28 and measured.end_date
) as delivered
cross join lateral (
    select jsonb_agg(
        jsonb_build_object(
            'service_name', named.service_name,
            'resource_id', named.resource_id,
            'usage_type', named.usage_type,
            'region_id', named.region_id,
            'excess_cost', named.excess_cost,
            'share', case when named.total > 0 then round(named.excess_cost / named.total, 4) end
        ) order by named.excess_cost desc, named.resource_id, named.usage_type, named.region_id
    ) as drivers
    from (
        select
            parts.*,
            sum(greatest(parts.excess_cost, 0)) over () as total,
            row_number() over (
                order by
                    parts.excess_cost desc, parts.resource_id, parts.usage_type, parts.region_id
            ) as place
        from (
            select
                spent.service_name,
                spent.resource_id,
                spent.usage_type,
                spent.region_id,
                round(
                    coalesce(
                        sum(spent.effective_cost)
                        filter (where spent.usage_date >= measured.start_date), 0
                    )
                    - coalesce(
                        sum(spent.effective_cost)
                        filter (where spent.usage_date < measured.start_date)
                        * delivered.during / nullif(delivered.before, 0), 0
                    ), 6
                ) as excess_cost
            from spent
            where
                spent.usage_date between measured.start_date - 28 and measured.end_date
                and spent.billing_currency = measured.billing_currency
                and (
                    measured.scope = 'account'
                    or (
                        spent.service_name = measured.service_name
                        and spent.sub_account_id is not distinct from measured.sub_account_id
                    )
                )
            group by 1, 2, 3, 4
        ) as parts
    ) as named
    where named.place <= 5 and named.excess_cost > 0
) as found
"""


def gather(conn: psycopg.Connection, account_id: str, since: date) -> int:
    """Make the account's incidents anew from what was scored again since a day.

    Earlier incidents that no new flag can join stay as they are. Returns how many were written.
    """
    gone = conn.execute(
        "delete from intermediate.anomaly_incidents"
        " where account_id = %s and end_date >= %s::date - %s returning start_date",
        [account_id, since, _JOIN_DAYS],
    )
    # A run that begins before lies in one of these: no flag further back has to be read.
    begin = min((start for (start,) in gone), default=since)
    parameters = {
        "account": account_id,
        "since": since,
        "from": min(begin, since),
        "join": _JOIN_DAYS,
        "floors": Jsonb({currency: str(floor) for currency, floor in FLOORS.items()}),
        "floor": floor_of(""),
    }
    conn.execute(_SPENT, parameters)
    conn.execute("create index on spent (usage_date)")
    conn.execute("create index on spent (service_name, usage_date)")
    conn.execute(_SPENT_DAYS, parameters)
    conn.execute("create index on spent_days (billing_currency, usage_date)")
    conn.execute("analyze spent, spent_days")
    written = conn.execute(_GATHER, parameters)
    conn.execute("drop table spent, spent_days")
    return written.rowcount

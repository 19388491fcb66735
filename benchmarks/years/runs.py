"""Dagster's rows of a day's ingestion, copied from those of a day on which it ran.

A run in Dagster costs ten times what its load does. Between the full days the loads are real, and
what Dagster would have written about them is that of a day which it did write, with other ids,
stamps and partitions.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import psycopg

from benchmarks.scratch import Scratch

_LAST: Final = """
select create_timestamp::date from dagster.runs
where pipeline_name = %(job)s and create_timestamp < %(day)s
group by 1 having count(*) = %(accounts)s order by 1 desc limit 1
"""
_IDS: Final = """
create temp table copied on commit drop as
select run_id as old_id, gen_random_uuid()::text as new_id,
    (select value from dagster.run_tags as tags
     where tags.run_id = runs.run_id and key = 'astraeus/account') as account
from dagster.runs where pipeline_name = %(job)s and create_timestamp::date = %(template)s
"""
_ROWS: Final = (
    """
    insert into dagster.runs (run_id, snapshot_id, pipeline_name, mode, status, run_body,
        partition, partition_set, create_timestamp, update_timestamp, start_time, end_time,
        backfill_id)
    select new_id, snapshot_id, pipeline_name, mode, status, replace(run_body, old_id, new_id),
        partition, partition_set, create_timestamp + %(days)s * interval '1 day',
        update_timestamp + %(days)s * interval '1 day', start_time + %(days)s * 86400,
        end_time + %(days)s * 86400, backfill_id
    from dagster.runs inner join copied on old_id = run_id
    """,
    """
    insert into dagster.run_tags (run_id, key, value)
    select new_id, key, value from dagster.run_tags inner join copied on old_id = run_id
    """,
    """
    create temp table events on commit drop as
    select nextval('dagster.event_logs_id_seq') as new_number, events.*, new_id,
        split_part(partition, '|', 1) || '|'
            || (split_part(partition, '|', 2)::date + %(days)s) as new_partition
    from dagster.event_logs as events inner join copied on old_id = run_id
    """,
    """
    insert into dagster.event_logs (id, run_id, event, dagster_event_type, timestamp, step_key,
        asset_key, partition)
    select new_number, new_id,
        replace(replace(event, run_id, new_id), coalesce(partition, new_id),
            coalesce(new_partition, new_id)),
        dagster_event_type, timestamp + %(days)s * interval '1 day', step_key, asset_key,
        new_partition
    from events
    """,
    """
    insert into dagster.asset_event_tags (event_id, asset_key, key, value, event_timestamp)
    select new_number, tags.asset_key, key,
        case when key = 'dagster/partition/day' then (value::date + %(days)s)::text else value end,
        event_timestamp + %(days)s * interval '1 day'
    from dagster.asset_event_tags as tags inner join events on events.id = tags.event_id
    """,
    """
    insert into dagster.asset_check_executions (asset_key, check_name, partition, run_id,
        execution_status, evaluation_event, evaluation_event_timestamp,
        evaluation_event_storage_id, materialization_event_storage_id, create_timestamp)
    select asset_key, check_name, partition, new_id, execution_status,
        replace(evaluation_event, old_id, new_id),
        evaluation_event_timestamp + %(days)s * interval '1 day', evaluation_event_storage_id,
        materialization_event_storage_id, create_timestamp + %(days)s * interval '1 day'
    from dagster.asset_check_executions inner join copied on old_id = run_id
    """,
)


def copy(place: Scratch, job: str, accounts: int, day: date) -> dict[str, str]:
    """Copy a job's runs of the last day that has one for each account; return ids by account."""
    with place.database.connect("admin") as conn:
        row = conn.execute(_LAST, {"job": job, "accounts": accounts, "day": day}).fetchone()
        assert row is not None
        values = {"job": job, "template": row[0], "days": (day - row[0]).days}
        conn.execute(_IDS, values)
        for rows in _ROWS:
            conn.execute(rows, values)
        return _by_account(conn)


def _by_account(conn: psycopg.Connection) -> dict[str, str]:
    return dict(conn.execute("select account, new_id from copied").fetchall())

"""Ticks as the daemon writes them: a row per look of a sensor, by SQL, purged by Dagster."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from datetime import time as hour
from typing import Final

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from astraeus_pipeline.warehouse.engine import Database

SENSORS: Final = ("accounts", "alerts", "marts")
_EVERY: Final = 30  # seconds, as the sensors say
_MULTIPLY: Final = """
insert into dagster.job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body)
select job_origin_id, selector_id, status, type, %(first)s + n * %(every)s * interval '1 second',
    tick_body
from dagster.job_ticks, generate_series(1, %(ticks)s) as n where id = %(id)s
"""


def write(instance: dg.DagsterInstance, database: Database, day: date) -> None:
    """Write a day's ticks of all sensors; purge as after each of them."""
    first = datetime.combine(day, hour(), UTC)
    settings = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    with database.connect("dagster", autocommit=True) as conn:
        for name in SENSORS:
            selector = f"{name}-selector".ljust(40, "0")
            tick = instance.create_tick(
                TickData(
                    instigator_origin_id=f"{name}-origin".ljust(40, "0"),
                    instigator_name=name,
                    instigator_type=InstigatorType.SENSOR,
                    status=TickStatus.SKIPPED,
                    timestamp=first.timestamp(),
                    skip_reason="The marts hold every loaded day",
                    selector_id=selector,
                )
            )
            values = {"first": first, "every": _EVERY, "ticks": 86400 // _EVERY - 1}
            conn.execute(_MULTIPLY, values | {"id": tick.tick_id})
            for status, kept in settings.items():
                if kept > 0:
                    instance.purge_ticks(
                        tick.instigator_origin_id,
                        selector_id=selector,
                        before=(datetime.now(UTC) - timedelta(days=kept)).timestamp(),
                        tick_statuses=[status],
                    )

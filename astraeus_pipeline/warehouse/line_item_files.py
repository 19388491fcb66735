"""Line items and orders in the landing store that nothing needs any more.

They are made from payloads and can be made again. A file stays while a slice stands in its
delivery, and for the kept days after that: an order that names it may still be summed. The ledger
says so; a file of a delivery that it does not know is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.line_items import FOLDER, ORDERS, stamp
from astraeus_pipeline.warehouse.object_stores import told

_FILE: Final = re.compile(rf"{FOLDER}/\w+/delivery_id=(\d+)/([^/]+)/")
_ORDER: Final = re.compile(rf"{ORDERS}/(\d{{8}}T\d{{6}})-")
# A day of it that stands has come to do so lately: then an order of before it may be under way.
_SUPERSEDED: Final = """
    select deliveries.id, deliveries.finished_at
    from raw.deliveries as deliveries
    where deliveries.id = any(%(ids)s)
        and deliveries.finished_at < now() - make_interval(days => %(days)s)
        and not exists (
            select from raw.partitions as standing
            where standing.account_id = deliveries.account_id and standing.dataset = 'costs'
                and standing.delivery_id = deliveries.id
        )
        and not exists (
            select from raw.delivery_days as brought
            inner join raw.partitions as standing
                on standing.account_id = deliveries.account_id and standing.dataset = 'costs'
                and standing.usage_date = brought.usage_date
                and standing.billing_period = brought.billing_period
            where brought.delivery_id = deliveries.id
                and standing.changed_at > now() - make_interval(days => %(days)s)
        )
"""


def listed(store: LandingStore) -> dict[str, int]:
    """Return bytes by name of line items and orders. Raises: StoreError, ConfigError."""
    with told(store.root):
        return store.objects.sizes(below=FOLDER)


def superseded(
    conn: psycopg.Connection, stored: Mapping[str, int], days: int
) -> tuple[list[str], list[str]]:
    """Return the files of line items, and those of orders, that may go. Connect as app.

    An order goes by its age: its sums are in PostgreSQL, or the next order asks for them again.
    """
    files = {name: found for name in stored if (found := _FILE.match(name))}
    ids = sorted({int(found[1]) for found in files.values()})
    gone = {
        (row[0], stamp(row[1])) for row in conn.execute(_SUPERSEDED, {"ids": ids, "days": days})
    }
    before = f"{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%S}"
    orders = [name for name in stored if (at := _ORDER.match(name)) and at[1] < before]
    return [name for name, at in files.items() if (int(at[1]), at[2]) in gone], orders

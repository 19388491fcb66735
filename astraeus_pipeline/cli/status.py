"""`astraeus status`: what stands, per account, in plain words."""

from __future__ import annotations

from typing import Any

from astraeus_pipeline.cli.context import connected
from astraeus_pipeline.cli.output import Json, print_records

_QUERY = """
select
    a.slug as account,
    a.provider,
    a.state,
    max(p.usage_date) filter (where p.delivery_id is not null) as data_through,
    count(*) filter (where p.state = 'blocked') as blocked_days,
    count(*) filter (where p.state = 'refused') as refused_days,
    max(p.seen_at)::timestamptz(0) as last_delivery,
    (select d.state || coalesce(': ' || left(d.reason, 120), '') from raw.deliveries d
     where d.account_id = a.slug order by d.id desc limit 1) as last_result
from app.accounts a
left join raw.partitions p on p.account_id = a.slug and p.dataset = 'costs'
where a.state <> 'removed'
group by a.slug, a.provider, a.state
order by a.provider, a.slug
"""


def status(as_json: Json = False) -> None:
    """Show per account how far its data goes and what is held back."""
    from psycopg.rows import dict_row

    with connected("app") as conn:
        records: list[dict[str, Any]] = conn.cursor(row_factory=dict_row).execute(_QUERY).fetchall()
    empty = "There are no accounts yet. Next: `astraeus account add`, or `astraeus demo`."
    print_records("Accounts", records, as_json=as_json, empty=empty)

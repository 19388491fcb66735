"""A long history of charges and marts' inputs, made by the server itself in minutes.

Days are filled with `insert ... select` over generate_series: 20 accounts, 60 services, 5,000
resources, 5 tag keys, as benchmarks/data.py has them, but without a payload behind the rows.
"""

from __future__ import annotations

from datetime import date

import psycopg

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse import ddl
from benchmarks.scratch import Scratch

ACCOUNTS = 20
ROWS_PER_DAY = 1370
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2"]

_CHARGES = """
insert into raw.focus_costs (account_id, delivery_id, usage_date, billing_period, row_number,
    availability_zone, billed_cost, billing_account_id, billing_account_name, billing_currency,
    billing_period_start, billing_period_end, charge_category, charge_description,
    charge_frequency, charge_period_start, charge_period_end, consumed_quantity, consumed_unit,
    contracted_cost, contracted_unit_price, effective_cost, invoice_issuer_name, list_cost,
    list_unit_price, pricing_category, pricing_quantity, pricing_unit, provider_name,
    publisher_name, region_id, region_name, resource_id, resource_name, resource_type,
    service_category, service_name, service_subcategory, sku_id, sku_meter, sku_price_id,
    sub_account_id, sub_account_name, tags)
select %(account)s, %(delivery)s, %(day)s, %(month)s, n,
    'us-east-1' || chr(97 + n %% 3), cost, 'payer-000', 'Payer', 'USD',
    %(month)s, %(month)s::date + interval '1 month',
    case when n %% 100 = 0 then 'Credit' else 'Usage' end, 'Service ' || s || ' usage, per Hours',
    'Usage-Based', %(day)s::date + (n %% 24) * interval '1 hour',
    %(day)s::date + (n %% 24 + 1) * interval '1 hour', cost * 3, 'Hours',
    cost, cost / 2, cost, 'Bench Cloud', cost * 1.125,
    cost, 'Standard', cost * 3, 'Hours', 'Bench Cloud',
    'Bench Cloud', (%(regions)s::text[])[1 + r %% 5], null,
    'arn:bench:compute::instance/i-' || lpad(r::text, 17, '0'),
    'app-' || r, 'Type ' || s,
    (array['Compute', 'Storage', 'Networking', 'Databases', 'Analytics', 'Security'])[1 + s %% 6],
    'Service ' || lpad(s::text, 2, '0'), 'Kind ' || s %% 12, 'SKU' || s, 'Meter ' || s %% 12,
    'SKU' || s || '.JRTCKXETXF', %(account)s || '-' || n %% 8, 'Team ' || n %% 8,
    jsonb_build_object('team', 'team-' || r %% 8, 'env', 'prod', 'cost-center', 'cc-' || r %% 5,
        'app', 'app-' || r, 'owner', 'owner' || r %% 17)
from generate_series(1, %(rows)s) as n,
    lateral (select n * 7 %% 250 as r, n * 7 %% 250 %% 60 as s,
        ((n * 7919 + %(seed)s) %% 1000003)::numeric / 1000000 as cost) as drawn
"""

_PARTITION = """
insert into raw.partitions (account_id, provider, dataset, usage_date, billing_period, delivery_id,
    digest, rows, sums, state, seen_by, changed_at)
select account_id, 'focus', 'costs', usage_date, billing_period, %(delivery)s, 'generated',
    count(*), jsonb_build_object('USD', jsonb_build_object('billed_cost', sum(billed_cost)::text,
    'effective_cost', sum(effective_cost)::text, 'list_cost', sum(list_cost)::text,
    'contracted_cost', sum(contracted_cost)::text)), 'loaded', %(delivery)s, now()
from raw.focus_costs where delivery_id = %(delivery)s group by 1, 2, 3, 4, 5
"""


def fill(place: Scratch, last: date, rows: int, rows_per_day: int = ROWS_PER_DAY) -> DayRange:
    """Fill raw.focus_costs backwards from `last` with about `rows` rows; return the days filled.

    Every month of an account is one delivery; an account has `rows_per_day` charges a day.
    """
    days = max(1, round(rows / ACCOUNTS / rows_per_day))
    filled = DayRange(date.fromordinal(last.toordinal() - days + 1), last)
    with place.database.connect("loader", autocommit=True) as conn:
        for month in filled.months():
            whole = DayRange.of_month(month)
            inside = DayRange(max(filled.first, month), min(filled.last, whole.last))
            with conn.transaction():
                ddl.ensure_months(conn, FOCUS_COSTS, [month])
                for number in range(ACCOUNTS):
                    _fill_month(conn, number, month, inside, rows_per_day)
    place.admin.execute("vacuum analyze")
    place.settle()
    return filled


def _fill_month(
    conn: psycopg.Connection, account: int, month: date, days: DayRange, rows_per_day: int
) -> None:
    account_id = f"bench-{account:02d}"
    row = conn.execute(
        "insert into raw.deliveries (account_id, provider, dataset, first_day, last_day,"
        " billing_period, source, source_name, fetched_at, state, payload_sha256)"
        " values (%s, 'focus', 'costs', %s, %s, %s, 'file', 'benchmark', now(), 'loaded',"
        " 'generated') returning id",
        [account_id, days.first, days.last, month],
    ).fetchone()
    assert row is not None
    with conn.cursor() as cursor:
        cursor.executemany(
            _CHARGES,
            [
                {
                    "account": account_id,
                    "delivery": row[0],
                    "day": day,
                    "month": month,
                    "rows": rows_per_day,
                    "regions": REGIONS,
                    "seed": account * 1000 + day.toordinal(),
                }
                for day in days
            ],
        )
    conn.execute(_PARTITION, {"delivery": row[0]})

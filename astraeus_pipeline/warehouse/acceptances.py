"""Days that a person lets in although something speaks against them, and how long that holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import psycopg

from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.warehouse.survey import Slice


@dataclass(frozen=True)
class Acceptance:
    """Who lets days of the delivery `refused` in, and why; its other days stay as they are."""

    by: str
    reason: str
    refused: int
    days: frozenset[date]


def note(
    conn: psycopg.Connection,
    fetched: Fetched,
    delivery_id: int,
    acceptance: Acceptance,
    slices: Mapping[Slice, tuple[str, str | None]],
) -> None:
    """Write down which rows (by digest) were accepted, and what spoke against them if anything.

    `delivery_id` is the delivery as which they stand now; what it replaced is in raw.superseded.
    """
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into raw.acceptances (account_id, dataset, usage_date, billing_period, digest,"
            " objection, refused_delivery_id, delivery_id, replaced_rows, accepted_by, reason)"
            " values (%(account)s, %(dataset)s, %(day)s, %(period)s, %(digest)s, %(objection)s,"
            " %(refused)s, %(delivery)s, coalesce((select sum(rows) from raw.superseded"
            "  where account_id = %(account)s and usage_date = %(day)s"
            "  and billing_period = %(period)s and superseded_by = %(delivery)s), 0),"
            " %(by)s, %(reason)s)",
            [
                {
                    "account": fetched.account_id,
                    "dataset": fetched.dataset,
                    "day": each.usage_date,
                    "period": each.billing_period,
                    "digest": digest,
                    "objection": objection,
                    "refused": acceptance.refused,
                    "delivery": delivery_id,
                    "by": acceptance.by,
                    "reason": acceptance.reason,
                }
                for each, (digest, objection) in slices.items()
            ],
        )


def accept_standing(
    conn: psycopg.Connection, account_id: str, acceptance: Acceptance, *, dataset: str = "costs"
) -> list[Slice]:
    """Accept the rows of the days as they stand, where only later layers differ from them.

    Returns the slices that were accepted: those that the delivery `acceptance.refused` brought.
    """
    rows = conn.execute(
        "insert into raw.acceptances (account_id, dataset, usage_date, billing_period, digest,"
        " refused_delivery_id, delivery_id, replaced_rows, accepted_by, reason)"
        " select account_id, dataset, usage_date, billing_period, digest, delivery_id, delivery_id,"
        " rows, %(by)s, %(reason)s from raw.partitions where account_id = %(account)s"
        " and dataset = %(dataset)s and delivery_id = %(delivery)s and usage_date = any(%(days)s)"
        " returning usage_date, billing_period",
        {
            "account": account_id,
            "dataset": dataset,
            "delivery": acceptance.refused,
            "days": sorted(acceptance.days),
            "by": acceptance.by,
            "reason": acceptance.reason,
        },
    )
    return [Slice(*row) for row in rows]


def standing(conn: psycopg.Connection, fetched: Fetched) -> set[tuple[Slice, str, str]]:
    """Return (slice, digest, objection) that persons have accepted within the delivery's days."""
    rows = conn.execute(
        "select usage_date, billing_period, digest, objection from raw.acceptances"
        " where account_id = %s and dataset = %s and objection is not null"
        " and (usage_date between %s and %s or billing_period = %s)",
        [
            fetched.account_id,
            fetched.dataset,
            fetched.days.first,
            fetched.days.last,
            fetched.billing_period,
        ],
    )
    return {(Slice(row[0], row[1]), row[2], row[3]) for row in rows}

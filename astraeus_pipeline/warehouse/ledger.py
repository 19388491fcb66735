"""The ledger in schema raw: deliveries, how their days ended, what stands, what is held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.contracts import money, texts
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.delivery import Fetched, Reject
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.survey import Slice, Sums, Survey
from astraeus_pipeline.warehouse.tie_out import Control
from astraeus_pipeline.warehouse.verdicts import Standing, Verdict

State = Literal["loaded", "unchanged", "refused", "quarantined", "failed"]


@dataclass(frozen=True)
class Conclusion:
    """How a delivery ended."""

    state: State
    reason: str | None
    verdicts: Mapping[Slice, Verdict]
    controls: Sequence[Control] = ()

    def count(self, *outcomes: str) -> int:
        """Count the slices that ended in one of the outcomes."""
        return sum(verdict.outcome in outcomes for verdict in self.verdicts.values())


def lock_account(conn: psycopg.Connection, account_id: str, dataset: str) -> None:
    """Wait until no other load of this account and dataset is under way (to the end of the txn)."""
    conn.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"load:{account_id}:{dataset}"]
    )


def open_delivery(
    conn: psycopg.Connection,
    table: RawTable,
    fetched: Fetched,
    payload: StoredPayload,
    fetched_at: datetime,
    run_id: str | None,
) -> int:
    """Write the ledger row at the start of its transaction and return its id."""
    return _insert_delivery(
        conn,
        {
            **_scope(table.provider, fetched),
            "raw_table": table.name,
            "fetched_at": fetched_at,
            "payload_uri": payload.uri,
            "payload_sha256": payload.sha256,
            "payload_bytes": payload.bytes,
            "state": "failed",  # seen by nobody: `conclude` follows in the same transaction
            "dagster_run_id": run_id,
            "requests": fetched.requests,
            "request_cost_usd": fetched.request_cost_usd,
        },
    )


def conclude(
    conn: psycopg.Connection, delivery_id: int, survey: Survey, conclusion: Conclusion
) -> None:
    """Complete the ledger row with what came of the delivery."""
    conn.execute(
        "update raw.deliveries set finished_at = clock_timestamp(), rows = %(rows)s,"
        " quarantined_rows = %(rejected)s, days_replaced = %(replaced)s,"
        " days_unchanged = %(unchanged)s, days_blocked = %(blocked)s,"
        " days_refused = %(refused)s, sums = %(sums)s, controls = %(controls)s,"
        " state = %(state)s, reason = %(reason)s where id = %(id)s",
        {
            "id": delivery_id,
            "rows": survey.rows,
            "rejected": survey.rejected_rows,
            "replaced": conclusion.count("replaced", "emptied"),
            "unchanged": conclusion.count("unchanged"),
            "blocked": conclusion.count("blocked"),
            "refused": conclusion.count("refused"),
            "sums": Jsonb(sums_as_json(survey.sums())),
            "controls": Jsonb([control.as_json() for control in conclusion.controls]),
            "state": conclusion.state,
            "reason": conclusion.reason,
        },
    )


def note_acceptance(conn: psycopg.Connection, delivery_id: int, by: str, reason: str) -> None:
    """Write down who let a refused payload in, and why."""
    conn.execute(
        "update raw.deliveries set accepted_by = %s, accepted_reason = %s where id = %s",
        [by, reason, delivery_id],
    )


def record_failure(
    conn: psycopg.Connection,
    provider: str,
    fetched: Fetched,
    error: str,
    *,
    run_id: str | None,
    payload: StoredPayload | None = None,
) -> int:
    """Write down that a fetch or load failed; `error` holds no secret. Returns the ledger id."""
    with conn.transaction():
        return _insert_delivery(
            conn,
            {
                **_scope(provider, fetched),
                "fetched_at": datetime.now(UTC),
                "payload_uri": payload.uri if payload else None,
                "payload_sha256": payload.sha256 if payload else None,
                "payload_bytes": payload.bytes if payload else None,
                "state": "failed",
                "reason": _told(error),
                "dagster_run_id": run_id,
                "requests": fetched.requests,
                "request_cost_usd": fetched.request_cost_usd,
            },
        )


def is_current(conn: psycopg.Connection, fetched: Fetched, sha256: str) -> bool:
    """Whether the latest delivery over any of these days is this very payload, and stands."""
    row = conn.execute(
        "select payload_sha256, state from raw.deliveries"
        " where account_id = %(account_id)s and dataset = %(dataset)s and state <> 'failed'"
        " and first_day <= %(last)s and last_day >= %(first)s"
        " and billing_period is not distinct from %(period)s"
        " order by id desc limit 1",
        {
            "account_id": fetched.account_id,
            "dataset": fetched.dataset,
            "first": fetched.days.first,
            "last": fetched.days.last,
            "period": fetched.billing_period,
        },
    ).fetchone()
    return row is not None and row[0] == sha256 and row[1] in ("loaded", "unchanged")


def standing(conn: psycopg.Connection, fetched: Fetched) -> dict[Slice, Standing]:
    """Return what stands of the slices that the delivery replaces."""
    scope = (
        "partitions.usage_date between %(first)s and %(last)s"
        if fetched.billing_period is None
        else "partitions.billing_period = %(period)s"
    )
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        # The scope is one of the two literals above.
        "select partitions.usage_date, partitions.billing_period, partitions.delivery_id,"  # noqa: S608 - literals
        " partitions.digest, partitions.rows, partitions.sums, partitions.raw_table,"
        " refused.digest as refused_digest"
        " from raw.partitions left join raw.delivery_days as refused"
        " on refused.delivery_id = partitions.blocked_by and partitions.state = 'refused'"
        " and refused.outcome = 'refused' and refused.usage_date = partitions.usage_date"
        " and refused.billing_period = partitions.billing_period"
        " where partitions.account_id = %(account)s and partitions.dataset = %(dataset)s"
        f" and {scope}",
        {
            "account": fetched.account_id,
            "dataset": fetched.dataset,
            "first": fetched.days.first,
            "last": fetched.days.last,
            "period": fetched.billing_period,
        },
    )
    return {
        Slice(row["usage_date"], row["billing_period"]): Standing(
            row["delivery_id"],
            row["digest"] or "",
            row["rows"],
            sums_from_json(row["sums"]),
            row["refused_digest"],
            row["raw_table"],
        )
        for row in cursor
    }


def record_days(
    conn: psycopg.Connection, delivery_id: int, verdicts: Mapping[Slice, Verdict]
) -> None:
    """Write down how each slice ended, unless it was merely seen again."""
    rows = [
        (
            delivery_id,
            *each,
            verdict.outcome,
            verdict.facts.rows,
            verdict.facts.digest,
            verdict.reason,
        )
        for each, verdict in verdicts.items()
        if verdict.outcome != "unchanged"
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into raw.delivery_days (delivery_id, usage_date, billing_period, outcome,"
            " rows, digest, reason) values (%s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


def update_partitions(
    conn: psycopg.Connection,
    table: RawTable,
    fetched: Fetched,
    delivery_id: int,
    verdicts: Mapping[Slice, Verdict],
) -> None:
    """Bring raw.partitions to what stands after this delivery."""
    with conn.cursor() as cursor:
        for statement, chosen in (
            (_STAND, [each for each in verdicts.items() if each[1].is_written]),
            (_SEE, [each for each in verdicts.items() if each[1].outcome == "unchanged"]),
            (_HOLD, [each for each in verdicts.items() if each[1].outcome in _HELD]),
        ):
            cursor.executemany(
                statement,
                [
                    {
                        "account_id": fetched.account_id,
                        "provider": table.provider,
                        "raw_table": table.name,
                        "dataset": fetched.dataset,
                        "usage_date": each.usage_date,
                        "billing_period": each.billing_period,
                        "delivery_id": delivery_id,
                        "digest": verdict.facts.digest,
                        "rows": verdict.facts.rows,
                        "sums": Jsonb(sums_as_json(verdict.facts.sums)),
                        "state": _HELD.get(verdict.outcome),
                    }
                    for each, verdict in chosen
                ],
            )


def see_again(conn: psycopg.Connection, fetched: Fetched, delivery_id: int) -> None:
    """Note that a whole delivery came again unchanged."""
    conn.execute(
        "update raw.partitions set seen_by = %(id)s, seen_at = clock_timestamp()"
        " where account_id = %(account_id)s and dataset = %(dataset)s"
        " and case when %(period)s::date is null then usage_date between %(first)s and %(last)s"
        " else billing_period = %(period)s end",
        {
            "id": delivery_id,
            "account_id": fetched.account_id,
            "dataset": fetched.dataset,
            "period": fetched.billing_period,
            "first": fetched.days.first,
            "last": fetched.days.last,
        },
    )


def quarantine(
    conn: psycopg.Connection, fetched: Fetched, delivery_id: int, rejects: Sequence[Reject]
) -> None:
    """Keep the rows that could not be typed, with the reason."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into raw.quarantine (delivery_id, account_id, dataset, usage_date, row_number,"
            " raw_text, reason) values (%s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    delivery_id,
                    fetched.account_id,
                    fetched.dataset,
                    reject.usage_date,
                    reject.row_number,
                    _told(reject.raw_text),
                    _told(reject.reason),
                )
                for reject in rejects
            ],
        )


def _told(text: str) -> str:
    """Return a text as PostgreSQL stores it, with a sign where a NUL was."""
    return texts.storable(text.replace("\x00", "\N{SYMBOL FOR NULL}"))


def sums_as_json(sums: Sums) -> dict[str, dict[str, str]]:
    """Return {currency: {cost type: exact amount as text}}."""
    result: dict[str, dict[str, str]] = {}
    for (currency, cost_type), amount in sorted(sums.items()):
        result.setdefault(currency, {})[cost_type] = money.plain(amount)
    return result


def sums_from_json(content: dict[str, dict[str, str]]) -> Sums:
    """Read back what `sums_as_json` wrote."""
    return {
        (currency, cost_type): Decimal(amount)
        for currency, amounts in content.items()
        for cost_type, amount in amounts.items()
    }


_HELD = {"blocked": "blocked", "refused": "refused"}

_KEY = "(account_id, dataset, usage_date, billing_period)"
_STAND = f"""
insert into raw.partitions (account_id, provider, dataset, usage_date, billing_period, delivery_id,
    digest, rows, sums, raw_table, state, seen_by, changed_at)
values (%(account_id)s, %(provider)s, %(dataset)s, %(usage_date)s, %(billing_period)s,
    %(delivery_id)s, %(digest)s, %(rows)s, %(sums)s, %(raw_table)s, 'loaded', %(delivery_id)s,
    clock_timestamp())
on conflict {_KEY} do update set delivery_id = excluded.delivery_id, digest = excluded.digest,
    rows = excluded.rows, sums = excluded.sums, raw_table = excluded.raw_table, state = 'loaded',
    blocked_by = null,
    seen_by = excluded.seen_by, seen_at = clock_timestamp(), changed_at = clock_timestamp()
"""  # noqa: S608 - the key is the literal above
_SEE = """
update raw.partitions set state = 'loaded', blocked_by = null, seen_by = %(delivery_id)s,
    seen_at = clock_timestamp()
where account_id = %(account_id)s and dataset = %(dataset)s and usage_date = %(usage_date)s
    and billing_period = %(billing_period)s
"""
_HOLD = f"""
insert into raw.partitions (account_id, provider, dataset, usage_date, billing_period, state,
    blocked_by, seen_by)
values (%(account_id)s, %(provider)s, %(dataset)s, %(usage_date)s, %(billing_period)s, %(state)s,
    %(delivery_id)s, %(delivery_id)s)
on conflict {_KEY} do update set state = excluded.state, blocked_by = excluded.blocked_by,
    seen_by = excluded.seen_by, seen_at = clock_timestamp()
"""  # noqa: S608 - the key is the literal above


def _scope(provider: str, fetched: Fetched) -> dict[str, Any]:
    return {
        "account_id": fetched.account_id,
        "provider": provider,
        "dataset": fetched.dataset,
        "first_day": fetched.days.first,
        "last_day": fetched.days.last,
        "billing_period": fetched.billing_period,
        "source": fetched.source,
        "source_name": fetched.source_name,
    }


def _insert_delivery(conn: psycopg.Connection, values: Mapping[str, Any]) -> int:
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in values)
    places = sql.SQL(", ").join(sql.Placeholder(name) for name in values)
    row = conn.execute(
        sql.SQL("insert into raw.deliveries ({}) values ({}) returning id").format(columns, places),
        values,
    ).fetchone()
    assert row is not None  # noqa: S101 - `returning` of one inserted row
    return int(row[0])

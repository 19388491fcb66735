"""app.alerts: each breach once, with its messages in the outbox, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from astraeus_pipeline.contracts.alert_kinds import Severity
from astraeus_pipeline.contracts.alerting import Alert, Timing
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

# More alerts of one rule at a time go out as one message per channel.
BUNDLE_ABOVE: Final = 5

Due = Callable[[Timing, Severity, datetime], datetime]
InDigest = Callable[[Timing, Severity], bool]

TIMING_COLUMNS: Final = (
    "r.time_zone, r.quiet_from, r.quiet_until, r.critical_passes, r.digest, r.digest_at"
)
ALERT_COLUMNS: Final = (
    "a.id::text, a.rule_name, a.kind, a.severity, a.scope, a.period_start, a.period_end,"
    " a.usage_date, a.observed_value, a.threshold_value, a.expected_value, a.unit,"
    " a.billing_currency, a.cost_type, a.data_state, a.evidence, a.raised_at"
)

# An incident that a restatement moves by some days, or a run of late days that gets shorter at its
# beginning, is the one that was told of.
_RAISE: Final = """
insert into app.alerts (
    rule_id, scope_key, period_key, breach_id, rule_name, kind, severity, scope, period_start,
    period_end, usage_date, observed_value, threshold_value, expected_value, unit, billing_currency,
    cost_type, data_state, evidence
)
select
    b.rule_id, b.scope_key, b.period_key, b.breach_id, b.rule_name, b.kind, b.severity, b.scope,
    b.period_start, b.period_end, b.usage_date, b.observed_value, b.threshold_value,
    b.expected_value, b.unit, b.billing_currency, b.cost_type, b.data_state, b.evidence
from marts.fct_threshold_breaches b
join app.alert_rules r on r.id = b.rule_id
where b.period_end >= r.starts_on
    and not (
        b.kind in ('anomaly', 'stale_feed')
        and exists (
            select 1 from app.alerts told
            where told.rule_id = b.rule_id and told.scope_key = b.scope_key
                and told.period_start between b.period_start - 7 and b.period_end
        )
    )
order by b.breach_id
on conflict (rule_id, scope_key, period_key) do nothing
returning id::text, rule_id::text, severity, usage_date
"""


@dataclass(frozen=True)
class Raised:
    """What one look at the breaches came to."""

    alerts: int = 0
    messages: int = 0


@dataclass(frozen=True)
class AlertRow:
    """An alert, what people said of it, and how its messages fare ("sent mail, failed chat")."""

    alert: Alert
    state: str
    state_note: str | None
    state_by: str | None
    deliveries: str | None


def is_built(conn: psycopg.Connection) -> bool:
    """Whether a build of the marts has come to its end yet."""
    row = conn.execute(
        "select to_regclass('marts.fct_threshold_breaches') is not null"
        " and to_regclass('marts.data_version') is not null"
    ).fetchone()
    return row is not None and bool(row[0])


def version(conn: psycopg.Connection) -> str:
    """Return what changes with builds, rules and what people say of anomalies.

    Not with scores and forecasts, which follow a build without a mark of their own.
    """
    row = conn.execute(
        "select concat_ws(' ', (select max(invocation_id) from marts.data_version),"
        " (select max(updated_at) from app.alert_rules),"
        " (select max(id) from app.anomaly_feedback))"
    ).fetchone()
    return str(row[0]) if row else ""


def raise_alerts(
    conn: psycopg.Connection, due: Due, is_in_digest: InDigest, now: datetime
) -> Raised:
    """Turn new breaches into alerts and messages; all of it or nothing. Connect as app.

    `due` and `is_in_digest` tell when a rule's message leaves. Killed anywhere, the next call does
    what is missing; called twice at a time, one waits for the other.
    """
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(hashtextextended('app.alerts', 0))")
        found = conn.execute(_RAISE).fetchall()
        by_rule: dict[str, list[tuple[str, Severity]]] = {}
        for alert_id, rule_id, severity, _ in sorted(found, key=lambda row: row[3]):
            by_rule.setdefault(rule_id, []).append((alert_id, severity))
        messages = sum(
            _enqueue(conn, rule_id, alerts, due, is_in_digest, now)
            for rule_id, alerts in by_rule.items()
        )
    return Raised(len(found), messages)


def _enqueue(
    conn: psycopg.Connection,
    rule_id: str,
    alerts: list[tuple[str, Severity]],
    due: Due,
    is_in_digest: InDigest,
    now: datetime,
) -> int:
    """Put a rule's new alerts into the outbox; return the messages that were begun."""
    timing = rule_timing(conn, rule_id)
    channels = conn.execute(
        "select c.id::text from app.alert_rule_channels l join app.alert_channels c"
        " on c.id = l.channel_id where l.rule_id = %s and c.removed_at is null and c.is_active",
        [rule_id],
    ).fetchall()
    begun = 0
    for (channel_id,) in channels:
        for kind, at, ids in _messages(alerts, timing, due, is_in_digest, now):
            if kind == "digest":
                delivery, is_new = _digest(conn, rule_id, channel_id, timing, due, now)
            else:
                delivery, is_new = _message(conn, rule_id, channel_id, kind, at), True
            begun += is_new
            _put(conn, delivery, channel_id, ids)
    return begun


def _messages(
    alerts: list[tuple[str, Severity]],
    timing: Timing,
    due: Due,
    is_in_digest: InDigest,
    now: datetime,
) -> list[tuple[str, datetime, list[str]]]:
    """Return (kind, when, alerts) of the messages that the alerts of one rule make."""
    groups: dict[tuple[bool, datetime], list[str]] = {}
    for alert_id, severity in alerts:
        key = (is_in_digest(timing, severity), due(timing, severity, now))
        groups.setdefault(key, []).append(alert_id)
    made: list[tuple[str, datetime, list[str]]] = []
    for (in_digest, at), ids in groups.items():
        if in_digest or len(ids) > BUNDLE_ABOVE:
            made.append(("digest" if in_digest else "bundle", at, ids))
        else:
            made += [("alert", at, [each]) for each in ids]
    return made


def _message(
    conn: psycopg.Connection, rule_id: str, channel_id: str, kind: str, at: datetime
) -> str:
    delivery = str(uuid.uuid4())
    conn.execute(
        "insert into app.alert_deliveries"
        " (id, rule_id, channel_id, kind, due_at, next_attempt_at, message_id)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        [delivery, rule_id, channel_id, kind, at, at, _key()],
    )
    return delivery


def _digest(
    conn: psycopg.Connection,
    rule_id: str,
    channel_id: str,
    timing: Timing,
    due: Due,
    now: datetime,
) -> tuple[str, bool]:
    """Return the next digest that nobody has begun to send, and whether it was made for this."""
    at = now
    for _ in range(3):
        at = due(timing, "info", at)
        # The update locks the row: whoever wants to send it waits, and then finds it whole.
        row = conn.execute(
            "insert into app.alert_deliveries as d"
            " (rule_id, channel_id, kind, due_at, next_attempt_at, message_id)"
            " values (%(rule)s, %(channel)s, 'digest', %(at)s, %(at)s, %(key)s)"
            " on conflict (rule_id, channel_id, due_at) where kind = 'digest'"
            " do update set due_at = excluded.due_at where d.state = 'pending'"
            " returning id::text, xmax = 0",
            {"rule": rule_id, "channel": channel_id, "at": at, "key": _key()},
        ).fetchone()
        if row is not None:
            return str(row[0]), bool(row[1])
    raise AssertionError("three digests to come are all under way")


def _put(conn: psycopg.Connection, delivery: str, channel_id: str, ids: Sequence[str]) -> None:
    conn.cursor().executemany(
        "insert into app.alert_delivery_items (alert_id, channel_id, delivery_id)"
        " values (%s, %s, %s)",
        [(alert_id, channel_id, delivery) for alert_id in ids],
    )


def _key() -> str:
    return f"astraeus-{uuid.uuid4()}"


def rule_timing(conn: psycopg.Connection, rule_id: str | None) -> Timing:
    """Return when a rule's messages may leave; at any time if there is no rule."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        f"select {TIMING_COLUMNS} from app.alert_rules r where r.id = %s",  # noqa: S608 - ours
        [rule_id],
    )
    row = cursor.fetchone()
    return Timing(**row) if row else Timing()


def list_alerts(
    conn: psycopg.Connection, *, state: str | None = None, limit: int = 50
) -> list[AlertRow]:
    """Return alerts, newest first."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        f"select {ALERT_COLUMNS}, a.state, a.state_note, a.state_by,"  # noqa: S608 - ours
        " (select string_agg(d.state || ' ' || c.name, ', ' order by c.name)"
        "  from app.alert_delivery_items i join app.alert_deliveries d on d.id = i.delivery_id"
        "  join app.alert_channels c on c.id = d.channel_id where i.alert_id = a.id) as deliveries"
        " from app.alerts a where %(state)s::text is null or a.state = %(state)s"
        " order by a.raised_at desc, a.usage_date desc, a.id limit %(limit)s",
        {"state": state, "limit": limit},
    )
    return [_row(row) for row in cursor]


def _row(row: dict[str, Any]) -> AlertRow:
    said = {name: row.pop(name) for name in ("state", "state_note", "state_by", "deliveries")}
    return AlertRow(Alert(**row), **said)


def of_breach(conn: psycopg.Connection, breach_id: str) -> str:
    """Return the id of the alert of a breach. Raises: ConfigError where none was raised."""
    row = conn.execute(
        "select id::text from app.alerts where breach_id = %s", [breach_id]
    ).fetchone()
    if row is None:
        raise ConfigError(
            f"No alert was raised for the breach {breach_id!r}.",
            hint="Rules tell of days from their start on, and of an incident once.",
        )
    return str(row[0])


def set_state(
    conn: psycopg.Connection, alert_id: str, state: str, note: str | None, actor: str
) -> None:
    """Acknowledge or resolve an alert, or open it again, by the beginning of its id. As app.

    Raises: ConfigError if none or several begin like that.
    """
    with conn.transaction():
        rows = conn.execute(
            "select id::text from app.alerts where starts_with(id::text, %s) limit 2", [alert_id]
        ).fetchall()
        if len(rows) != 1:
            raise ConfigError(
                f"{'No alert' if not rows else 'More than one alert'} has an id that begins"
                f" with {alert_id!r}.",
                hint="`astraeus alert list` shows them.",
            )
        conn.execute(
            "update app.alerts set state = %s, state_note = %s, state_by = %s,"
            " state_at = clock_timestamp() where id = %s",
            [state, note, actor, rows[0][0]],
        )
        audit.note(conn, actor, f"alert.{state}", rows[0][0], note=note)

"""app.alert_rules: added, listed, paused and removed; every change is audited."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.alert_kinds import KINDS, Grain, RuleKind, Severity
from astraeus_pipeline.contracts.alerting import Timing
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit
from astraeus_pipeline.warehouse.channel_users import ChannelUser, check_cost_type

_RULES: Final = ChannelUser(
    table="alert_rules",
    links="alert_rule_channels",
    key="rule_id",
    noun="rule",
    listing="astraeus alert rule list",
    action="alert_rule",
)


@dataclass(frozen=True)
class NewRule:
    """What a rule is made of; which parameters it needs says its kind in `contracts.alert_kinds`.

    `filters` and `split_by` in dimensions of the Costs page; amount in billing_currency, percent
    as 20 for a fifth. `starts_on`: first UTC day that may raise alerts; today if left out.
    """

    name: str
    kind: str
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    split_by: str | None = None
    grain: Grain = "day"
    cost_type: str = "effective"
    billing_currency: str | None = None
    amount: Decimal | None = None
    percent: Decimal | None = None
    days: int | None = None
    budget_id: int | None = None
    severity: Severity = "warning"
    timing: Timing = field(default_factory=Timing)
    channels: Sequence[str] = ()
    owner: str = ""
    starts_on: date | None = None


@dataclass(frozen=True)
class Rule:
    """A rule that stands, with the names of its channels and how many alerts it has raised."""

    id: str
    name: str
    kind: str
    filters: Mapping[str, Sequence[str]]
    split_by: str | None
    grain: str
    cost_type: str
    billing_currency: str | None
    amount: Decimal | None
    percent: Decimal | None
    days: int | None
    severity: str
    digest: str
    is_active: bool
    owner: str
    starts_on: date
    created_at: datetime
    channels: Sequence[str]
    alerts: int


def add_rule(conn: psycopg.Connection, new: NewRule, actor: str) -> str:
    """Add a rule and return its id. It raises alerts of periods that end on `starts_on` or later.

    Connect as app. Raises: ConfigError for parameters that its kind lacks or does not take, a name
    that is taken, a channel that is not there.
    """
    check(new)
    with conn.transaction():
        rule_id = insert(conn, new)
        for name in new.channels:
            _RULES.link(conn, rule_id, name)
        detail = {"kind": new.kind, "amount": str(new.amount), "channels": list(new.channels)}
        audit.note(conn, actor, "alert_rule.add", new.name, **detail)
    return rule_id


def insert(conn: psycopg.Connection, new: NewRule) -> str:
    """Write the row of a checked rule, unaudited; a back-test takes it back."""
    timing, rule_id = new.timing, str(uuid.uuid4())
    try:
        conn.execute(
            "insert into app.alert_rules (id, name, kind, filters, split_by, grain, cost_type,"
            " billing_currency, amount, percent, days, budget_id, severity, quiet_from,"
            " quiet_until, time_zone, critical_passes, digest, digest_at, owner, starts_on)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
            " %s, coalesce(%s, (clock_timestamp() at time zone 'utc')::date))",
            [
                rule_id,
                *(new.name, new.kind, Jsonb({key: [*of] for key, of in new.filters.items()})),
                *(new.split_by, new.grain, new.cost_type, new.billing_currency, new.amount),
                *(new.percent, new.days, new.budget_id, new.severity, timing.quiet_from),
                *(timing.quiet_until, timing.time_zone, timing.critical_passes, timing.digest),
                *(timing.digest_at, new.owner, new.starts_on),
            ],
        )
    except psycopg.errors.UniqueViolation:
        raise _RULES.taken(new.name) from None
    return rule_id


def check(new: NewRule) -> None:
    """Raise ConfigError where a rule does not fit its kind."""
    kind = KINDS.get(new.kind)
    if kind is None:
        raise ConfigError(f"There is no kind {new.kind!r}.", hint=f"Say one of {', '.join(KINDS)}.")
    if not new.name.strip():
        raise ConfigError("The rule has no name.", hint="Give it one; messages carry it.")
    _check_parameters(new, kind)
    for key, values in new.filters.items():
        if key not in kind.filters or not values:
            raise ConfigError(
                f"A rule of kind {kind.key} cannot be narrowed by {key!r}.",
                hint=f"It can be by {', '.join(kind.filters) or 'nothing'}.",
            )
    if new.split_by is not None and new.split_by not in kind.splits:
        raise ConfigError(
            f"A rule of kind {kind.key} cannot be split by {new.split_by!r}.",
            hint=f"It can be by {', '.join(kind.splits)}." if kind.splits else "Leave it out.",
        )
    if new.grain not in kind.grains:
        raise ConfigError(
            f"A rule of kind {kind.key} has no periods of a {new.grain}.",
            hint=f"It has {', '.join(kind.grains)}.",
        )
    check_cost_type(new.cost_type)


def _check_parameters(new: NewRule, kind: RuleKind) -> None:
    given = {
        "amount": new.amount,
        "percent": new.percent,
        "days": new.days,
        "currency": new.billing_currency,
        "budget": new.budget_id,
    }
    for name, value in given.items():
        if name in kind.needs and value is None:
            raise ConfigError(
                f"A rule of kind {kind.key} needs {name}.", hint=f"It is {kind.says}."
            )
        taken = {*kind.needs, *kind.takes}
        if name != "currency" and value is not None and name not in taken:
            raise ConfigError(
                f"A rule of kind {kind.key} takes no {name}.", hint=f"It is {kind.says}."
            )
    if any(value is not None and value < 0 for value in (new.amount, new.percent, new.days)):
        raise ConfigError("A threshold is negative.", hint="Alerts are raised above a threshold.")
    if new.amount is not None and new.billing_currency is None:
        raise ConfigError("The amount has no currency.", hint="Name the one that is billed in.")
    if new.billing_currency:
        money.check_currency(new.billing_currency)


def budget_id(conn: psycopg.Connection, name: str) -> int:
    """Return the id of the active budget of that name. Raises: ConfigError if there is none."""
    row = conn.execute(
        "select id from app.budgets where lower(name) = lower(%s) and is_active", [name]
    ).fetchone()
    if row is None:
        raise ConfigError(
            f"There is no active budget {name!r}.", hint="`astraeus budget list` shows them."
        )
    return int(row[0])


def list_rules(conn: psycopg.Connection) -> list[Rule]:
    """Return the rules that stand, by name."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "select r.id::text, r.name, r.kind, r.filters, r.split_by, r.grain, r.cost_type,"
        " r.billing_currency, r.amount, r.percent, r.days, r.severity, r.digest, r.is_active,"
        " r.owner, r.starts_on, r.created_at,"
        " array(select c.name from app.alert_rule_channels l join app.alert_channels c"
        "  on c.id = l.channel_id where l.rule_id = r.id and c.removed_at is null order by 1)"
        " as channels,"
        " (select count(*) from app.alerts a where a.rule_id = r.id) as alerts"
        " from app.alert_rules r where r.removed_at is null order by r.name"
    )
    return [Rule(**row) for row in cursor]


def standing(conn: psycopg.Connection, name: str) -> NewRule:
    """Return what a rule says, as it could be entered again.

    Raises: ConfigError if there is none.
    """
    cursor = conn.cursor(row_factory=dict_row)
    row = cursor.execute(
        "select r.name, r.kind, r.filters, r.split_by, r.grain, r.cost_type, r.billing_currency,"
        " r.amount, r.percent, r.days, r.budget_id, r.severity, r.quiet_from, r.quiet_until,"
        " r.time_zone, r.critical_passes, r.digest, r.digest_at, r.owner, r.starts_on,"
        " array(select c.name from app.alert_rule_channels l join app.alert_channels c"
        "  on c.id = l.channel_id where l.rule_id = r.id and c.removed_at is null order by 1)"
        " as channels from app.alert_rules r where r.name = %s and r.removed_at is null",
        [name],
    ).fetchone()
    if row is None:
        raise _RULES.unknown(name)
    timing = Timing(**{each.name: row.pop(each.name) for each in fields(Timing)})
    return NewRule(**row, timing=timing)


def change_rule(conn: psycopg.Connection, name: str, new: NewRule, actor: str) -> None:
    """Let a rule say something else from now on; what it has raised stays, and is not raised again.

    Connect as app. Raises: ConfigError as `add_rule` does, or if there is no such rule.
    """
    check(new)
    with conn.transaction():
        before = standing(conn, name)
        timing = new.timing
        try:
            row = conn.execute(
                "update app.alert_rules set name = %s, kind = %s, filters = %s, split_by = %s,"
                " grain = %s, cost_type = %s, billing_currency = %s, amount = %s, percent = %s,"
                " days = %s, budget_id = %s, severity = %s, quiet_from = %s, quiet_until = %s,"
                " time_zone = %s, critical_passes = %s, digest = %s, digest_at = %s,"
                " starts_on = coalesce(%s, starts_on), updated_at = clock_timestamp()"
                " where name = %s and removed_at is null returning id::text",
                [
                    *(new.name, new.kind, Jsonb({key: [*of] for key, of in new.filters.items()})),
                    *(new.split_by, new.grain, new.cost_type, new.billing_currency, new.amount),
                    *(new.percent, new.days, new.budget_id, new.severity, timing.quiet_from),
                    *(timing.quiet_until, timing.time_zone, timing.critical_passes),
                    *(timing.digest, timing.digest_at, new.starts_on, name),
                ],
            ).fetchone()
        except psycopg.errors.UniqueViolation:
            raise _RULES.taken(new.name) from None
        assert row is not None  # noqa: S101 - it stands, as was just read
        conn.execute("delete from app.alert_rule_channels where rule_id = %s", [row[0]])
        for channel in new.channels:
            _RULES.link(conn, row[0], channel)
        said = {"before": _content(before), "after": _content(new)}
        audit.note(conn, actor, "alert_rule.change", new.name, **said)


def _content(rule: NewRule) -> dict[str, Any]:
    """Return what a rule says for the audit log, without what is not said."""
    said = {each.name: getattr(rule, each.name) for each in fields(rule) if each.name != "timing"}
    kept = {name: value for name, value in said.items() if value not in (None, (), [], {}, "")}
    return {
        name: value if isinstance(value, list | dict | int) else str(value)
        for name, value in kept.items()
    }


def set_active(conn: psycopg.Connection, name: str, active: bool, actor: str) -> None:
    """Pause a rule, or let it watch again. Raises: ConfigError if there is none."""
    _RULES.set_active(conn, name, active, actor)


def remove_rule(conn: psycopg.Connection, name: str, actor: str) -> None:
    """Remove a rule; its alerts and what is on its way stay. Raises: ConfigError."""
    _RULES.remove(conn, name, actor)

"""What a rule would have raised: its breaches in past days, without writing anything."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import psycopg
from psycopg.rows import class_row

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import alert_rules
from astraeus_pipeline.warehouse.alert_rules import NewRule


@dataclass(frozen=True)
class Breach:
    """One time that a rule would have alerted; values as in marts.fct_threshold_breaches."""

    usage_date: date
    period_start: date
    period_end: date
    scope_key: str
    observed_value: Decimal | None
    threshold_value: Decimal | None
    unit: str
    billing_currency: str | None
    data_state: str | None


def of_new(conn: psycopg.Connection, new: NewRule, first_day: date) -> list[Breach]:
    """Return what a rule that nobody has added yet would have raised since a day. Connect as app.

    It is written, asked about through the same views as the sensor's, and taken back.
    Raises: ConfigError as `alert_rules.add_rule` does, or while the marts have not been built.
    """
    alert_rules.check(new)
    with _taken_back(conn, first_day):
        trial = replace(new, name=f"back-test {uuid.uuid4()}")
        return _breaches(conn, alert_rules.insert(conn, trial))


def of_rule(conn: psycopg.Connection, name: str, first_day: date) -> list[Breach]:
    """Return what a standing rule would have raised since a day. Connect as app.

    Raises: ConfigError if there is none, or while the marts have not been built.
    """
    with _taken_back(conn, first_day):
        row = conn.execute(
            "update app.alert_rules set is_active = true where name = %s and removed_at is null"
            " returning id::text",
            [name],
        ).fetchone()
        if row is None:
            raise ConfigError(
                f"There is no rule {name!r}.", hint="`astraeus alert rule list` shows them."
            )
        return _breaches(conn, str(row[0]))


@contextmanager
def _taken_back(conn: psycopg.Connection, first_day: date) -> Iterator[None]:
    with conn.transaction(force_rollback=True):
        conn.execute(
            "select set_config('astraeus.breaches_since', %s, true)", [first_day.isoformat()]
        )
        yield


def _breaches(conn: psycopg.Connection, rule_id: str) -> list[Breach]:
    cursor = conn.cursor(row_factory=class_row(Breach))
    try:
        cursor.execute(
            "select usage_date, period_start, period_end, scope_key, observed_value,"
            " threshold_value, unit, billing_currency, data_state"
            " from marts.fct_threshold_breaches where rule_id = %s"
            " order by usage_date, scope_key",
            [rule_id],
        )
    except psycopg.errors.UndefinedTable:
        raise ConfigError(
            "The marts have not been built yet.", hint="Ingest an account, or run `astraeus demo`."
        ) from None
    return cursor.fetchall()

"""Today's inventory: warehouses, databases and pipes, and the organization's accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Part
from astraeus_pipeline.contracts.snowflake import SNOWFLAKE_RESOURCES
from astraeus_pipeline.contracts.typed_rows import exact
from astraeus_pipeline.errors import NotObtainable
from astraeus_pipeline.providers.snowflake.answers import Answers, Asked, first, one_identity
from astraeus_pipeline.providers.snowflake.client import NotVisible, Row, SnowflakeSession
from astraeus_pipeline.providers.snowflake.statements import (
    ACCOUNTS,
    DATABASES,
    IDENTITY,
    PIPES,
    SHOW_WAREHOUSES,
)

WAREHOUSES: Final = "warehouses"
_DAY: Final = "day"
_GIBIBYTE: Final = Decimal(1024**3)


def resource_type(kind: str) -> str:
    """Return the type under which a kind is known."""
    return f"snowflake:{kind}"


def resource_id(locator: str, kind: str, name: str) -> str:
    """Return the id of a resource: Snowflake's own ids are not in what it bills or meters."""
    return f"{locator}/{kind}/{name}"


def fetch_resources(session: SnowflakeSession, days: DayRange, landing: Landing) -> Fetched:
    """Take the inventory of today; the organization's accounts only where they are visible.

    Raises: NotObtainable if the range does not end today: SHOW tells what stands now.
    """
    today = datetime.now(UTC).date()
    if days.last != today:
        raise NotObtainable(
            f"Snowflake account {session.account.slug}: the inventory of {days} cannot be had,"
            " Snowflake only tells what stands now.",
            hint=f"Ask for {today}; the daily schedule takes one each day.",
        )
    asked = Asked(session, DayRange(today, today), landing)
    parts = [
        asked.put(_DAY, [{_DAY: today}]),
        asked.store(IDENTITY),
        asked.put(WAREHOUSES, _warehouses(session)),
        asked.store(DATABASES),
        asked.store(PIPES),
        *_accounts(asked),
    ]
    has_accounts = len(parts) > 5
    return Fetched(
        account_id=session.account.slug,
        dataset="resources",
        days=DayRange(today, today),
        source="api",
        source_name="Snowflake SHOW WAREHOUSES, ACCOUNT_USAGE.DATABASES and PIPES"
        + (f", {ACCOUNTS.view}" if has_accounts else f" ({ACCOUNTS.view} is not visible)"),
        parts=tuple(parts),
        complete_through=today,
        requests=session.statements,
    )


def _warehouses(session: SnowflakeSession) -> list[Row]:
    rows = session.shown("SHOW WAREHOUSES", SHOW_WAREHOUSES)
    return sorted(({k: _plain(v) for k, v in row.items()} for row in rows), key=lambda r: r["name"])


def _plain(value: Any) -> Any:
    """Return what JSON can hold: SHOW answers in whatever type it likes."""
    return value if isinstance(value, str | int | bool | datetime | None) else str(value)


def _accounts(asked: Asked) -> Iterator[Part]:
    try:
        rows = asked.rows(ACCOUNTS)
    except NotVisible:
        return
    yield asked.put(ACCOUNTS.key, rows)


def resource_rows(answers: Answers) -> Iterator[Row]:
    """One row per resource; everything else that Snowflake says of it becomes payload."""
    day: date = first(answers[_DAY])[_DAY]
    identity = one_identity(answers)
    for row in answers[WAREHOUSES]:
        yield _resource(day, identity, "warehouse", row, _warehouse(row))
    for row in answers[DATABASES.key]:
        yield _resource(day, identity, "database", row, _database(row))
    for row in answers[PIPES.key]:
        yield _resource(day, identity, "pipe", row, _pipe(row, identity["account_locator"]))
    for row in answers.get(ACCOUNTS.key, ()):
        yield _resource(day, row, "account", row, _account(row))


def _resource(day: Any, owner: Row, kind: str, row: Row, known: Row) -> Row:
    return {
        **_NOTHING,
        **{name: value for name, value in row.items() if name not in _TAKEN},
        "usage_date": day,
        "resource_id": resource_id(owner["account_locator"], kind, known["resource_name"]),
        "resource_type": resource_type(kind),
        "owner_account_id": owner["account_locator"],
        "region": owner["region"],
        **known,
    }


# What Snowflake has not, or tells of other kinds alone.
_NOTHING: Final[Row] = dict.fromkeys(
    column.name for column in SNOWFLAKE_RESOURCES.vendor_columns if column.nullable
)
_TAKEN: Final = frozenset({"name", "size", "created_on", "created", "account_locator", "edition"})


def _warehouse(row: Row) -> Row:
    return {
        "resource_name": row["name"],
        "state": row.get("state"),
        "created_at": row.get("created_on"),
        "instance_type": row.get("size"),
    }


def _database(row: Row) -> Row:
    stored = row.get("stored_bytes")
    return {
        "resource_name": row["database_name"],
        "created_at": row["created"],
        "size_gb": None if stored is None else f"{exact(stored) / _GIBIBYTE:.6f}",
    }


def _pipe(row: Row, locator: str) -> Row:
    return {
        "resource_name": f"{row['pipe_catalog']}.{row['pipe_schema']}.{row['pipe_name']}",
        "created_at": row["created"],
        "attached_to": resource_id(locator, "database", row["pipe_catalog"]),
    }


def _account(row: Row) -> Row:
    return {
        "resource_name": row["account_name"],
        "state": "LOCKED" if row["is_locked"] else "ACTIVE",
        "created_at": row["created_on"],
        "instance_type": row["edition"],
    }

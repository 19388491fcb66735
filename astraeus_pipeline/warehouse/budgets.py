"""Budgets as people enter and change them: checked, kept with their past, audited.

What a budget covers (filters, currency, cost type, period) never changes, and an amount changes
from a period on that is not over: what was said of a past period stays true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

Period = Literal["month", "quarter", "year"]
CostType = Literal["effective", "billed"]
Basis = Literal["actual", "forecast"]
Filters = Mapping[str, Sequence[str | None]]

PERIODS: Final = get_args(Period)
COST_TYPES: Final = get_args(CostType)
BASES: Final = get_args(Basis)
# Columns of marts.fct_daily_costs, the last three of marts.fct_daily_allocated_costs; as in dbt's
# macro budget_filters.
DIMENSIONS: Final = (
    "provider",
    "account_id",
    "sub_account_id",
    "service_name",
    "service_category",
    "region_id",
    "charge_category",
    "team",
    "cost_center",
    "environment",
)
_MONTHS: Final[Mapping[str, int]] = {"month": 1, "quarter": 3, "year": 12}
_MOST: Final = Decimal(10)


@dataclass(frozen=True)
class Threshold:
    """A share of the amount (1 for all of it) that actual or forecast cost may reach."""

    basis: Basis
    share: Decimal


DEFAULT_THRESHOLDS: Final = (
    Threshold("actual", Decimal("0.8")),
    Threshold("actual", Decimal(1)),
    Threshold("forecast", Decimal(1)),
)


@dataclass(frozen=True)
class NewBudget:
    """A budget to enter; `amount` is per period, in `billing_currency`.

    `filters` are lists of values by dimension (see DIMENSIONS), a None in one for costs that have
    none; a dimension left out takes any. `starts_on` is the first day of a period, `ends_on` the
    last day of one.
    """

    name: str
    period: Period
    amount: Decimal
    billing_currency: str
    starts_on: date
    cost_type: CostType = "effective"
    filters: Filters = field(default_factory=dict)
    fiscal_start_month: int = 1
    ends_on: date | None = None
    thresholds: Sequence[Threshold] = DEFAULT_THRESHOLDS
    owner: str | None = None


@dataclass(frozen=True)
class Change:
    """What to change of a budget; None leaves it as it is.

    `amount` counts from `valid_from` on, the first day of a period that is not over.
    """

    name: str | None = None
    amount: Decimal | None = None
    valid_from: date | None = None
    ends_on: date | None = None
    owner: str | None = None
    thresholds: Sequence[Threshold] | None = None


def period_of(day: date, period: Period, fiscal_start_month: int = 1) -> tuple[date, date]:
    """Return the first and the last day of the period that a day lies in."""
    months = _MONTHS[period]
    count = day.year * 12 + day.month - 1
    first = count - (count - (fiscal_start_month - 1)) % months
    return _month(first), _month(first + months) - timedelta(days=1)


def _month(count: int) -> date:
    return date(count // 12, count % 12 + 1, 1)


def add(conn: psycopg.Connection, new: NewBudget, actor: str) -> int:
    """Enter a budget and return its id. Connect as app.

    Raises: ConfigError for what cannot be a budget, or a name that an active one has.
    """
    check(new)
    with conn.transaction():
        try:
            row = conn.execute(
                "insert into app.budgets (name, period, billing_currency, cost_type, filters,"
                " fiscal_start_month, starts_on, ends_on, owner, created_by)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
                [
                    new.name,
                    new.period,
                    new.billing_currency,
                    new.cost_type,
                    Jsonb({name: list(values) for name, values in new.filters.items()}),
                    new.fiscal_start_month,
                    new.starts_on,
                    new.ends_on,
                    new.owner,
                    actor,
                ],
            ).fetchone()
        except psycopg.errors.UniqueViolation:
            raise _name_taken(new.name) from None
        assert row is not None  # noqa: S101 - returning gives a row
        budget_id: int = row[0]
        _set_amount(conn, budget_id, new.starts_on, new.amount, actor)
        _set_thresholds(conn, budget_id, new.thresholds)
        detail = {
            "name": new.name,
            "amount": str(new.amount),
            "currency": new.billing_currency,
            "period": new.period,
            "filters": {name: list(values) for name, values in new.filters.items()},
        }
        audit.note(conn, actor, "budget.add", str(budget_id), **detail)
    return budget_id


def change(
    conn: psycopg.Connection, budget_id: int, wanted: Change, today: date, actor: str
) -> None:
    """Change a budget; periods that were over before `today` stay as they were. Connect as app.

    Raises: ConfigError for an unknown budget or a change that cannot be.
    """
    with conn.transaction():
        standing = _standing(conn, budget_id)
        detail: dict[str, Any] = {}
        if wanted.amount is not None:
            _check_amount(wanted.amount)
            running = max(
                standing["starts_on"],
                period_of(today, standing["period"], standing["fiscal_start_month"])[0],
            )
            since = wanted.valid_from or running
            _check_start(since, standing["period"], standing["fiscal_start_month"])
            if since < running:
                raise ConfigError(
                    f"The amount of the period from {since} is settled: that period is over.",
                    hint=f"Amounts may change from {running} on.",
                )
            _set_amount(conn, budget_id, since, wanted.amount, actor)
            detail |= {"amount": str(wanted.amount), "valid_from": str(since)}
        elif wanted.valid_from is not None:
            raise ConfigError("There is no amount for that day.", hint="Name the amount, too.")
        if wanted.ends_on is not None:
            _check_end(
                wanted.ends_on,
                standing["starts_on"],
                standing["period"],
                standing["fiscal_start_month"],
            )
            detail["ends_on"] = str(wanted.ends_on)
        if wanted.name is not None:
            _check_name(wanted.name)
            detail["name"] = wanted.name
        if wanted.owner is not None:
            detail["owner"] = wanted.owner
        if wanted.thresholds is not None:
            _check_thresholds(wanted.thresholds)
            _set_thresholds(conn, budget_id, wanted.thresholds)
            detail["thresholds"] = [f"{each.basis} {each.share}" for each in wanted.thresholds]
        if not detail:
            raise ConfigError("There is nothing to change.", hint="Name an amount, or a day.")
        try:
            conn.execute(
                "update app.budgets set name = coalesce(%s, name), owner = coalesce(%s, owner),"
                " ends_on = coalesce(%s, ends_on) where id = %s",
                [wanted.name, wanted.owner, wanted.ends_on, budget_id],
            )
        except psycopg.errors.UniqueViolation:
            raise _name_taken(wanted.name) from None
        audit.note(conn, actor, "budget.change", str(budget_id), **detail)


def remove(conn: psycopg.Connection, budget_id: int, actor: str) -> None:
    """Take a budget out of every mart; what was entered is kept. Connect as app.

    Raises: ConfigError for an unknown budget.
    """
    with conn.transaction():
        name = _standing(conn, budget_id)["name"]
        conn.execute("update app.budgets set is_active = false where id = %s", [budget_id])
        audit.note(conn, actor, "budget.remove", str(budget_id), name=name)


def find(conn: psycopg.Connection, name_or_id: str) -> int:
    """Return the id of an active budget by its name, whatever its case, or by its id.

    Raises: ConfigError if there is none.
    """
    row = conn.execute(
        "select id from app.budgets where is_active"
        " and (lower(name) = lower(%(word)s) or id::text = %(word)s)"
        " order by lower(name) = lower(%(word)s) desc limit 1",
        {"word": name_or_id},
    ).fetchone()
    if row is None:
        raise _unknown(name_or_id)
    budget_id: int = row[0]
    return budget_id


def list_budgets(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """Return the active budgets by name, each with its amounts and thresholds."""
    cursor = conn.cursor(row_factory=dict_row)
    return cursor.execute(
        "select id, name, period, billing_currency, cost_type, filters, fiscal_start_month,"
        " starts_on, ends_on, owner, (select jsonb_object_agg(valid_from, amount::text) from ("
        "  select distinct on (valid_from) valid_from, amount from app.budget_amounts"
        "  where budget_id = budgets.id order by valid_from, id desc"
        " ) as latest) as amounts, array(select basis || ' ' || trim_scale(share)"
        "  from app.budget_thresholds where budget_id = budgets.id order by basis, share"
        " ) as thresholds from app.budgets where is_active order by lower(name)"
    ).fetchall()


def _standing(conn: psycopg.Connection, budget_id: int) -> dict[str, Any]:
    """Return the active budget, locked until the transaction ends."""
    row = (
        conn.cursor(row_factory=dict_row)
        .execute(
            "select name, period, fiscal_start_month, starts_on from app.budgets"
            " where id = %s and is_active for update",
            [budget_id],
        )
        .fetchone()
    )
    if row is None:
        raise _unknown(str(budget_id))
    return row


def _set_amount(
    conn: psycopg.Connection, budget_id: int, valid_from: date, amount: Decimal, actor: str
) -> None:
    conn.execute(
        "insert into app.budget_amounts (budget_id, valid_from, amount, set_by)"
        " values (%s, %s, %s, %s)",
        [budget_id, valid_from, amount, actor],
    )


def _set_thresholds(
    conn: psycopg.Connection, budget_id: int, thresholds: Sequence[Threshold]
) -> None:
    conn.execute("delete from app.budget_thresholds where budget_id = %s", [budget_id])
    for each in thresholds:
        conn.execute(
            "insert into app.budget_thresholds (budget_id, basis, share) values (%s, %s, %s)",
            [budget_id, each.basis, each.share],
        )


def check(new: NewBudget) -> None:
    """Raise ConfigError for what cannot be a budget."""
    _check_name(new.name)
    _check_one_of(new.period, PERIODS, "A period")
    _check_one_of(new.cost_type, COST_TYPES, "A cost type")
    _check_amount(new.amount)
    money.check_currency(new.billing_currency)
    if not 1 <= new.fiscal_start_month <= _MONTHS["year"]:
        raise ConfigError(
            f"There is no month {new.fiscal_start_month}.", hint="Name one from 1 to 12."
        )
    _check_start(new.starts_on, new.period, new.fiscal_start_month)
    if new.ends_on is not None:
        _check_end(new.ends_on, new.starts_on, new.period, new.fiscal_start_month)
    _check_filters(new.filters)
    _check_thresholds(new.thresholds)


def _check_name(name: str) -> None:
    if not name.strip():
        raise ConfigError("The budget has no name.", hint="Name it after what it covers.")


def _check_one_of(value: str, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise ConfigError(f"{what} cannot be {value!r}.", hint=f"Say one of {', '.join(known)}.")


def _check_amount(amount: Decimal) -> None:
    if not amount.is_finite() or amount <= 0:
        raise ConfigError(f"{amount} is no amount to spend.", hint="Name one above 0.")


def _check_start(day: date, period: Period, fiscal_start_month: int) -> None:
    first, last = period_of(day, period, fiscal_start_month)
    if day != first:
        raise ConfigError(
            f"{day} is not the first day of a {period}.",
            hint=f"{first} and {last + timedelta(days=1)} are.",
        )


def _check_end(day: date, starts_on: date, period: Period, fiscal_start_month: int) -> None:
    _, last = period_of(day, period, fiscal_start_month)
    if day != last:
        raise ConfigError(
            f"{day} is not the last day of a {period}.", hint=f"The one that it lies in: {last}."
        )
    if day < starts_on:
        raise ConfigError(f"{day} is before the budget begins.", hint=f"It begins {starts_on}.")


def _check_filters(filters: Filters) -> None:
    for name, values in filters.items():
        _check_one_of(name, DIMENSIONS, "A filter")
        if not values:
            raise ConfigError(
                f"The filter on {name} takes nothing.", hint="Leave it out to take any."
            )


def _check_thresholds(thresholds: Sequence[Threshold]) -> None:
    for each in thresholds:
        _check_one_of(each.basis, BASES, "A threshold's basis")
        if not 0 < each.share <= _MOST:
            raise ConfigError(
                f"A threshold cannot be {each.share}.",
                hint=f"Name a share above 0 and up to {_MOST}: 0.8 is 80 %.",
            )
    if len(set(thresholds)) < len(thresholds):
        raise ConfigError("A threshold is named twice.", hint="Name each once.")


def _name_taken(name: str | None) -> ConfigError:
    return ConfigError(
        f"There is a budget {name!r} already.", hint="Choose another name, or change that one."
    )


def _unknown(name_or_id: str) -> ConfigError:
    return ConfigError(
        f"There is no active budget {name_or_id!r}.", hint="`astraeus budget list` names them."
    )

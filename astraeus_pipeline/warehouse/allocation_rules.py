"""Rules that give costs to teams, cost centres and environments: checked, ordered, audited.

Per dimension the first active rule that matches a charge wins. Conditions are patterns (`*` for
anything, `?` for one character, whatever the case); keys of tags match whatever their case,
separators and prefix. The marts apply the rules to the whole history at the next build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, get_args

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

Dimension = Literal["team", "cost_center", "environment"]
DIMENSIONS: Final = get_args(Dimension)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _normalised(value: str) -> str:
    """Values are told apart by their letters, not by their case: tags write them as they like."""
    value = value.strip().lower()
    if not value:
        raise ValueError("is empty")
    return value


_Value = Annotated[str, AfterValidator(_normalised)]
_Patterns = Annotated[list[_Value], BeforeValidator(_listed), Field(min_length=1)]
_STRICT: Final = ConfigDict(extra="forbid", frozen=True)


class Conditions(BaseModel):
    """What a charge must be like: every attribute named must match one of its patterns.

    A charge without the attribute does not match, not even `*`. None at all match every charge.
    """

    model_config = _STRICT

    provider: _Patterns | None = None
    account_id: _Patterns | None = None
    sub_account_id: _Patterns | None = None
    sub_account_name: _Patterns | None = None
    service_name: _Patterns | None = None
    service_category: _Patterns | None = None
    region_id: _Patterns | None = None
    charge_category: _Patterns | None = None
    resource_id: _Patterns | None = None
    resource_name: _Patterns | None = None
    tags: dict[_Value, _Patterns] | None = None


class Effect(BaseModel):
    """What happens to the cost: one of the four.

    `value` gives it to that one, `tag` to the one that the tag of the charge names (a charge
    without it goes on to the next rule). `shares` splits it by fixed parts that sum to 1,
    `proportional_to` by what is allocated directly to these values (or to "all") on the same day
    in the same currency.
    """

    model_config = _STRICT

    value: _Value | None = None
    tag: _Value | None = None
    shares: dict[_Value, Annotated[Decimal, Field(gt=0, le=1)]] | None = None
    proportional_to: Literal["all"] | Annotated[list[_Value], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Effect:
        if len(self.model_fields_set) != 1 or not any(
            getattr(self, name) is not None for name in self.model_fields_set
        ):
            raise ValueError("say exactly one of value, tag, shares, proportional_to")
        if self.shares is not None:
            total = sum(self.shares.values(), Decimal(0))
            if total != 1:
                raise ValueError(f"shares must sum to exactly 1, not {total}")
        if isinstance(self.proportional_to, list) and len(set(self.proportional_to)) != len(
            self.proportional_to
        ):
            raise ValueError("proportional_to names a value twice")
        return self


class Rule(BaseModel):
    """One rule, as a person writes it; days are UTC and inclusive."""

    model_config = _STRICT

    dimension: Dimension
    name: Annotated[str, Field(min_length=1)]
    conditions: Conditions = Conditions()
    effect: Effect
    valid_from: date | None = None
    valid_to: date | None = None
    is_active: bool = True

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Rule:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self


class StandingRule(Rule):
    """A rule as it stands in app.allocation_rules."""

    id: int
    position: int
    created_by: str
    updated_by: str


def parse(content: Mapping[str, Any]) -> Rule:
    """Check what a person wrote.

    Raises: ConfigError for unknown keys, shares that do not sum to 1, a split without targets.
    """
    try:
        return Rule.model_validate(content)
    except ValidationError as error:
        name = content.get("name", "without a name")
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"]) or "it"
        raise ConfigError(
            f"The allocation rule {name!r} cannot be used: {where}: {first['msg']}.",
            hint='Write conditions such as {"tags": {"team": "*"}}, and as effect one of'
            ' {"value": "shop"}, {"tag": "team"}, {"shares": {"shop": "0.6", "data": "0.4"}},'
            ' {"proportional_to": "all"}.',
        ) from None


def list_rules(conn: psycopg.Connection, dimension: Dimension | None = None) -> list[StandingRule]:
    """Return the rules in their order."""
    cursor = conn.cursor(row_factory=dict_row)
    rows = cursor.execute(
        "select id, dimension, position, name, conditions, effect, valid_from, valid_to,"
        " is_active, created_by, updated_by from app.allocation_rules"
        " where %(dimension)s::text is null or dimension = %(dimension)s"
        " order by array_position(%(all)s, dimension), position",
        {"dimension": dimension, "all": list(DIMENSIONS)},
    )
    return [StandingRule.model_validate(row) for row in rows]


def add(conn: psycopg.Connection, rule: Rule, actor: str, position: int | None = None) -> int:
    """Add a rule at a position, after all others if None; return its id. Connect as app.

    Raises: ConfigError for a position beyond the end.
    """
    with conn.transaction():
        _lock(conn)
        end = _count(conn, rule.dimension) + 1
        place = _within(position or end, end)
        _shift(conn, rule.dimension, place, 1)
        row = conn.execute(
            "insert into app.allocation_rules (dimension, position, name, conditions, effect,"
            " valid_from, valid_to, is_active, created_by, updated_by)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
            [rule.dimension, place, *_columns(rule), actor, actor],
        ).fetchone()
        assert row is not None  # noqa: S101 - an insert that returns
        rule_id = int(row[0])
        _audit(conn, actor, "add", rule_id, {**_content(rule), "position": place})
    return rule_id


def change(conn: psycopg.Connection, rule_id: int, rule: Rule, actor: str) -> None:
    """Replace what a rule says; it keeps its place. Connect as app.

    Raises: ConfigError for an unknown id, or another dimension.
    """
    with conn.transaction():
        _lock(conn)
        standing = _standing(conn, rule_id)
        if standing.dimension != rule.dimension:
            raise ConfigError(
                f"Rule {rule_id} is about {standing.dimension}, not {rule.dimension}.",
                hint="Remove it and add another.",
            )
        conn.execute(
            "update app.allocation_rules set name = %s, conditions = %s, effect = %s,"
            " valid_from = %s, valid_to = %s, is_active = %s, updated_by = %s,"
            " updated_at = clock_timestamp() where id = %s",
            [*_columns(rule), actor, rule_id],
        )
        _audit(
            conn, actor, "change", rule_id, {"before": _content(standing), "after": _content(rule)}
        )


def move(conn: psycopg.Connection, rule_id: int, position: int, actor: str) -> None:
    """Move a rule to another place among those of its dimension. Connect as app.

    Raises: ConfigError for an unknown id, or a position beyond the end.
    """
    with conn.transaction():
        _lock(conn)
        rule = _standing(conn, rule_id)
        place = _within(position, _count(conn, rule.dimension))
        _shift(conn, rule.dimension, rule.position + 1, -1)
        _shift(conn, rule.dimension, place, 1, but=rule_id)
        conn.execute(
            "update app.allocation_rules set position = %s, updated_by = %s,"
            " updated_at = clock_timestamp() where id = %s",
            [place, actor, rule_id],
        )
        _audit(conn, actor, "move", rule_id, {"from": rule.position, "to": place})


def remove(conn: psycopg.Connection, rule_id: int, actor: str) -> None:
    """Remove a rule; the audit log keeps what it said. Connect as app.

    Raises: ConfigError for an unknown id.
    """
    with conn.transaction():
        _lock(conn)
        rule = _standing(conn, rule_id)
        conn.execute("delete from app.allocation_rules where id = %s", [rule_id])
        _shift(conn, rule.dimension, rule.position + 1, -1)
        _audit(conn, actor, "remove", rule_id, {**_content(rule), "position": rule.position})


def replace_all(conn: psycopg.Connection, rules: Sequence[Rule], actor: str) -> None:
    """Let these rules, in this order, be all there are; in one transaction. Connect as app."""
    with conn.transaction():
        _lock(conn)
        for standing in list_rules(conn):
            remove(conn, standing.id, actor)
        for rule in rules:
            add(conn, rule, actor)


def _lock(conn: psycopg.Connection) -> None:
    """Positions are counted, so one writer at a time; readers go on."""
    conn.execute("lock table app.allocation_rules in share row exclusive mode")


def _count(conn: psycopg.Connection, dimension: str) -> int:
    row = conn.execute(
        "select count(*) from app.allocation_rules where dimension = %s", [dimension]
    ).fetchone()
    return int(row[0]) if row else 0


def _within(position: int, end: int) -> int:
    if not 1 <= position <= end:
        raise ConfigError(
            f"There is no position {position}.", hint=f"Positions go from 1 to {end}."
        )
    return position


def _shift(
    conn: psycopg.Connection, dimension: str, first: int, by: int, but: int | None = None
) -> None:
    """Make room, or close it. Uniqueness is checked at the end of the transaction."""
    conn.execute(
        "update app.allocation_rules set position = position + %s"
        " where dimension = %s and position >= %s and id is distinct from %s",
        [by, dimension, first, but],
    )


def _standing(conn: psycopg.Connection, rule_id: int) -> StandingRule:
    for rule in list_rules(conn):
        if rule.id == rule_id:
            return rule
    raise ConfigError(
        f"There is no allocation rule {rule_id}.", hint="`astraeus allocation list` names them."
    )


def _columns(rule: Rule) -> list[Any]:
    content = _content(rule)
    return [
        rule.name,
        Jsonb(content["conditions"]),
        Jsonb(content["effect"]),
        rule.valid_from,
        rule.valid_to,
        rule.is_active,
    ]


def _content(rule: Rule) -> dict[str, Any]:
    """Return what a person would write; decimals as text."""
    fields = set(Rule.model_fields)
    return rule.model_dump(mode="json", include=fields, exclude_none=True)


def _audit(
    conn: psycopg.Connection, actor: str, action: str, rule_id: int, detail: dict[str, Any]
) -> None:
    audit.note(conn, actor, f"allocation_rule.{action}", str(rule_id), **detail)

"""What each role may do, as declared here and as the catalogue has it: they must be equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psycopg

from astraeus_pipeline.warehouse.engine import ROLES, UNSCOPED, UNSCOPED_ROLES, role_name
from astraeus_pipeline.warehouse.migrate import SCHEMAS

ALL: Final = ("*",)


@dataclass(frozen=True)
class May:
    """A role's rights beyond what it owns: privileges on relations or functions of a schema."""

    role: str
    schema: str
    names: tuple[str, ...]
    privileges: frozenset[str]


_READ: Final = frozenset({"SELECT"})
_RUN: Final = frozenset({"EXECUTE"})
_SCOPES: Final = ("sees_everything", "visible_accounts", "visible_budgets", "visible_teams")
# Each schema belongs to one role (migrate.SCHEMAS). The rest is this, and no more:
DECLARED: Final = (
    May("astraeus_dbt", "raw", ALL, _READ),
    May(
        "astraeus_dbt",
        "app",
        (
            *("alert_rules", "allocation_rules", "allocation_state", "anomaly_assignments"),
            *("anomaly_feedback", "budget_amounts", "budget_thresholds", "budgets"),
            *("chat_attempts", "recommendation_feedback"),
            # Of accounts what a mart may show, never what is sealed.
            *(f"accounts.{column}" for column in ("id", "slug", "provider", "name", "state")),
            *(f"accounts.{column}" for column in ("created_at", "updated_at", "parent")),
            "accounts.external_id",
        ),
        _READ,
    ),
    May(
        "astraeus_app",
        "raw",
        (
            *("acceptances", "deliveries", "delivery_days", "partitions", "quarantine"),
            *("restatements", "superseded"),
        ),
        _READ,
    ),
    *(
        May(f"astraeus_{reader}", "marts", ALL, _READ | _RUN)
        for reader in ("app", "operator", "reader")
    ),
    # Policies of marts run them as whoever asks.
    *(May(f"astraeus_{asks}", "app", _SCOPES, _RUN) for asks in ("dbt", "operator", "reader")),
    # dbt's functions run with the rights of their caller, and nobody else may look into marts.
    May("PUBLIC", "marts", ALL, _RUN),
)
# What is in a schema that a role may not enter cannot be named.
_ENTER: Final = {
    ("astraeus_dbt", "raw"),
    ("astraeus_app", "raw"),
    ("astraeus_dbt", "app"),
    ("astraeus_loader", "app"),
    *((f"astraeus_{reader}", "marts") for reader in ("app", "operator", "reader")),
}
# Alembic's own table is the administrator's.
_ADMINISTRATORS: Final = {("app", "alembic_version")}
_RELATIONS: Final = """
select relnamespace::regnamespace::text, relname, owners.rolname, grantee, privilege_type
from pg_class
inner join pg_roles as owners on owners.oid = relowner,
aclexplode(coalesce(relacl, acldefault(
    case relkind when 'S' then 's'::"char" else 'r'::"char" end, relowner
)))
where relnamespace::regnamespace::text = any(%s) and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
union all
select relnamespace::regnamespace::text, relname || '.' || attname, owners.rolname, grantee,
    privilege_type
from pg_attribute
inner join pg_class on pg_class.oid = attrelid
inner join pg_roles as owners on owners.oid = relowner,
aclexplode(attacl)
where relnamespace::regnamespace::text = any(%s)
union all
select pronamespace::regnamespace::text, proname, owners.rolname, grantee, privilege_type
from pg_proc
inner join pg_roles as owners on owners.oid = proowner,
aclexplode(coalesce(proacl, acldefault('f', proowner)))
where pronamespace::regnamespace::text = any(%s)
"""


def strays(conn: psycopg.Connection) -> list[str]:
    """Return in words what a role of ours, or everybody, may do beyond what is declared.

    Roles that are not ours are their administrator's business. Whoever asks must see the whole
    catalogue, which anybody may.
    """
    return sorted(
        {
            *_stray_grants(conn),
            *_stray_schemas(conn),
            *_stray_attributes(conn),
            *_stray_members(conn),
            *_stray_functions(conn),
        }
    )


def missing(conn: psycopg.Connection) -> list[str]:
    """Return in words what is declared but not granted; of `ALL`, where there is nothing at all."""
    held = {(who, schema, name, what) for who, schema, name, what, _ in _grants(conn)}
    held |= {(who, schema, "*", what) for who, schema, _, what in held}
    return sorted(
        f"{may.role} lacks {what} on {may.schema}.{name}"
        for may in DECLARED
        for name in may.names
        for what in may.privileges
        if (may.role, may.schema, name, what) not in held
    )


def _grants(conn: psycopg.Connection) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield role, schema, name, privilege and owner of each grant to our roles and to everybody."""
    names: dict[int, str] = dict(conn.execute("select oid, rolname from pg_roles").fetchall())
    ours = {role_name(role) for role in ROLES} | {"PUBLIC", UNSCOPED}
    schemas = [*SCHEMAS]
    for schema, name, owner, grantee, what in conn.execute(_RELATIONS, [schemas] * 3):
        who = "PUBLIC" if grantee == 0 else names.get(grantee, "")
        if who in ours:
            yield who, schema, name, what, owner


def _stray_grants(conn: psycopg.Connection) -> Iterator[str]:
    for who, schema, name, what, owner in _grants(conn):
        keeper = role_name(SCHEMAS[schema])
        if owner != keeper and (schema, name) not in _ADMINISTRATORS:
            yield f"{schema}.{name} belongs to {owner}, not to {keeper}"
        if who == owner:
            continue
        if not any(
            may.role == who
            and may.schema == schema
            and what in may.privileges
            and (may.names == ALL or name in may.names)
            for may in DECLARED
        ):
            yield f"{who} may {what} {schema}.{name}"


def _stray_schemas(conn: psycopg.Connection) -> Iterator[str]:
    rows = conn.execute(
        "select nspname, nspowner::regrole::text,"
        " case grantee when 0 then 'PUBLIC' else grantee::regrole::text end, privilege_type"
        " from pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))"
        " where nspname = any(%s)",
        [[*SCHEMAS]],
    )
    for schema, owner, who, what in rows:
        if owner != role_name(SCHEMAS[schema]):
            yield f"schema {schema} belongs to {owner}"
        is_ours = who == "PUBLIC" or who in {role_name(role) for role in ROLES}
        if is_ours and who != owner and (what != "USAGE" or (who, schema) not in _ENTER):
            yield f"{who} has {what} of schema {schema}"


def _stray_attributes(conn: psycopg.Connection) -> Iterator[str]:
    rows = conn.execute(
        "select rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
        " from pg_roles where rolname = any(%s)",
        [[*(role_name(role) for role in ROLES), UNSCOPED]],
    )
    words = ("is a superuser", "makes roles", "makes databases", "bypasses row security")
    for name, *has in rows:
        yield from (
            f"{name} {word}"
            for word, is_so in zip((*words, "replicates"), has, strict=True)
            if is_so
        )
    [temporary] = conn.execute(
        "select count(*) from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))"
        " where datname = current_database() and grantee = 0"
        " and privilege_type in ('TEMPORARY', 'CREATE')"
    ).fetchone() or (0,)
    if temporary:
        yield "PUBLIC may make temporary tables"


def _stray_members(conn: psycopg.Connection) -> Iterator[str]:
    rows = conn.execute(
        "select roleid::regrole::text, member::regrole::text from pg_auth_members"
        " where member in (select oid from pg_roles where rolname = any(%s))",
        [[*(role_name(role) for role in ROLES), UNSCOPED]],
    )
    expected = {(UNSCOPED, role_name(role)) for role in UNSCOPED_ROLES}
    for group, member in rows:
        # An administrator of the name of one of ours is none of ours.
        if (group, member) not in expected:
            yield f"{member} is a member of {group}"


def _stray_functions(conn: psycopg.Connection) -> Iterator[str]:
    rows = conn.execute(
        "select oid::regprocedure::text, proconfig from pg_proc"
        " where prosecdef and pronamespace::regnamespace::text = any(%s)",
        [[*SCHEMAS]],
    )
    for function, config in rows:
        path = next((each for each in config or () if each.startswith("search_path=")), "")
        if path != "search_path=pg_catalog, pg_temp":
            yield f"{function} runs with its owner's rights and whatever search_path is set"

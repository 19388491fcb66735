"""app.saved_views: addresses of pages, kept under a name by a person, for them or for others.

A view grants nothing: it holds what is asked, and who opens it is answered within their own scope.
Connect as app; each change is in the audit log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, LiteralString, get_args
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import audit

Page = Literal["dashboard", "costs", "resources", "trace", "budgets", "accounts"]
PAGES: Final = get_args(Page)
EVERYBODY: Final = "*"
_LONGEST_NAME: Final = 80
# As much as browsers and proxies take for an address.
_LARGEST: Final = 4_000
_MOST: Final = 200

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class View:
    """A saved view; `shared_with` is None for its owner alone, EVERYBODY, or a team."""

    id: UUID
    page: Page
    name: str
    query: Query
    shared_with: str | None
    owner: str
    is_own: bool


def visible(conn: psycopg.Connection, email: str, page: str) -> list[View]:
    """Return what a person may open on a page: their own first, then what is shared with them.

    Shared with them is what is shared with everybody, or with a team of their scope; who has no
    scope sees what is shared with any team.
    """
    return _read(conn, email, "page = %(page)s", page=page)


def find(conn: psycopg.Connection, email: str, view_id: UUID) -> View:
    """Return one that a person may open. Raises: ConfigError if there is none."""
    found = _read(conn, email, "views.id = %(id)s", id=view_id)
    if not found:
        raise ConfigError("There is no such view.", hint="It may have been deleted or unshared.")
    return found[0]


def save(
    conn: psycopg.Connection,
    email: str,
    page: str,
    name: str,
    query: Query,
    shared_with: str | None = None,
) -> UUID:
    """Keep a view of a person's.

    Raises: ConfigError for a name that is taken, too long or empty, a page without views, an
    address that is too long, or a team that they do not see.
    """
    if page not in PAGES:
        raise ConfigError(f"The page {page!r} keeps no views.", hint=f"Try {', '.join(PAGES)}.")
    called = _named(name)
    _check_size(query)
    with conn.transaction():
        owner = _person(conn, email)
        _check_sharing(conn, owner, shared_with)
        _check_free(conn, owner, page, called, None)
        row = conn.execute(
            "insert into app.saved_views (owner_id, page, name, query, shared_with)"
            " values (%s, %s, %s, %s, %s) returning id",
            [owner, page, called, Jsonb({key: list(of) for key, of in query.items()}), shared_with],
        ).fetchone()
        assert row is not None  # noqa: S101 - an insert that returns
        audit.note(
            *(conn, email, "view.saved", str(row[0])),
            page=page,
            name=called,
            query={key: list(of) for key, of in query.items()},
            shared_with=shared_with,
        )
    return UUID(str(row[0]))


def change(
    conn: psycopg.Connection, email: str, view_id: UUID, name: str, shared_with: str | None
) -> None:
    """Rename a view or share it otherwise. Raises: ConfigError if it is not theirs, as `save`."""
    called = _named(name)
    with conn.transaction():
        before = _own(conn, email, view_id)
        owner = _person(conn, email)
        if shared_with != before.shared_with:
            _check_sharing(conn, owner, shared_with)
        _check_free(conn, owner, before.page, called, view_id)
        conn.execute(
            "update app.saved_views set name = %s, shared_with = %s, updated_at = clock_timestamp()"
            " where id = %s",
            [called, shared_with, view_id],
        )
        audit.note(
            *(conn, email, "view.changed", str(view_id)),
            before={"name": before.name, "shared_with": before.shared_with},
            after={"name": called, "shared_with": shared_with},
        )


def delete(conn: psycopg.Connection, email: str, view_id: UUID) -> str:
    """Delete a view and return its name. Raises: ConfigError if it is not theirs."""
    with conn.transaction():
        gone = _own(conn, email, view_id)
        conn.execute("delete from app.saved_views where id = %s", [view_id])
        audit.note(conn, email, "view.deleted", str(view_id), page=gone.page, name=gone.name)
    return gone.name


def _read(
    conn: psycopg.Connection, email: str, condition: LiteralString, **values: object
) -> list[View]:
    with conn.cursor(row_factory=class_row(View)) as cursor:
        return cursor.execute(
            "select views.id, page, views.name, query, shared_with, owners.name as owner,"  # noqa: S608 - a condition of this module
            " owner_id = me.id as is_own from app.saved_views as views"
            " inner join app.users as owners on owners.id = owner_id"
            " inner join app.users as me on me.email = %(email)s and me.is_active"
            " left join lateral (select count(*) as grants, array_agg(value) filter"
            " (where kind = 'team') as teams from app.user_scopes where user_id = me.id)"
            " as scope on true"
            " where (owner_id = me.id or shared_with = '*' or shared_with = any(scope.teams)"
            " or (shared_with is not null and scope.grants = 0)) and " + condition + " order by"
            " owner_id = me.id desc, lower(views.name), views.id limit 400",
            {"email": email, **values},
        ).fetchall()


def _own(conn: psycopg.Connection, email: str, view_id: UUID) -> View:
    found = find(conn, email, view_id)
    if not found.is_own:
        raise ConfigError(
            f"The view {found.name} is {found.owner}'s.", hint="Save it under a name of yours."
        )
    return found


def _person(conn: psycopg.Connection, email: str) -> UUID:
    # Their row is held, so that two saves at once neither take one name nor pass the limit.
    row = conn.execute(
        "select id from app.users where email = %s and is_active for update", [email]
    ).fetchone()
    if row is None:
        raise ConfigError(f"There is no user {email}.", hint="Views are of people who sign in.")
    return UUID(str(row[0]))


def _named(name: str) -> str:
    called = " ".join(name.split())
    if not called:
        raise ConfigError("The view has no name.", hint="Name it after what it shows.")
    if len(called) > _LONGEST_NAME or not called.isprintable():
        raise ConfigError(
            "The name cannot be used.",
            hint=f"Write at most {_LONGEST_NAME} characters that can be seen.",
        )
    return called


def _check_size(query: Query) -> None:
    text = json.dumps({key: list(of) for key, of in query.items()}, ensure_ascii=False)
    if len(text.encode()) > _LARGEST:
        raise ConfigError(
            "The view has too many filters to be kept.", hint="Choose fewer values, or a wider one."
        )
    if "\\u0000" in text:
        raise ConfigError("A filter has characters that no text holds.", hint="Take it back.")


def _check_sharing(conn: psycopg.Connection, owner: UUID, shared_with: str | None) -> None:
    if shared_with in (None, EVERYBODY):
        return
    row = conn.execute(
        "select count(*), coalesce(bool_or(kind = 'team' and value = %s), false)"
        " from app.user_scopes where user_id = %s",
        [shared_with, owner],
    ).fetchone()
    if row is None or (row[0] and not row[1]):
        raise ConfigError(
            f"You do not see the team {shared_with}.", hint="Share it with a team of yours."
        )


def _check_free(
    conn: psycopg.Connection, owner: UUID, page: str, name: str, but: UUID | None
) -> None:
    row = conn.execute(
        "select count(*), count(*) filter"
        " (where page = %s and lower(name) = lower(%s) and id is distinct from %s)"
        " from app.saved_views where owner_id = %s",
        [page, name, but, owner],
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    if row[1]:
        raise ConfigError(
            f"You have a view {name} on this page.", hint="Choose another name, or delete that one."
        )
    if but is None and row[0] >= _MOST:
        raise ConfigError(f"You have {_MOST} views.", hint="Delete some first.")

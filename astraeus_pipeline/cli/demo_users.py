"""The demo's people below the first administrator: one per role, and two who see a part.

Their passwords are printed and not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from astraeus_pipeline.cli.output import print_table
from astraeus_pipeline.contracts.people import Grant, Role

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.engine import Database

_ACTOR: Final = "demo"


@dataclass(frozen=True)
class Person:
    """One of them."""

    email: str
    name: str
    role: Role
    grants: tuple[Grant, ...] = ()


PEOPLE: Final = (
    Person("bo@demo.example", "Bo Budget", "budget_owner"),
    Person("ana@demo.example", "Ana Analyst", "analyst"),
    Person("vic@demo.example", "Vic Viewer", "viewer"),
    Person("tom@demo.example", "Tom of a team", "viewer", (Grant("team", "shop"),)),
    Person(
        "amy@demo.example", "Amy of one account", "viewer", (Grant("account", "fabrikam-shop"),)
    ),
)


def give_passwords(database: Database) -> None:
    """Add them, give each a fresh password, and print it here only."""
    from astraeus_pipeline.accounts import passwords
    from astraeus_pipeline.warehouse import users

    rows = []
    with database.connect("app", autocommit=True) as conn:
        known = {each.email for each in users.users(conn)}
        for each in PEOPLE:
            if each.email not in known:
                users.add(conn, each.email, each.name, each.role, each.grants, actor=_ACTOR)
            password = passwords.fresh()
            users.set_password_hash(conn, each.email, passwords.hashed(password), actor=_ACTOR)
            sees = ", ".join(map(str, each.grants)) or "everything"
            rows.append((each.email, password, each.role, sees))
    print_table(
        "Sign in as (passwords are shown here only; the next demo makes new ones)",
        ("email", "password", "role", "sees"),
        rows,
    )

"""The Administration page: for administrators alone, and every change with its actor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.records import people
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import add_people, forget, sign_in, user_of
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration
PAGE = str(Path(__file__).parents[2] / "app" / "views" / "admin.py")


@pytest.fixture(scope="module")
def company(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Return people and no bills: the page needs none, but for the names of teams."""
    with installed(module_database, tmp_path_factory.mktemp("home")):
        with module_database.connect("dbt", autocommit=True) as conn:
            conn.execute("create table marts.data_version (invocation_id text, built_at date)")
            conn.execute("create table marts.fct_daily_team_costs (team text)")
            conn.execute("insert into marts.fct_daily_team_costs values ('shop')")
            conn.execute("grant select on all tables in schema marts to astraeus_reader")
        add_people(module_database)
        forget()
        yield module_database
    forget()


def open_page(who: str, **params: str) -> AppTest:
    entry = (
        "import streamlit as st\n"
        "from app.components import access, links\n"
        "access.principal()\n"
        "links.remember()\n"
        f"exec(compile(open({PAGE!r}).read(), {PAGE!r}, 'exec'))\n"
    )
    at = AppTest.from_string(entry, default_timeout=60)
    at.user = user_of(who)
    for name, value in params.items():
        at.query_params[name] = value
    return at.run()


def log(database: Database, action: str) -> list[Any]:
    with database.connect("app") as conn:
        return conn.execute(
            "select actor, subject, detail from app.audit_log where action = %s order by id",
            [action],
        ).fetchall()


@pytest.mark.parametrize("role", ["viewer", "analyst", "budget_owner"])
def test_only_administrators_see_it(company: Database, role: str) -> None:
    at = open_page(role)
    assert not at.exception
    assert "may not do this" in at.error[0].value
    assert not at.title and not at.dataframe and not at.button


def test_a_person_is_added_with_a_link_that_is_shown_once(company: Database) -> None:
    at = open_page("admin")
    assert not at.exception and not at.error
    next(each for each in at.button if each.label == "Add a person").click().run()
    at.text_input(key="person_email").set_value("New@Example.org")
    at.text_input(key="person_name").set_value("New")
    at.multiselect(key="person_grants").set_value([Grant("team", "shop")])
    next(each for each in at.button if each.label == "Add and make a link").click().run()
    assert not at.exception
    [link] = [each.value for each in at.code]
    token = link.partition("/signin/link?t=")[2]
    with company.connect("app") as conn:
        assert sessions.owner_of_link(conn, token) == "new@example.org"
        assert users.by_email(conn, "new@example.org").grants == (Grant("team", "shop"),)
    next(each for each in at.button if each.label == "I have it").click().run()
    assert not at.code
    assert log(company, "user.added")[-1][:2] == ("admin@example.org", "new@example.org")
    assert token not in str(log(company, "link.made"))


def test_a_person_is_changed_and_deactivated(company: Database) -> None:
    sign_in(company, "mover", "viewer")
    at = open_page("admin", person="mover@example.org")
    at.selectbox(key="role_mover@example.org").set_value("analyst").run()
    next(each for each in at.button if each.label == "Save").click().run()
    assert not at.exception and "they sign in again" in at.success[0].value
    assert log(company, "user.role")[-1] == (
        "admin@example.org",
        "mover@example.org",
        {"old": "viewer", "new": "analyst"},
    )
    with company.connect("app") as conn:
        assert sessions.live(conn, user_of("mover")["session"]) is None
    next(each for each in at.button if each.label == "Deactivate").click().run()
    assert "cannot sign in any more" in at.success[0].value
    at = open_page("admin", person="admin@example.org")
    next(each for each in at.button if each.label == "Deactivate").click().run()
    assert "no administrator" in at.error[0].value


def test_sessions_are_listed_and_ended(company: Database) -> None:
    sign_in(company, "leaver", "viewer")
    at = open_page("admin", tab="Sessions")
    assert not at.exception
    assert "leaver@example.org" in set(at.dataframe[0].value["Email"])
    [row] = [each for each in people.signed_in() if each.email == "leaver@example.org"]
    assert people.revoke(row.id, "admin@example.org").startswith("The session has ended")
    assert "leaver@example.org" not in {each.email for each in people.signed_in()}
    assert log(company, "session.revoked")[-1][0] == "admin@example.org"


def test_who_is_no_administrator_cannot_end_sessions_by_the_callback(company: Database) -> None:
    def page() -> None:
        import streamlit as st

        from app.components import session_list
        from app.records import people

        session_list.end([people.signed_in()[0].id])
        st.text(str(st.session_state.notice))

    before = len(people.signed_in())
    at = AppTest.from_function(page)
    at.user = user_of("budget_owner")
    assert "may not do this" in at.run().text[0].value
    assert len(people.signed_in()) == before


def test_the_audit_log_is_filtered_and_exported(company: Database) -> None:
    at = open_page("admin", tab="Audit log", kind="Sign-ins")
    assert not at.exception
    shown = at.dataframe[0].value
    assert set(shown["Did"]) and all(each.startswith("session.") for each in shown["Did"])
    at.text_input(key="by_whom").set_value("nobody@example.org").run()
    assert "Nothing of that kind" in at.info[0].value
    first, last = shown["At"].min().date(), shown["At"].max().date()
    text = people.entries_csv(people.entries(first, last))
    assert text.splitlines()[0] == "at,actor,action,subject,detail" and len(text.splitlines()) > 5

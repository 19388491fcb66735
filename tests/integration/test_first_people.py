"""The first administrator's link and the demo's people, as commands make and print them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from astraeus_pipeline.accounts import passwords
from astraeus_pipeline.cli import demo_users, sign_in_links
from astraeus_pipeline.contracts.people import ROLES
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration
BASE = "http://127.0.0.1:8501"


def test_the_first_administrator_gets_links_until_they_have_a_password(
    database: Database, tmp_path: Path
) -> None:
    with installed(database, tmp_path):
        links = [sign_in_links.first_admin(database, BASE) for _ in range(2)]
        tokens = [parse_qs(urlparse(str(link)).query)["t"][0] for link in links]
        with database.connect("app", autocommit=True) as conn:
            assert [each.email for each in users.users(conn)] == [sign_in_links.FIRST_ADMIN]
            assert sessions.owner_of_link(conn, tokens[0]) is None  # the newer one counts
            assert sessions.owner_of_link(conn, tokens[1]) == sign_in_links.FIRST_ADMIN
            users.set_password_hash(
                conn, sign_in_links.FIRST_ADMIN, passwords.hashed("quiet river stone"), actor="x"
            )
        assert sign_in_links.first_admin(database, BASE) is None


def test_an_administrator_who_was_added_keeps_their_link_and_is_named(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with installed(database, tmp_path), database.connect("app", autocommit=True) as conn:
        sign_in_links.first_admin(database, BASE)  # a start before anybody was added
        users.add(conn, "ann@example.org", "Ann", "admin", actor="x")
        given = sessions.new_link(conn, "ann@example.org", actor="x")
        sign_in_links.print_first(database, BASE)
        said = " ".join(capsys.readouterr().out.split())
        assert "/signin/link" not in said and "astraeus user link ann@example.org" in said
        assert sessions.owner_of_link(conn, given) == "ann@example.org"
        users.set_password_hash(
            conn, "ann@example.org", passwords.hashed("quiet river stone"), actor="x"
        )
        sign_in_links.print_first(database, BASE)
        assert capsys.readouterr().out == ""


def test_the_demos_people_cover_every_role_and_no_password_is_kept(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with installed(database, tmp_path):
        sign_in_links.print_first(database, BASE)
        demo_users.give_passwords(database)
        demo_users.give_passwords(database)
        printed = capsys.readouterr().out
        with database.connect("app") as conn:
            known = users.users(conn)
            kept = conn.execute(
                "select string_agg(u::text, ' ') || (select string_agg(l::text, ' ')"
                " from app.audit_log l) from app.users u"
            ).fetchone()
            hashes = dict(conn.execute("select email, password_hash from app.users").fetchall())
    assert {each.role for each in known} == set(ROLES)
    rows = [line.split("│") for line in printed.splitlines() if "@demo.example" in line]
    assert len(rows) == 2 * len(demo_users.PEOPLE)
    for row in rows[len(demo_users.PEOPLE) :]:
        email, password = row[1].strip(), row[2].strip()
        assert passwords.holds(hashes[email], password)
        assert kept is not None and password not in kept[0]

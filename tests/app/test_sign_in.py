"""Signing in and out over HTTP: password, one-time link, limits, and what attackers try."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import limits, store
from app.auth.cookies import COOKIE
from app.auth.safe_next import safe_next
from astraeus_pipeline.accounts import passwords
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.gated import PAGE, browser, form_of, sign_in
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration
PASSWORD = "correct horse battery"
EMAIL = "ana@example.org"


@pytest.fixture(scope="module")
def people(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with installed(module_database, tmp_path_factory.mktemp("home")):
        store.forget()
        with module_database.connect("app", autocommit=True) as conn:
            users.add(conn, "boss@example.org", "Boss", "admin", actor="test")
            users.add(conn, EMAIL, "Ana", "analyst", actor="test")
            users.set_password_hash(conn, EMAIL, passwords.hashed(PASSWORD), actor="test")
        yield module_database
    store.forget()


@pytest.fixture(autouse=True)
def _no_attempts(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        conn.execute("truncate app.sign_in_attempts")


def rows(database: Database, query: str, *values: Any) -> list[Any]:
    with database.connect("app", autocommit=True) as conn:
        return conn.execute(query.encode(), values).fetchall()


def cookie_line(answer: Any) -> str:
    return next(
        line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{COOKIE}=")
    )


def test_a_password_opens_a_session_with_a_safe_cookie(people: Database) -> None:
    client = browser()
    answer = sign_in(client, "  ANA@example.org ", PASSWORD, "/costs?by=Service")
    assert (answer.status_code, answer.headers["location"]) == (303, "/costs?by=Service")
    line = cookie_line(answer)
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in line
    assert "domain" not in line.lower()
    token = client.cookies[COOKIE]
    assert client.get("/costs").text == sessions.key_of(token)
    kept = rows(people, "select string_agg(s::text, ' ') from app.sessions s")[0][0]
    assert sessions.key_of(token) in kept and token not in kept
    [line] = rows(
        people,
        "select actor, detail ->> 'method', detail ->> 'address' from app.audit_log"
        " where action = 'session.begun' order by id desc limit 1",
    )
    assert line == (EMAIL, "password", "192.0.2.1")
    assert client.get("/signin?next=/costs", headers=PAGE).headers["location"] == "/costs"


def test_unknown_wrong_and_inactive_look_the_same(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        users.add(conn, "gone@example.org", "Gone", "viewer", actor="test")
        users.set_password_hash(conn, "gone@example.org", passwords.hashed(PASSWORD), actor="t")
        users.set_active(conn, "gone@example.org", False, actor="test")
        users.add(conn, "none@example.org", "Without a password", "viewer", actor="test")
    texts = set()
    for email, password in (
        (EMAIL, "wrong"),
        (EMAIL, ""),
        ("nobody@example.org", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("none@example.org", PASSWORD),
        ("none@example.org", ""),
        ("x" * 5000, PASSWORD),
    ):
        client = browser()
        answer = sign_in(client, email, password)
        assert answer.status_code == 401
        assert COOKIE not in client.cookies
        text = answer.text.replace(email[:254], "").replace(form_of(answer)["form_token"], "")
        texts.add(text)
    assert len(texts) == 1
    refused = rows(people, "select count(*) from app.audit_log where action = 'session.refused'")
    assert refused[0][0] >= 7


def test_what_is_typed_is_never_markup(people: Database) -> None:
    answer = sign_in(browser(), '"><script>alert(1)</script>', "x", '/"><script>alert(2)</script>')
    assert "<script>" not in answer.text


def test_an_unknown_account_takes_as_long_as_a_wrong_password(
    people: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By counting, not by the clock: both verify one hash of the same cost.
    from app.auth import passwords as served

    seen: list[str | None] = []
    monkeypatch.setattr(served, "holds", lambda kept, _: bool(seen.append(kept)))
    sign_in(browser(), "nobody@example.org", "x")
    sign_in(browser(), EMAIL, "x")
    assert seen[0] is None and str(seen[1]).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords._DUMMY.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not passwords.holds(None, "x")


def test_each_sign_in_has_a_new_id_and_ends_the_one_before(people: Database) -> None:
    planted = sessions.new_token()
    client = browser(**{COOKIE: planted})
    sign_in(client, EMAIL, PASSWORD)
    first = client.cookies.get(COOKIE, domain="127.0.0.1", path="/") or cookie_of(client)
    assert first != planted
    assert browser(**{COOKIE: planted}).get("/costs").status_code == 401
    again = browser(**{COOKIE: first})
    fields = form_of(browser().get("/signin", headers=PAGE))
    again.cookies.set("__Host-astraeus-form", fields["form_token"])
    answer = again.post("/signin", data={**fields, "email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 303 and first not in cookie_line(answer)
    assert browser(**{COOKIE: first}).get("/costs").status_code == 401


def cookie_of(client: Any) -> str:
    return next(each.value for each in reversed(list(client.cookies.jar)) if each.name == COOKIE)


def test_a_copied_cookie_is_dead_after_signing_out(people: Database) -> None:
    client = browser()
    sign_in(client, EMAIL, PASSWORD)
    copied = client.cookies[COOKIE]
    assert browser(**{COOKIE: copied}).get("/costs").status_code == 200
    store.end(sessions.key_of(copied))
    assert browser(**{COOKIE: copied}).get("/costs").status_code == 401
    last = rows(people, "select action, actor from app.audit_log order by id desc limit 1")
    assert last == [("session.ended", EMAIL)]


@pytest.mark.parametrize("attack", ["no cookie", "no field", "other field", "other site", "json"])
def test_a_form_from_elsewhere_is_refused(people: Database, attack: str) -> None:
    client = browser()
    fields = form_of(client.get("/signin", headers=PAGE))
    headers = {}
    if attack == "no cookie":
        client.cookies.clear()
    elif attack == "no field":
        del fields["form_token"]
    elif attack == "other field":
        fields["form_token"] = "x" * 43
    elif attack == "other site":
        headers["sec-fetch-site"] = "cross-site"
    body = {**fields, "email": EMAIL, "password": PASSWORD}
    answer = (
        client.post("/signin", json=body)
        if attack == "json"
        else client.post("/signin", data=body, headers=headers)
    )
    assert answer.status_code == 403
    assert COOKIE not in client.cookies


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "evil.example",
        "",
        "/signin",
        "/oidc/start",
        "/" + "x" * 3000,
    ],
)
def test_the_way_on_stays_in_the_app(people: Database, wanted: str) -> None:
    assert sign_in(browser(), EMAIL, PASSWORD, wanted).headers["location"] == "/"


@given(st.text(max_size=40))
def test_no_text_leads_away(text: str) -> None:
    found = safe_next(text)
    assert found == "/" or (found == text and found[0] == "/" and found[1:2] not in ("/", "\\"))


def test_too_many_attempts_are_refused_even_with_the_right_password(people: Database) -> None:
    for number in range(limits.PER_ACCOUNT):
        assert sign_in(browser(f"192.0.2.{number}"), "b@example.org", "x").status_code == 401
    answer = sign_in(browser("192.0.2.99"), "b@example.org", "x")
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) == 900
    assert sign_in(browser("192.0.2.99"), EMAIL, PASSWORD).status_code == 303
    counted = rows(people, "select count(*) from app.sign_in_attempts")
    assert counted[0][0] == limits.PER_ACCOUNT


def test_an_address_that_tries_many_accounts_is_refused(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        for number in range(limits.PER_ADDRESS):
            assert limits.admit(conn, f"{number}@example.org", "192.0.2.7")
    assert sign_in(browser("192.0.2.7"), EMAIL, PASSWORD).status_code == 429
    assert sign_in(browser("192.0.2.8"), EMAIL, PASSWORD).status_code == 303


def test_a_right_password_forgives(people: Database) -> None:
    for _ in range(limits.PER_ACCOUNT - 1):
        sign_in(browser(), EMAIL, "wrong")
    assert sign_in(browser(), EMAIL, PASSWORD).status_code == 303
    assert rows(people, "select count(*) from app.sign_in_attempts")[0][0] == 0


def _link(people: Database, email: str, life: timedelta = sessions.LINK_LIFE) -> str:
    with people.connect("app", autocommit=True) as conn:
        return sessions.new_link(conn, email, actor="test", life=life)


def _use(client: Any, token: str, password: str, again: str | None = None) -> Any:
    fields = form_of(client.get("/signin/link", params={"t": token}, headers=PAGE))
    return client.post(
        "/signin/link", data={**fields, "password": password, "again": again or password}
    )


def test_a_link_works_once_and_sets_the_password(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        users.add(conn, "new@example.org", "New", "viewer", actor="test")
    token, client = _link(people, "new@example.org"), browser()
    shown = client.get("/signin/link", params={"t": token}, headers=PAGE)
    assert shown.status_code == 200 and "new@example.org" in shown.text
    for password, again in (("short", None), ("new@example.orgs", None), (PASSWORD, "else else")):
        assert _use(client, token, password, again).status_code == 422
    answer = _use(client, token, "quiet river stone")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/costs").status_code == 200
    assert browser().get("/signin/link", params={"t": token}).status_code == 410
    other = browser()
    fields = form_of(other.get("/signin", headers=PAGE))
    body = {"form_token": fields["form_token"], "link": token, "password": "another river stone"}
    assert other.post("/signin/link", data={**body, "again": body["password"]}).status_code == 410
    assert sign_in(browser(), "new@example.org", "quiet river stone").status_code == 303
    kept = rows(people, "select string_agg(l::text, '') from app.sign_in_links l")[0][0]
    assert token not in kept


def test_a_link_ends(people: Database) -> None:
    with people.connect("app", autocommit=True) as conn:
        users.add(conn, "late@example.org", "Late", "viewer", actor="test")
    old = _link(people, "late@example.org", timedelta(seconds=-1))
    assert browser().get("/signin/link", params={"t": old}).status_code == 410
    first, second = _link(people, "late@example.org"), _link(people, "late@example.org")
    assert browser().get("/signin/link", params={"t": first}).status_code == 410
    with people.connect("app", autocommit=True) as conn:
        users.set_active(conn, "late@example.org", False, actor="test")
    assert browser().get("/signin/link", params={"t": second}).status_code == 410


def test_a_large_form_is_not_read(people: Database) -> None:
    client = browser()
    fields = form_of(client.get("/signin", headers=PAGE))
    body = {**fields, "email": EMAIL, "password": "x" * 100_000}
    assert client.post("/signin", data=body).status_code == 403

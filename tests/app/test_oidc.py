"""Sign-in by an issuer, against a real one over HTTP: code flow, PKCE, nonce, and who gets in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx
import oidc_provider_mock
import pytest

from app.auth import oidc, store
from app.auth.cookies import COOKIE
from astraeus_pipeline.warehouse import users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.gated import BASE, PAGE, browser
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def people(
    module_database: Database, issuer: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with (
        installed(module_database, tmp_path_factory.mktemp("home")),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("ASTRAEUS_APP_URL", BASE)
        patch.setenv("ASTRAEUS_OIDC_ISSUER", issuer)
        patch.setenv("ASTRAEUS_OIDC_CLIENT_ID", "astraeus")
        patch.setenv("ASTRAEUS_OIDC_CLIENT_SECRET", "canary")
        patch.setenv("ASTRAEUS_OIDC_NAME", "Acme")
        store.forget()
        oidc.forget()
        with module_database.connect("app", autocommit=True) as conn:
            for name in ("dana", "eve", "frank"):
                users.add(conn, f"{name}@example.org", name, "viewer", actor="test")
        yield module_database
    store.forget()
    oidc.forget()


def known_as(issuer: str, subject: str, **claims: Any) -> None:
    """Tell the issuer of a person."""
    httpx.put(f"{issuer}/users/{subject}", json=claims).raise_for_status()


def go(client: Any, subject: str, wanted: str = "/") -> httpx.Response:
    """Follow the browser to the issuer, consent there, and come back; return the address."""
    sent = client.get("/oidc/start", params={"next": wanted}, headers=PAGE)
    assert sent.status_code == 302
    return httpx.post(sent.headers["location"], data={"sub": subject})


def back(client: Any, answer: httpx.Response) -> Any:
    address = urlparse(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}" == BASE
    return client.get(f"{address.path}?{address.query}", headers=PAGE)


def identity(database: Database, email: str) -> Any:
    with database.connect("app") as conn:
        return conn.execute(
            "select issuer, subject from app.users where email = %s", [email]
        ).fetchone()


def test_the_form_offers_the_issuer_and_the_question_is_bound(
    people: Database, issuer: str
) -> None:
    client = browser()
    assert "Continue with Acme" in client.get("/signin", headers=PAGE).text
    sent = client.get("/oidc/start", headers={**PAGE, "x-forwarded-host": "evil.example"})
    asked = {
        key: value[0] for key, value in parse_qs(urlparse(sent.headers["location"]).query).items()
    }
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{BASE}/oidc/callback"
    assert asked["nonce"] and asked["state"] and asked["code_challenge"]
    cookie = next(line for line in sent.headers.get_list("set-cookie"))
    assert cookie.startswith("__Host-astraeus-oidc=") and "httponly" in cookie.lower()
    assert "secure" in cookie.lower() and "canary" not in sent.headers["location"]


def test_a_verified_email_links_once_and_the_identity_signs_in(
    people: Database, issuer: str
) -> None:
    known_as(issuer, "sub-dana", email="Dana@example.org", email_verified=True)
    client = browser()
    answer = back(client, go(client, "sub-dana", "/costs?by=Service"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/costs?by=Service")
    assert client.get("/costs").status_code == 200
    assert identity(people, "dana@example.org") == (issuer, "sub-dana")
    # From now on the identity counts, whatever its email says.
    known_as(issuer, "sub-dana", email="other@example.org", email_verified=True)
    client = browser()
    assert back(client, go(client, "sub-dana")).status_code == 303
    # And nobody else becomes dana by claiming her address.
    known_as(issuer, "sub-mallory", email="dana@example.org", email_verified=True)
    client = browser()
    assert back(client, go(client, "sub-mallory")).status_code == 403
    assert COOKIE not in client.cookies


@pytest.mark.parametrize("claims", [{"email_verified": False}, {}, {"email_verified": "true"}])
def test_an_email_that_is_not_verified_links_nothing(
    people: Database, issuer: str, claims: dict[str, Any]
) -> None:
    known_as(issuer, "sub-eve", email="eve@example.org", **claims)
    client = browser()
    assert back(client, go(client, "sub-eve")).status_code == 403
    assert identity(people, "eve@example.org") == (None, None)
    with people.connect("app") as conn:
        line = conn.execute(
            "select action, subject from app.audit_log order by id desc limit 1"
        ).fetchone()
    assert line == ("session.refused", "eve@example.org")


def test_who_is_deactivated_stays_out(people: Database, issuer: str) -> None:
    known_as(issuer, "sub-frank", email="frank@example.org", email_verified=True)
    client = browser()
    assert back(client, go(client, "sub-frank")).status_code == 303
    with people.connect("app", autocommit=True) as conn:
        users.add(conn, "boss@example.org", "Boss", "admin", actor="test")
        users.set_active(conn, "frank@example.org", False, actor="test")
    assert client.get("/costs").status_code == 401
    client = browser()
    assert back(client, go(client, "sub-frank")).status_code == 403


def test_an_answer_to_another_browser_or_a_second_time_is_refused(
    people: Database, issuer: str
) -> None:
    known_as(issuer, "sub-dana", email="dana@example.org", email_verified=True)
    victim, attacker = browser(), browser()
    answer = go(attacker, "sub-dana")
    assert back(victim, answer).status_code == 403  # forced sign-in
    assert back(attacker, answer).status_code == 303
    assert back(attacker, answer).status_code == 403  # the code again
    for query in ("", "?code=x&state=y", "?error=access_denied"):
        assert browser().get(f"/oidc/callback{query}", headers=PAGE).status_code == 403


def test_a_way_on_that_leads_away_is_dropped(people: Database, issuer: str) -> None:
    known_as(issuer, "sub-dana", email="dana@example.org", email_verified=True)
    client = browser()
    answer = back(client, go(client, "sub-dana", "//evil.example"))
    assert answer.headers["location"] == "/"


def test_an_issuer_that_is_away_is_a_plain_page(
    people: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_OIDC_ISSUER", "http://127.0.0.1:1")
    oidc.forget()
    answer = browser().get("/oidc/start", headers=PAGE)
    assert answer.status_code == 502 and "did not confirm" in answer.text
    monkeypatch.delenv("ASTRAEUS_OIDC_ISSUER")
    oidc.forget()
    assert browser().get("/oidc/start", headers=PAGE).status_code == 404
    assert "Continue with" not in browser().get("/signin", headers=PAGE).text
    oidc.forget()

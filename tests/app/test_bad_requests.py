"""Bad requests to the gate, the sign-in forms and the issuer's way back: never a 5xx, never in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote_from_bytes, urlencode

import oidc_provider_mock
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import csrf, oidc, store
from app.auth.cookies import COOKIE
from astraeus_pipeline.accounts import passwords
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.gated import BASE, PAGE, browser, form_of
from tests.app.hostile import fuzzed, texts
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration
EMAIL: Final = "ana@example.org"
PATHS: Final = (
    *("/", "/costs", "/signin", "/signin/link", "/oidc/start", "/oidc/callback", "/oidc/other"),
    *("/static/x", "/media/x", "/_stcore/metrics", "/_stcore/stream", "/component/x/../y"),
)
HEADERS: Final = (
    *("accept", "accept-language", "authorization", "content-type", "cookie", "forwarded"),
    *("origin", "referer", "sec-fetch-site", "user-agent", "x-astraeus-session", "x-forwarded-for"),
    *("x-forwarded-host", "x-forwarded-proto", "range", "if-none-match", "content-encoding"),
)
COOKIES: Final = (COOKIE, csrf.COOKIE, "__Host-astraeus-oidc", "other")
FIELDS: Final = ("email", "password", "again", "link", "next", csrf.FIELD, "t", "other")
ANSWER: Final = ("code", "state", "error", "error_description", "iss", "session_state")

pairs = st.lists(st.tuples(st.sampled_from(FIELDS), texts), max_size=8)
# What a server lets through: no control characters but the tab, as bytes.
headed = st.one_of(
    texts.map(lambda text: bytes(c for c in text.encode() if c > 31 and c != 127)),
    st.binary(max_size=40).map(lambda raw: bytes(c for c in raw if c > 31 and c != 127)),
).map(bytes.strip)


@pytest.fixture(scope="module")
def people(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with (
        oidc_provider_mock.run_server_in_thread(require_nonce=True) as server,
        installed(module_database, tmp_path_factory.mktemp("home")),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("ASTRAEUS_APP_URL", BASE)
        patch.setenv("ASTRAEUS_OIDC_ISSUER", f"http://localhost:{server.server_port}")
        patch.setenv("ASTRAEUS_OIDC_CLIENT_ID", "astraeus")
        patch.setenv("ASTRAEUS_OIDC_CLIENT_SECRET", "canary")
        store.forget()
        oidc.forget()
        with module_database.connect("app", autocommit=True) as conn:
            users.add(conn, EMAIL, "Ana", "analyst", actor="test")
            users.set_password_hash(conn, EMAIL, passwords.hashed("x" * 20), actor="test")
        yield module_database
    store.forget()
    oidc.forget()


def live(database: Database) -> int:
    with database.connect("app") as conn:
        row = conn.execute("select count(*) from app.sessions").fetchone()
    return 0 if row is None else int(row[0])


def check(answer: Any) -> None:
    assert answer.status_code < 500, (answer.status_code, answer.text)
    assert "Traceback" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY" and answer.headers["content-security-policy"]
    for line in answer.headers.get_list("set-cookie"):
        assert not line.startswith(f"{COOKIE}=")
    sent = answer.headers.get("location", "/")
    assert sent.startswith("/") and not sent.startswith(("//", "/\\"))


@fuzzed(120)
@given(
    path=st.one_of(st.sampled_from(PATHS), st.binary(max_size=30).map(quote_from_bytes)),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]),
    query=pairs,
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), headed), max_size=4),
    cookies=st.lists(st.tuples(st.sampled_from(COOKIES), headed), max_size=3),
    is_page=st.booleans(),
)
def test_no_request_breaks_the_gate_or_gets_through(
    people: Database,
    path: str,
    method: str,
    query: list[tuple[str, str]],
    headers: list[tuple[str, bytes]],
    cookies: list[tuple[str, bytes]],
    is_page: bool,
) -> None:
    sent: list[tuple[bytes, bytes]] = [(name.encode(), value) for name, value in headers]
    sent += [(b"cookie", name.encode() + b"=" + value) for name, value in cookies]
    sent += [(b"accept", b"text/html")] if is_page else []
    target = f"{BASE}/{path.lstrip('/')}?{urlencode(query)}"
    answer = browser().request(method, target, headers=sent)
    if path in ("/oidc/start", "//oidc/start") and answer.status_code == 302:
        assert answer.headers["location"].startswith("http://localhost:")
        return
    check(answer)
    assert answer.text != "nobody" or path.startswith(("/static", "/signin", "/oidc"))


@fuzzed(30)
@given(
    path=st.sampled_from(["/signin", "/signin/link"]),
    fields=pairs,
    is_ours=st.booleans(),
    agent=headed,
    number=st.integers(1, 250),
)
def test_no_form_breaks_signing_in_or_signs_anybody_in(
    people: Database,
    path: str,
    fields: list[tuple[str, str]],
    is_ours: bool,
    agent: bytes,
    number: int,
) -> None:
    before = live(people)
    client = browser(f"192.0.2.{number}")
    hidden = form_of(client.get("/signin", headers=PAGE)) if is_ours else {}
    body = urlencode([*fields, *hidden.items()])
    answer = client.post(
        path,
        content=body,
        headers=[
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"user-agent", agent),
        ],
    )
    check(answer)
    assert live(people) == before


@fuzzed(25)
@given(raw=st.binary(max_size=300), kind=st.sampled_from(["application/x-www-form-urlencoded", ""]))
def test_no_body_breaks_a_form(people: Database, raw: bytes, kind: str) -> None:
    for path in ("/signin", "/signin/link"):
        check(browser().post(path, content=raw, headers={"content-type": kind}))


@fuzzed(25)
@given(
    answer=st.lists(st.tuples(st.sampled_from(ANSWER), texts), max_size=5),
    is_asked=st.booleans(),
)
def test_no_answer_of_an_issuer_breaks_the_way_back(
    people: Database, answer: list[tuple[str, str]], is_asked: bool
) -> None:
    before = live(people)
    client = browser()
    sent = list(answer)
    if is_asked:
        started = client.get("/oidc/start", headers=PAGE)
        state = started.headers["location"].partition("state=")[2].partition("&")[0]
        sent = [*[each for each in answer if each[0] != "state"], ("state", state)]
    check(client.get(f"/oidc/callback?{urlencode(sent)}", headers=PAGE))
    assert live(people) == before


@pytest.mark.parametrize("agent", [b"\x00", b"a\x00b", b"\xff" * 400, "é中".encode()])
def test_any_user_agent_may_sign_in(people: Database, agent: bytes) -> None:
    client = browser("192.0.2.251")
    hidden = form_of(client.get("/signin", headers=PAGE))
    answer = client.post(
        "/signin",
        content=urlencode({**hidden, "email": EMAIL, "password": "x" * 20}),
        headers=[
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"user-agent", agent),
        ],
    )
    assert answer.status_code == 303 and sessions.key_of(client.cookies[COOKIE])

"""The gate: who passes, who does not, and what every answer carries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.websockets import WebSocketDisconnect

from app.auth import store
from app.auth.cookies import COOKIE, SESSION_HEADER
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.gated import PAGE, SOCKET, browser
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def people(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with installed(module_database, tmp_path_factory.mktemp("home")):
        store.forget()
        yield module_database
    store.forget()


@pytest.fixture
def token(people: Database, request: pytest.FixtureRequest) -> str:
    with people.connect("app", autocommit=True) as conn:
        email = f"{abs(hash(request.node.nodeid))}@example.org"
        user = users.add(conn, email, "Vic", "viewer", actor="test")
        return sessions.begin(conn, user.id, "password")


def test_a_live_session_passes_and_is_told_to_the_app_by_its_key(token: str) -> None:
    client = browser(**{COOKIE: token})
    assert client.get("/costs").text == sessions.key_of(token)
    with client.websocket_connect(SOCKET) as socket:
        assert socket.receive_text() == sessions.key_of(token)


def test_nobody_gets_the_form_and_files_are_refused(people: Database) -> None:
    client = browser()
    answer = client.get("/costs?by=Service&ccy=EUR", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=%2Fcosts%3Fby%3DService%26ccy%3DEUR"
    for path in ("/media/figures.csv", "/_stcore/upload_file/1/2", "/favicon.png"):
        assert client.get(path).status_code == 401
    assert client.post("/costs", headers=PAGE).status_code == 401
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect(SOCKET),
    ):
        pass
    assert closed.value.code == 4401
    for path in ("/static/js/index.js", "/app/static/icon.svg", "/_stcore/health"):
        assert client.get(path).text == "nobody"


@pytest.mark.parametrize("name", [SESSION_HEADER, "X-Astraeus-Session", "x-astraeus-other"])
def test_a_forged_header_is_dropped(token: str, name: str) -> None:
    forged = {name: sessions.key_of(token)}
    client = browser()
    assert client.get("/costs", headers=forged).status_code == 401
    assert client.get("/static/x", headers=forged).text == "nobody"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(SOCKET, headers=forged),
    ):
        pass
    other = {**forged, name: "0" * 64}
    assert browser(**{COOKIE: token}).get("/x", headers=other).text == sessions.key_of(token)


@pytest.mark.parametrize(
    "change",
    [
        "expires_at = clock_timestamp() - interval '1 second'",
        "last_seen_at = clock_timestamp() - interval '61 minutes'",
        "revoked_at = clock_timestamp()",
    ],
)
def test_a_session_ends(people: Database, token: str, change: str) -> None:
    client = browser(**{COOKIE: token})
    assert client.get("/costs").status_code == 200
    with people.connect("app", autocommit=True) as conn:
        conn.execute(
            f"update app.sessions set {change} where key = %s".encode(), [sessions.key_of(token)]
        )
    assert client.get("/costs").status_code == 401
    assert store.live(sessions.key_of(token)) is None
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect(SOCKET):
        pass
    assert closed.value.code == 4401


def test_changes_of_a_person_end_their_sessions(people: Database) -> None:
    from astraeus_pipeline.contracts.people import Grant

    with people.connect("app", autocommit=True) as conn:
        users.add(conn, "boss@example.org", "Boss", "admin", actor="test")
        user = users.add(conn, "eve@example.org", "Eve", "admin", actor="test")
        for change in (
            lambda: users.set_role(conn, user.email, "viewer", actor="boss"),
            lambda: users.set_grants(conn, user.email, [Grant("team", "x")], actor="boss"),
            lambda: users.set_password_hash(conn, user.email, "$argon2id$x", actor="boss"),
            lambda: users.set_active(conn, user.email, False, actor="boss"),
        ):
            client = browser(**{COOKIE: sessions.begin(conn, user.id, "password")})
            assert client.get("/costs").status_code == 200
            change()
            assert client.get("/costs").status_code == 401
        users.set_active(conn, user.email, True, actor="boss")
        lines = conn.execute(
            "select action from app.audit_log where subject = 'eve@example.org'"
            " and actor = 'boss' order by id"
        ).fetchall()
    changes = ["user.role", "user.scope", "user.password", "user.deactivated", "user.activated"]
    assert [line[0] for line in lines if line[0] != "session.revoked"] == changes
    assert len(lines) == len(changes) + 4


def test_every_answer_has_the_headers(token: str) -> None:
    signed_in, nobody = browser(**{COOKIE: token}), browser()
    answers = {
        200: nobody.get("/signin", headers=PAGE),
        303: nobody.get("/", headers=PAGE),
        400: nobody.get("/", headers={"host": "evil.example"}),
        401: nobody.get("/media/x"),
        403: nobody.post("/signin", data={"email": "x"}),
        404: signed_in.get("/_stcore/metrics"),
        405: nobody.put("/signin"),
        410: nobody.get("/signin/link?t=x", headers=PAGE),
        500: signed_in.get("/broken"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status, answer.text
        told = answer.headers
        assert "frame-ancestors 'none'" in told["content-security-policy"], status
        assert "script-src 'self' 'sha256-x'" in told["content-security-policy"], status
        assert told["x-content-type-options"] == "nosniff", status
        assert told["x-frame-options"] == "DENY", status
        assert told["referrer-policy"] == "same-origin", status
        assert told["strict-transport-security"].startswith("max-age=31536000"), status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8501", 200),
        ("127.0.0.1.evil.example", 400),
        ("evil.example", 400),
        ("user@127.0.0.1", 400),
        ("127.0.0.1:port", 400),
    ],
)
def test_only_known_hosts_are_served(people: Database, host: str, status: int) -> None:
    assert browser().get("/signin", headers={"host": host, **PAGE}).status_code == status


def test_without_a_database_nobody_passes(
    people: Database, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.forget()
    with monkeypatch.context() as patch:
        patch.setenv("ASTRAEUS_DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/d")
        answer = browser(**{COOKIE: token}).get("/costs")
        assert answer.status_code == 503
        assert "canary" not in answer.text and "did not answer" in answer.text
        store.forget()


def test_streamlits_files_are_read_for_the_policy() -> None:
    import streamlit

    from app.auth.headers import inline_script_hashes

    shell = Path(streamlit.__file__).parent / "static" / "index.html"
    found = inline_script_hashes(shell)
    assert shell.read_text().count("<script>") == len(found) > 0
    assert all(each.startswith("'sha256-") for each in found)

"""The servers over HTTP: whose token, for which server, by which key; and the same answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final, get_args

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.assistant.servers import bearer, web
from app.assistant.servers.__main__ import main
from app.assistant.tools.contract import SCOPES, Server
from app.assistant.tools.registry import of_server
from astraeus_pipeline.cli.children import free_port
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.warehouse import users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import sign_in
from tests.app.mcp_site import KEY, Site, issuing, serving
from tests.app.test_assistant_servers import ASKED, directly
from tests.app.tool_calls import GIVEN

pytestmark = pytest.mark.integration
OTHER_KEY: Final = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with issuing() as address:
        yield address


@pytest.fixture(scope="module")
def site(marts: Database, issuer: str) -> Iterator[Site]:
    sign_in(marts, "beta", "viewer", Grant("account", "beta"))
    with marts.connect("app", autocommit=True) as conn:
        conn.execute(
            "update app.users set issuer = %s, subject = 's-beta' where email = 'beta@example.org'",
            [issuer],
        )
        users.add(conn, "new@example.org", "new", "viewer", actor="test")
    port = free_port()
    served = web.application(bearer.Issuer(issuer), f"http://127.0.0.1:{port}")
    with serving(served, port):
        yield Site(issuer, f"http://127.0.0.1:{port}/mcp/infrastructure")


def test_who_bears_a_token_gets_what_the_tools_say_to_them(site: Site) -> None:
    result = site.call(site.token(), ASKED)
    assert result.structured_content == directly("beta", "get_costs", ASKED)
    assert {row["account"] for row in result.structured_content["rows"]} == {"beta"}
    refused = site.call(site.token("nobody"), ASKED)
    assert refused.is_error and "Nobody here has this identity" in refused.content[0].text
    # Known by an address that the issuer has verified, and from then on by the subject.
    told = {"email": "new@example.org", "email_verified": False}
    assert site.call(site.token("s-new", **told), ASKED).is_error
    assert not site.call(site.token("s-new", **{**told, "email_verified": True}), ASKED).is_error
    assert not site.call(site.token("s-new"), ASKED).is_error


@pytest.mark.parametrize("server", get_args(Server))
def test_every_tool_says_what_it_says_in_this_process(
    marts: Database, site: Site, server: Server
) -> None:
    """Say the same to who may do everything and to who may read an account, refusals too."""
    there = Site(site.issuer, site.url.replace("infrastructure", server))
    if server == "infrastructure":
        sign_in(marts, "boss", "admin")
        with marts.connect("app", autocommit=True) as conn:
            conn.execute(
                "update app.users set issuer = %s, subject = 's-boss'"
                " where email = 'boss@example.org'",
                [site.issuer],
            )
    asked = {name: GIVEN.get(name, {}) for name in of_server(server)}
    scopes = " ".join(sorted(SCOPES))
    for who in ("boss", "beta"):
        answers = there.calls(there.token(f"s-{who}", scope=scopes), asked)
        for name, given in asked.items():
            try:
                expected = directly(who, name, given, scopes)
            except AstraeusError as error:
                assert answers[name].is_error and answers[name].content[0].text == str(error), name
            else:
                assert answers[name].structured_content == expected, name


def test_any_other_token_is_refused(site: Site) -> None:
    assert site.ask(site.token()).status_code == 200
    now = int(time.time())
    public = json.dumps(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())))
    refused = {
        "none": None,
        "garbled": "a.b.c",
        "forged": site.token(key=OTHER_KEY),
        "expired": site.token(exp=now - 5),
        "of another server": site.token(aud=site.url.replace("infrastructure", "cloud_sync")),
        "of another issuer": site.token(iss="https://issuer.example"),
        "of nobody": site.token(None),
        "not yet": site.token(nbf=now + 600),
        "unsigned": jwt.encode({"sub": "s-beta"}, None, "none", headers={"kid": "k1"}),
        "by the public key": jwt.encode(
            {"sub": "s-beta", "iss": site.issuer, "aud": site.url, "exp": now + 600},
            public * 2,
            "HS256",
            headers={"kid": "k1"},
        ),
        "of an unknown key": jwt.encode({"sub": "x"}, OTHER_KEY, "ES256", headers={"kid": "k2"}),
    }
    for what, token in refused.items():
        answer = site.ask(token)
        assert answer.status_code == 401, what
        assert "resource_metadata=" in answer.headers["www-authenticate"], what
    sync = Site(site.issuer, site.url.replace("infrastructure", "cloud_sync"))
    assert sync.ask(sync.token()).status_code == 200
    assert site.ask(sync.token()).status_code == sync.ask(site.token()).status_code == 401
    assert "sync_resources" in sync.ask(sync.token()).text
    assert site.ask(site.token(scope="openid")).status_code == 403
    assert site.ask(site.token(scope=["finops:read"])).status_code == 200
    assert site.ask(site.token(), host="evil.example").status_code == 421
    assert site.ask(site.token(), origin="https://evil.example").status_code == 403
    metadata = httpx.get(
        site.url.replace("/mcp/", "/.well-known/oauth-protected-resource/mcp/")
    ).json()
    assert metadata["resource"] == site.url
    assert [each.rstrip("/") for each in metadata["authorization_servers"]] == [site.issuer]
    assert metadata["scopes_supported"] == ["finops:read"]
    assert httpx.get(site.url.replace("infrastructure", "else")).status_code == 404


def test_who_is_put_out_of_the_app_is_out_here_at_once(marts: Database, site: Site) -> None:
    sign_in(marts, "goer", "viewer")
    token = site.token("s-goer", email="goer@example.org", email_verified=True)
    assert not site.call(token, ASKED).is_error
    with marts.connect("app", autocommit=True) as conn:
        users.set_active(conn, "goer@example.org", False, actor="test")
    assert "has been ended" in site.call(token, ASKED).content[0].text
    fresh = site.token("s-goer", jti="another")
    assert "Nobody here has this identity" in site.call(fresh, ASKED).content[0].text


def test_without_an_issuer_or_tls_there_is_no_server(
    issuer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ASTRAEUS_OIDC_ISSUER", raising=False)
    assert main(["http", "1"]) == ConfigError.exit_code
    assert "ASTRAEUS_OIDC_ISSUER" in capsys.readouterr().err
    for address in ("http://issuer.example", "file:///etc/passwd", issuer + "/other"):
        with pytest.raises(ConfigError):
            bearer.Issuer(address)
    with pytest.raises(ConfigError):
        web.application(bearer.Issuer(issuer), "http://costs.example.com")

"""Sign-in by an issuer: OpenID Connect's code flow with PKCE, state and nonce, by Authlib."""

from __future__ import annotations

import hmac
from functools import cache
from typing import Any, Final

import httpx2
import structlog
from anyio import to_thread
from authlib.common.errors import AuthlibBaseError
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from app.auth import routes, signing_in
from app.auth.safe_next import safe_next
from app.auth.settings import AuthSettings
from app.queries import standing
from astraeus_pipeline.settings import Settings

_LOG = structlog.get_logger(__name__)
_NAME: Final = "issuer"
_STATE_COOKIE: Final = "__Host-astraeus-oidc"
_STATE_SECONDS: Final = 600


async def start(request: Request) -> Response:
    """Send the browser to the issuer."""
    if not AuthSettings().is_configured:
        return PlainTextResponse("Not found", 404)
    request.session["next"] = safe_next(request.query_params.get("next"))
    try:
        answer: Response = await _client().authorize_redirect(request, _callback_address(request))
    except (AuthlibBaseError, httpx2.HTTPError, ValueError) as error:
        return _failed(request, error)
    return answer


async def callback(request: Request) -> Response:
    """Take the issuer's answer, check it, and open a session for whose identity it is."""
    if not AuthSettings().is_configured:
        return PlainTextResponse("Not found", 404)
    wanted = request.session.pop("next", None)
    try:
        told = (await _client().authorize_access_token(request))["userinfo"]
        issuer, subject = str(told["iss"]), str(told["sub"])
    except (AuthlibBaseError, JoseError, httpx2.HTTPError, ValueError, KeyError) as error:
        return _failed(request, error)
    request.session.clear()
    visitor = routes.visitor_of(request)
    email = told.get("email")
    is_verified = told.get("email_verified") is True
    token = await to_thread.run_sync(
        lambda: signing_in.open_by_identity(
            issuer, subject, email, is_verified=is_verified, visitor=visitor
        )
    )
    if token is None:
        name = str(email or subject)
        await to_thread.run_sync(signing_in.refuse, name, visitor, "identity is nobody's here")
        return routes.dead_end(
            request,
            "No account here",
            f"The issuer knows you as {name}, but nobody here has that identity. An administrator"
            " can add you.",
            403,
        )
    return routes.entered(token, wanted)


class OidcRoutes:
    """The two routes behind a signed cookie of their own, which keeps state for ten minutes.

    Made at the first request: its key is derived from the database's.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await _routes()(scope, receive, send)


@cache
def _routes() -> SessionMiddleware:
    router = Router([Route("/start", start), Route("/callback", callback)])
    password = standing.opened().password("app")
    return SessionMiddleware(
        router,
        secret_key=hmac.new(password.encode(), b"oidc state", "sha256").hexdigest(),
        session_cookie=_STATE_COOKIE,
        max_age=_STATE_SECONDS,
        https_only=True,
    )


@cache
def _client() -> Any:
    # Here, as most installations never need it, and it takes half a second.
    from authlib.integrations.starlette_client import OAuth

    settings = AuthSettings()
    secret = settings.client_secret.get_secret_value() if settings.client_secret else None
    return OAuth().register(
        _NAME,
        client_id=settings.client_id,
        client_secret=secret,
        server_metadata_url=f"{str(settings.issuer).rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
    )


def forget() -> None:
    """Read the settings anew at the next sign-in."""
    _client.cache_clear()
    _routes.cache_clear()


def _callback_address(request: Request) -> str:
    """Return where the issuer sends people back to: by the settings, never by a Host header."""
    base = Settings.from_env().app_url
    if not base:
        raise ValueError("ASTRAEUS_APP_URL is not set")
    return f"{base.rstrip('/')}/oidc/callback"


def _failed(request: Request, error: Exception) -> Response:
    _LOG.error("oidc.failed", error=f"{type(error).__name__}: {error}")
    return routes.dead_end(
        request,
        "That did not work",
        "The issuer did not confirm who you are. Try again; if it stays so, ask an administrator.",
        502 if isinstance(error, httpx2.HTTPError) else 403,
    )

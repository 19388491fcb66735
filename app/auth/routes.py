"""The routes of signing in: form, password, one-time link."""

from __future__ import annotations

from typing import Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.auth import forms, limits, passwords, signing_in
from app.auth.cookies import COOKIE, SESSION_HEADER
from app.auth.safe_next import safe_next
from app.auth.settings import AuthSettings
from app.auth.signing_in import Visitor

_LIFE_SECONDS: Final = 12 * 3600
_WRONG: Final = "Email and password do not match."
_STALE: Final = "The form was too old, or came from elsewhere. Please try again."


async def show(request: Request) -> Response:
    """Show the form; who is signed in goes on."""
    if request.headers.get(SESSION_HEADER):  # the gate's: it drops what a client sends
        return RedirectResponse(safe_next(request.query_params.get("next")), 303)
    return _form(request, request.query_params.get("next"))


async def sign_in(request: Request) -> Response:
    """Check email and password."""
    fields = await forms.read(request)
    if fields is None:
        return _form(request, None, error=_STALE, status=403)
    email, password, wanted = (fields.get(name, "") for name in ("email", "password", "next"))
    visitor = visitor_of(request)
    is_admitted, known = await to_thread.run_sync(signing_in.attempt, email, visitor)
    if not is_admitted:
        error = f"Too many attempts. Try again in {limits.WINDOW_MINUTES} minutes."
        answer = _form(request, wanted, email=email, error=error, status=429)
        answer.headers["retry-after"] = str(60 * limits.WINDOW_MINUTES)
        return answer
    kept = known.password_hash if known else None
    is_right = len(password) <= passwords.MAXIMUM_LENGTH and await passwords.holds_soon(
        kept, password
    )
    if known is None or not is_right:
        await to_thread.run_sync(signing_in.refuse, email, visitor, "email or password")
        return _form(request, wanted, email=email, error=_WRONG, status=401)
    token = await to_thread.run_sync(signing_in.open_session, known, "password", visitor)
    return entered(token, wanted)


async def show_link(request: Request) -> Response:
    """Show the form behind a one-time link; looking at it does not use it up, as scanners look."""
    link = request.query_params.get("t", "")
    email = await to_thread.run_sync(signing_in.owner_of_link, link)
    return _link_form(request, link, email) if email else _dead_link(request)


async def use_link(request: Request) -> Response:
    """Set the password and use the link up."""
    fields = await forms.read(request)
    if fields is None:
        return _dead_link(request, _STALE, 403)
    link, password = fields.get("link", ""), fields.get("password", "")
    email = await to_thread.run_sync(signing_in.owner_of_link, link)
    if email is None:
        return _dead_link(request)
    objection = passwords.objection(password, email)
    if objection is None and password != fields.get("again"):
        objection = "The two are not the same."
    if objection:
        return _link_form(request, link, email, error=objection, status=422)
    made = await passwords.hashed_soon(password)
    token = await to_thread.run_sync(signing_in.open_by_link, link, made, visitor_of(request))
    return entered(token, "/") if token else _dead_link(request)


def entered(token: str, wanted: str | None) -> Response:
    """Return the way into the app with a fresh session cookie."""
    answer = RedirectResponse(safe_next(wanted), 303, {"cache-control": "no-store"})
    answer.set_cookie(
        COOKIE,
        token,
        max_age=_LIFE_SECONDS,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return answer


def visitor_of(request: Request) -> Visitor:
    """Return who asks, for limits and audit."""
    address = request.client.host if request.client else "unknown"
    return Visitor(address, request.headers.get("user-agent"), request.cookies.get(COOKIE))


def dead_end(request: Request, title: str, sentence: str, status: int) -> Response:
    """Return a page that leads back to the form."""
    return forms.page(request, "dead end", title, sentence, status=status)


def _form(
    request: Request, wanted: str | None, *, email: str = "", error: str = "", status: int = 200
) -> Response:
    return forms.page(
        request,
        "sign in",
        "Sign in",
        "Costs of all clouds, tied to the providers' own totals.",
        status=status,
        next=safe_next(wanted),
        email=email[:254],
        error=error,
        sso=AuthSettings().sign_in_name,
    )


def _link_form(
    request: Request, link: str, email: str, *, error: str = "", status: int = 200
) -> Response:
    return forms.page(
        request,
        "link",
        "Choose a password",
        f"For {email}. The link works once; from then on you sign in with this password.",
        status=status,
        link=link,
        email=email,
        error=error,
        minimum=passwords.MINIMUM_LENGTH,
    )


def _dead_link(request: Request, error: str = "", status: int = 410) -> Response:
    sentence = error or "It has been used, is too old, or was replaced by a newer one."
    return dead_end(request, "This link does not work", sentence, status)


ROUTES: Final = (
    Route("/signin", show, methods=["GET"]),
    Route("/signin", sign_in, methods=["POST"]),
    Route("/signin/link", show_link, methods=["GET"]),
    Route("/signin/link", use_link, methods=["POST"]),
)

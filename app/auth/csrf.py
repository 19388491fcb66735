"""Double submit: a form carries what a cookie holds, which no other site can read or set."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "__Host-astraeus-form"
FIELD: Final = "form_token"


def token_of(request: Request) -> str:
    """Return the token that this browser has, or a fresh one; another tab's form stays valid."""
    held = request.cookies.get(COOKIE, "")
    return held if len(held) == 43 and held.isascii() else secrets.token_urlsafe(32)


def keep(response: Response, token: str) -> None:
    """Set the cookie that the form's token is compared with."""
    response.set_cookie(
        COOKIE, token, max_age=3600, path="/", secure=True, httponly=True, samesite="lax"
    )


def holds(request: Request, form: Mapping[str, str]) -> bool:
    """Whether a form came from a page of ours in this browser."""
    held, sent = request.cookies.get(COOKIE, ""), form.get(FIELD, "")
    is_same = bool(held) and hmac.compare_digest(held.encode(), sent.encode())
    return is_same and request.headers.get("sec-fetch-site", "same-origin") in (
        "same-origin",
        "none",
    )

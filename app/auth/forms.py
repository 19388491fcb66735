"""The sign-in pages: plain HTML without scripts, in the theme of the app."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.auth import csrf

_MOST_BYTES: Final = 8_192
_PAGES: Final = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)


def page(
    request: Request, kind: str, title: str, sentence: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page; `kind` is "sign in", "link" or "dead end"."""
    token = csrf.token_of(request)
    content = _PAGES.get_template("signin.html").render(
        kind=kind, title=title, sentence=sentence, token=token, **values
    )
    answer = HTMLResponse(content, status, {"cache-control": "no-store"})
    csrf.keep(answer, token)
    return answer


async def read(request: Request) -> dict[str, str] | None:
    """Return the fields of a form that was sent; None if it is too large or no form of ours."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return None
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10))
    except ValueError:
        return None
    return fields if csrf.holds(request, fields) else None

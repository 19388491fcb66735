"""Headers of every answer: what a browser may load and from where, and who may frame it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_YEAR: Final = 31_536_000


def inline_script_hashes(page: Path) -> list[str]:
    """Return the CSP sources of the inline scripts in an HTML file of Streamlit's."""
    found = _INLINE.findall(page.read_text(encoding="utf-8"))
    digests = (hashlib.sha256(script.encode()).digest() for script in found)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def policy(script_hashes: list[str]) -> str:
    """Return the content security policy of the app: its own files, and what charts need."""
    return "; ".join(
        (
            "default-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "frame-ancestors 'none'",
        )
    )


def added(send: Send, csp: str, *, is_https: bool) -> Send:
    """Wrap `send` so that every answer has the headers, whatever its status."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = csp
            headers["x-content-type-options"] = "nosniff"
            headers["x-frame-options"] = "DENY"
            headers["referrer-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["permissions-policy"] = "camera=(), geolocation=(), microphone=()"
            if is_https:
                headers["strict-transport-security"] = f"max-age={_YEAR}; includeSubDomains"
        await send(message)

    return wrapped

"""The page that Streamlit's program starts in, with something to see and with what it will need.

Streamlit paints nothing before its program runs, and asks for the parts of a chart or a table when
it first meets one. Here the page shows the name at once, and the parts come while the figures are
asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What Dashboard and Costs draw, by the names that Streamlit's files have before their hash.
PARTS: Final = (
    *("Selectbox", "Multiselect", "ButtonGroup", "Button", "PageLink"),
    *("Metric", "Html", "ArrowVegaLiteChart", "DataFrame"),
)
_CHUNK: Final = re.compile(r"^(?P<part>.+)\.[\w-]{8}\.js$")
_IMPORTED: Final = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
_ROOT: Final = '<div id="root"></div>'
_TITLE: Final = "<title>Streamlit</title>"
_ICON: Final = 'href="./favicon.png"'
_HEAD_END: Final = "</head>"
# Shown until the first element is on the page, under any dialog of Streamlit's. Colors are those of
# the theme in config.toml.
_SPLASH: Final = f"""{_ROOT}
<div class="astraeus-splash" role="status">
<img src="./app/static/icon.svg" alt="" width="40" height="40"><span>Astraeus</span></div>"""
_STYLE: Final = """<style>
.astraeus-splash { position: fixed; inset: 0; z-index: 1; pointer-events: none; display: flex;
  gap: .75rem; align-items: center; justify-content: center; font: 600 1.3rem system-ui, sans-serif;
  color: #0B1220; background: #FFF }
@media (prefers-color-scheme: dark) { .astraeus-splash { color: #E6EAF1; background: #10151D } }
body:has([data-testid="stElementContainer"], [data-testid="stSkeleton"]) .astraeus-splash {
  display: none }
</style>"""


def parts(folder: Path) -> list[str]:
    """Return the files of `PARTS` in Streamlit's folder of scripts, with all that these import."""
    by_part = {
        match["part"]: path.name
        for path in folder.glob("*.js")
        if (match := _CHUNK.match(path.name))
    }
    waiting = [by_part[part] for part in PARTS if part in by_part]
    found: dict[str, None] = {}
    while waiting:
        name = waiting.pop(0)
        if name not in found and (folder / name).is_file():
            found[name] = None
            waiting += _IMPORTED.findall((folder / name).read_text(encoding="utf-8"))
    return list(found)


def page(original: str, scripts: list[str]) -> str:
    """Return Streamlit's page with our name, a picture to begin with, and links to scripts."""
    named = set(re.findall(r"\./static/js/([\w.-]+\.js)", original))
    links = "\n".join(
        f'<link rel="modulepreload" crossorigin href="./static/js/{each}">'
        for each in scripts
        if each not in named
    )
    return (
        original.replace(_TITLE, "<title>Astraeus</title>")
        .replace(_ICON, 'href="./app/static/icon.svg"')
        .replace(_HEAD_END, f"{links}\n{_STYLE}\n{_HEAD_END}")
        .replace(_ROOT, _SPLASH)
    )


class Shell:
    """Answers with our page where Streamlit answers with its own, at whatever address."""

    def __init__(self, app: ASGIApp, *, index: Path) -> None:
        self._app = app
        self._theirs = index.read_bytes()
        text = self._theirs.decode("utf-8")
        self._ours = page(text, parts(index.parent / "static" / "js")).encode("utf-8")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and replace what comes back if it is that page."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def replaced(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-length") == str(len(self._theirs)):
                    held.append(message)
                    return
            elif held:
                held.append(message)
                if message.get("more_body"):
                    return
                for each in self._swapped(held):
                    await send(each)
                held.clear()
                return
            await send(message)

        await self._app(scope, receive, replaced)

    def _swapped(self, held: list[Message]) -> Iterator[Message]:
        start, *bodies = held
        if b"".join(each.get("body", b"") for each in bodies) != self._theirs:
            yield from held
            return
        headers = MutableHeaders(scope=start)
        headers["content-length"] = str(len(self._ours))
        for stale in ("etag", "last-modified"):
            if stale in headers:
                del headers[stale]
        yield start
        yield {"type": "http.response.body", "body": self._ours}

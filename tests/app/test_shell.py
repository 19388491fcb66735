"""The page that the program starts in: every link of it is there, and nothing else is touched."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app.auth.headers import inline_script_hashes
from app.shell import PARTS, Shell, parts

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
SCRIPTS = INDEX.parent / "static" / "js"


def _index(_: Request) -> Response:
    return FileResponse(INDEX)


def _other(_: Request) -> Response:
    return HTMLResponse("x" * INDEX.stat().st_size)


def _client() -> TestClient:
    routes = [Route("/other", _other), Route("/{path:path}", _index)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Shell, index=INDEX)]))


def test_streamlits_page_has_our_name_and_names_what_pages_draw_with(tmp_path: Path) -> None:
    answer = _client().get("/costs")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "<title>Astraeus</title>" in answer.text
    assert 'class="astraeus-splash"' in answer.text
    linked = re.findall(r'modulepreload" crossorigin href="\./static/js/([^"]+)', answer.text)
    assert len(linked) == len(set(linked))
    assert all((SCRIPTS / each).is_file() for each in linked)
    # After an upgrade of Streamlit that names its files anew, this tells which to look for.
    missing = [each for each in PARTS if not any(name.startswith(f"{each}.") for name in linked)]
    assert not missing
    # What the content security policy lets run is what the page has.
    changed = tmp_path / "index.html"
    changed.write_text(answer.text, encoding="utf-8")
    assert inline_script_hashes(changed) == inline_script_hashes(INDEX)


def test_what_parts_import_is_found_with_them() -> None:
    found = parts(SCRIPTS)
    assert any(each.startswith("embed.") for each in found)  # Vega, which charts import
    assert len(found) == len(set(found)) > len(PARTS)


def test_other_answers_pass_untouched_whatever_their_length() -> None:
    client = _client()
    assert client.get("/other").text == "x" * INDEX.stat().st_size
    assert client.head("/costs").headers["content-length"] == str(INDEX.stat().st_size)

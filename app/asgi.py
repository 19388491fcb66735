"""The app behind its gate: `streamlit run app/asgi.py`, or `uvicorn app.asgi:app`."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.middleware import Middleware
from starlette.routing import Mount
from streamlit import config

# Streamlit puts this file's folder on the path; absolute imports want the one above.
FOLDER = Path(__file__).resolve().parent
if str(FOLDER.parent) not in sys.path:
    sys.path.insert(0, str(FOLDER.parent))

from app.auth import headers  # noqa: E402 - after the path is right
from app.auth.gate import SessionGate  # noqa: E402 - after the path is right
from app.auth.oidc import OidcRoutes  # noqa: E402 - after the path is right
from app.auth.routes import ROUTES  # noqa: E402 - after the path is right
from app.health import HEALTH  # noqa: E402 - after the path is right
from app.shell import Shell  # noqa: E402 - after the path is right
from astraeus_pipeline import logs, traces  # noqa: E402 - after the path is right
from astraeus_pipeline.settings import Settings  # noqa: E402 - after the path is right

logs.configure(Settings.from_env())
traces.configure(Settings.from_env(), "astraeus-app")
# Streamlit asks which hosts it serves when it opens a socket, the gate at every request.
PUBLIC = urlsplit(Settings.from_env().app_url or "")
HOSTS = [*config.get_option("server.allowedHosts")]
if PUBLIC.hostname and PUBLIC.hostname not in HOSTS:
    HOSTS.append(PUBLIC.hostname)
    config.set_option("server.allowedHosts", HOSTS)

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
app = streamlit.App(
    FOLDER / "streamlit_app.py",
    routes=[*ROUTES, *HEALTH, Mount("/oidc", OidcRoutes())],
    middleware=[
        Middleware(
            SessionGate,
            allowed_hosts=HOSTS,
            csp=headers.policy(headers.inline_script_hashes(INDEX)),
            is_https=PUBLIC.scheme == "https",
        ),
        Middleware(Shell, index=INDEX),
    ],
)

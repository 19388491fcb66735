"""Whether this process lives, whether it can answer, and what it has measured."""

from __future__ import annotations

from typing import Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import measures
from app.auth import store
from astraeus_pipeline.monitoring import server
from astraeus_pipeline.settings import Settings


async def ready(_: Request) -> Response:
    """Answer whether the database does, as signing in and every page need it."""
    return await to_thread.run_sync(server.answered, _ask_database)


async def metrics(request: Request) -> Response:
    """Tell what was measured to whoever has the token; others, and all without one, see nothing.

    The app stands behind a proxy, where everybody seems to come from this machine.
    """
    settings = Settings.from_env()
    if settings.metrics_token is None or not server.is_admitted(request, settings):
        return PlainTextResponse("Not found", 404)
    return server.exposed(measures.REGISTRY)


def _ask_database() -> None:
    with store.connection() as conn:
        conn.execute("select 1")


HEALTH: Final = (
    Route("/health/live", server.live),
    Route("/health/ready", ready),
    Route("/metrics", metrics),
)

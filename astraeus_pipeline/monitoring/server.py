"""Metrics and health of an installation over HTTP, for Prometheus and for whoever supervises.

`/health/live` answers while this process does; `/health/ready` needs the database, migrated;
`/health/daemon` Dagster's daemons, which serve nothing themselves; `/metrics` tells the facts.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from astraeus_pipeline.errors import AstraeusError, DatabaseError
from astraeus_pipeline.monitoring.exporter import WarehouseCollector
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import operations, refusals
from astraeus_pipeline.warehouse.engine import standing_database


def application(settings: Settings) -> Starlette:
    """Return the server of one installation."""
    registry = CollectorRegistry()
    registry.register(WarehouseCollector(settings, lambda: standing_database(settings)))
    ProcessCollector(registry=registry)

    async def metrics(request: Request) -> Response:
        if not is_admitted(request, settings):
            return PlainTextResponse("Not found", 404)
        return await to_thread.run_sync(exposed, registry)

    async def ready(_: Request) -> Response:
        return await to_thread.run_sync(answered, lambda: check_ready(settings))

    async def daemon(_: Request) -> Response:
        return await to_thread.run_sync(answered, lambda: check_daemons(settings))

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/health/daemon", daemon),
        ]
    )


async def live(_: Request) -> Response:
    """Answer: nothing else is looked at, as a restart would mend nothing else."""
    return JSONResponse({"state": "live"})


def is_admitted(request: Request, settings: Settings) -> bool:
    """Whether a request has the token, where one is asked for."""
    if settings.metrics_token is None:
        return True
    told = request.headers.get("authorization", "").encode()
    wanted = f"Bearer {settings.metrics_token.get_secret_value()}".encode()
    return hmac.compare_digest(told, wanted)


def exposed(registry: CollectorRegistry) -> Response:
    """Return all metrics of a registry as Prometheus reads them."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def answered(check: Callable[[], object]) -> Response:
    """Run a check and tell how it ended: 200, or 503 with a sentence, which holds no secret."""
    try:
        check()
    except AstraeusError as error:
        return JSONResponse({"state": "not ready", "why": str(error)}, 503)
    except psycopg.Error as error:
        why = f"PostgreSQL did not answer: {refusals.of(error).why}."
        return JSONResponse({"state": "not ready", "why": why}, 503)
    return JSONResponse({"state": "ready"})


def check_ready(settings: Settings) -> None:
    """Make sure that the database answers and is migrated. Raises: DatabaseError."""
    from astraeus_pipeline.warehouse import migrate  # Alembic, which the app does without

    database = standing_database(settings)
    if not migrate.is_migrated(database):
        raise DatabaseError("The database is not migrated.", hint="Run `astraeus db migrate`.")


def check_daemons(settings: Settings) -> None:
    """Make sure that Dagster's daemons gave a sign lately. Raises: DatabaseError."""
    with standing_database(settings).connect("dagster", connect_timeout=5) as conn:
        silent = operations.silent(operations.heartbeats(conn), datetime.now(UTC))
    if silent:
        raise DatabaseError(
            f"No sign for five minutes of {', '.join(silent).lower()}.",
            hint="Look at the daemon's last lines in logs/up.log, then `astraeus stop` and `up`.",
        )

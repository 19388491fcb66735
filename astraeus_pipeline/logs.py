"""Logs of our own processes: one event a line, with the ids that lead from one to the next.

`request_id` is that of a page as it was drawn, of a question in the chat or of a tool's call;
`run_id` that of a Dagster run, which raw.deliveries names too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import structlog

from astraeus_pipeline.settings import Settings

REQUEST: Final = "request_id"


def configure(settings: Settings) -> None:
    """Log as the settings say, to what is standard output at the time of each line."""
    last: Any = (
        structlog.processors.JSONRenderer(default=str)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )


@contextmanager
def request(**known: Any) -> Iterator[str]:
    """Give all that is logged within the same request_id, and what is known; yield the id.

    What began as part of another request keeps that one's id.
    """
    number = request_id() or uuid4().hex
    with structlog.contextvars.bound_contextvars(**{REQUEST: number}, **known):
        yield number


def request_id() -> str | None:
    """Return the id of what is being answered, None outside of any request."""
    found = structlog.contextvars.get_contextvars().get(REQUEST)
    return None if found is None else str(found)

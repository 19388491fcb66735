"""What the agent remembers of a thread, in PostgreSQL. Imports LangGraph: at the first question.

For going on alone: what a thread shows is in app.chat_messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from astraeus_pipeline.warehouse.engine import Database


@asynccontextmanager
async def open_memory(database: Database) -> AsyncIterator[AsyncPostgresSaver]:
    """Yield the checkpointer for `build_agent`; of one event loop.

    Raises: psycopg_pool.PoolTimeout where the database does not answer.
    """
    target = database.url("app").set(drivername="postgresql")
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        target.render_as_string(hide_password=False),
        min_size=1,
        max_size=4,
        open=False,
        timeout=10,
        kwargs={
            "application_name": "astraeus assistant",
            "autocommit": True,
            "options": "-c search_path=app",
            "prepare_threshold": 0,
            "row_factory": dict_row,
        },
        check=AsyncConnectionPool.check_connection,
    )
    async with pool:
        yield AsyncPostgresSaver(pool, serde=serializer())


async def forget_steps(memory: AsyncPostgresSaver, session_id: UUID) -> None:
    """Keep only where a thread stands now: each question leaves a dozen steps behind."""
    await memory.aprune([str(session_id)], strategy="keep_latest")


def serializer() -> JsonPlusSerializer:
    """Return what reads checkpoints: messages and LangGraph's own types, no other class."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)

"""Tools of the registry as the agent calls them. Imports LangChain: at the first question only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from threading import Thread
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from app.assistant.tools.contract import ToolSpec
from app.queries.execute import Stopper


def bound(specs: Iterable[ToolSpec]) -> list[BaseTool]:
    """Return tools that answer with text for the model, and the whole result as the artifact.

    The arguments are checked by the tool itself, whose words name what is allowed. The artifact is
    plain JSON, as a checkpoint keeps it.
    """
    return [_bound(each) for each in specs]


def _bound(spec: ToolSpec) -> BaseTool:
    async def run(**given: Any) -> tuple[str, dict[str, Any]]:
        stopper = Stopper()
        try:
            with stopper.active():
                # A thread sees who asks, as it takes the context of the task along.
                result = await asyncio.to_thread(spec.run, given)
        except asyncio.CancelledError:
            # The thread cannot be cancelled, its query can; not awaited, as this task ends now.
            Thread(target=stopper.stop, name="stop a query", daemon=True).start()
            raise
        return result.for_model(), result.model_dump(mode="json")

    return StructuredTool(
        name=spec.name,
        description=spec.description,
        args_schema=spec.input_schema,
        coroutine=run,
        response_format="content_and_artifact",
    )

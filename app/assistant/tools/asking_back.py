"""A question back to the person, where one reading of theirs is as good as another."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.assistant.tools.asking import Asking
from app.assistant.tools.contract import ToolResult

Choice = Annotated[str, Field(min_length=1, max_length=120)]


def ask_which(
    question: Annotated[str, Field(description="One sentence", min_length=1, max_length=300)],
    choices: Annotated[
        list[Choice],
        Field(
            min_length=2,
            max_length=5,
            description="What may be meant, the likeliest first, each a whole question by itself",
        ),
    ],
) -> ToolResult:
    """Ask the person which of some readings of their question is meant; this ends your answer.

    Only where the figures would differ and neither the question nor the conversation says which.
    """
    picked = list(dict.fromkeys(choices))
    return Asking().result(
        "ask_which",
        [{"choice": each} for each in picked],
        {"question": question, "choices": picked},
    )

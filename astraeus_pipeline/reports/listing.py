"""Names of what reports speak of by id: lists {data: [{id, name}], has_more, last_id}."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from astraeus_pipeline.errors import AuthError, PayloadError
from astraeus_pipeline.reports.api import Answer, JsonApi, Parameters


def listed(
    api: JsonApi, path: str, parameters: Parameters, cursor: str, attempt: str
) -> Iterator[Answer]:
    """Yield the pages of a list; none where the key may read reports and not the list.

    `cursor` names the parameter that takes the last id of a page.

    Raises: PayloadError if a page names no last id, or one that came before.
    """
    seen: set[str] = set()
    more: list[tuple[str, str]] = []
    while True:
        try:
            answer = api.get(path, [*parameters, *more], attempt)
        except AuthError:
            return  # a bill without names is a bill
        yield answer
        if not answer.content.get("has_more"):
            return
        last = answer.content.get("last_id")
        if not isinstance(last, str) or last in seen:
            api.fail(PayloadError, attempt, "promised a further page and led to none")
        seen.add(last)
        more = [(cursor, last)]


def named(pages: Iterable[dict[str, Any]], purpose: str) -> Iterator[dict[str, Any]]:
    """Yield the stored pages of a purpose with `names`, the name per id stored before them."""
    names: dict[str, str] = {}
    for page in pages:
        if page["purpose"] == "names":
            names |= _names(page["answer"])
        elif page["purpose"] == purpose:
            yield {**page, "names": names}


def _names(content: dict[str, Any]) -> dict[str, str]:
    items = [item for item in content.get("data") or () if isinstance(item, dict)]
    return {
        item["id"]: item["name"]
        for item in items
        if isinstance(item.get("id"), str) and item.get("name") and isinstance(item["name"], str)
    }

"""Tools of the assistant called as a person whom the fixtures signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.assistant.tools.contract import Scope, ToolResult, acting
from app.assistant.tools.registry import TOOLS
from app.auth import store
from tests.app.conftest import DAYS, user_of

# What a tool cannot do without.
GIVEN: Final[dict[str, dict[str, Any]]] = {
    "describe_metric": {"name": "account"},
    "validate_credentials": {"account": "acme"},
    "run_sql": {"sql": "select account_id from marts.dim_accounts"},
    "search_web": {"query": "price of gp3"},
    "sync_resources": {"account": "acme", "start": DAYS.first, "end": DAYS.last},
    "acknowledge_anomaly": {"anomaly_id": "a1"},
    "acknowledge_alert": {"breach_id": "b1"},
    "create_budget": {"name": "x", "amount": 9, "currency": "USD"},
    "change_budget": {"budget": "for all"},
    "ask_which": {"question": "Which?", "choices": ["One", "Other"]},
}


@contextmanager
def acting_as(name: str) -> Iterator[Scope]:
    found = store.live(user_of(name)["session"])
    assert found is not None
    with acting(Scope.of(found)) as _:
        yield Scope.of(found)


def call(name: str, who: str = "admin", /, **arguments: Any) -> ToolResult:
    with acting_as(who):
        return TOOLS[name].run(arguments)

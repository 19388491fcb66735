"""What pages ask of the marts: the pages run without a browser, and their statements are noted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamlit.testing.v1 import AppTest

from app.auth import store
from app.components import cache
from app.queries import execute
from app.queries.catalog import DIMENSIONS
from app.queries.compiler import Statement
from astraeus_pipeline.orchestration.environment import child_environment
from astraeus_pipeline.warehouse import sessions
from benchmarks.estates import settings_of
from benchmarks.scratch import Scratch

ENTRY: Final = str(Path(__file__).parents[1] / "app" / "streamlit_app.py")
WINDOWS: Final = ("Month to date", "Last month", "30 days", "90 days", "12 months")


@dataclass(frozen=True)
class View:
    """A page with its address and the widgets that are open."""

    page: str
    what: str
    parameters: tuple[tuple[str, str], ...] = ()
    state: tuple[tuple[str, Any], ...] = ()


def views() -> list[View]:
    """Return the views of every page that are measured."""
    costs = [
        View("costs", f"by {dimension.label.lower()}, {window}", _address(window, dimension.label))
        for window in WINDOWS
        for dimension in DIMENSIONS.values()
        # A tag has to be chosen, too; who bears costs is asked of marts of its own.
        if dimension.source == "daily" or (dimension.key == "team" and window in WINDOWS[::4])
    ]
    drilled = [
        View("costs", f"{key} {value} by {by.lower()}, {window}", (*_address(window, by), each))
        for window in ("Month to date", "12 months")
        for key, value, by in (
            ("provider", "Cloud A", "Service"),
            ("category", "Compute", "Service"),
            ("service", "Service 07", "Account"),
            ("account", "bench-03", "Sub account"),
        )
        for each in [(key, value)]
    ]
    both = (*_address("30 days", "Sub account"), ("service", "Service 07"), ("account", "bench-03"))
    return [
        View("dashboard", "opened"),
        *costs,
        *drilled,
        View("costs", "service and account by sub account, 30 days", both),
        View("costs", "why it changed, 30 days", _address("30 days", "Provider"), (("why", True),)),
        View("budgets", "budgets"),
        *(
            View("budgets", tab.lower(), (("tab", tab),))
            for tab in ("Alerts", "Anomalies", "Savings", "Rules")
        ),
        View("accounts", "opened"),
        View("resources", "opened"),
        View("resources", "searched", (("q", "app-1"),)),
        View("trace", "month to date"),
    ]


def _address(window: str, by: str) -> tuple[tuple[str, str], ...]:
    return (("period", window), ("by", by))


@contextmanager
def pointed_at(place: Scratch) -> Iterator[None]:
    """Point the app in this process at a warehouse."""
    settings = settings_of(place)
    former = dict(os.environ)
    os.environ.pop("ASTRAEUS_DATABASE_URL", None)
    os.environ.update(child_environment(settings, place.database))
    forget()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)
        forget()


def forget() -> None:
    """Drop what the app has kept: answers, connections."""
    cache.forget_all()
    execute.forget_engine()
    store.forget()


def statements(view: View, token: str) -> list[Statement]:
    """Return what a view asks, in its order, each statement once.

    Raises: RuntimeError where the page failed or showed an error.
    """
    noted: dict[str, Statement] = {}
    original = execute.run

    def note(statement: Statement, session: str = "") -> list[execute.Row]:
        noted[statement.key] = statement
        return original(statement, session)

    forget()
    execute.run = note
    try:
        opened = _opened(view, {"session": sessions.key_of(token)}, noted)
    finally:
        execute.run = original
    if opened.exception or opened.error:
        raise RuntimeError(f"{view}: {opened.exception or opened.error}")
    return list(noted.values())


def _opened(view: View, user: Mapping[str, str], noted: dict[str, Statement]) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=300)
    at.user = dict(user)
    for name, value in view.parameters:
        at.query_params[name] = value
    for name, value in view.state:
        at.session_state[name] = value
    at.run()
    if view.page != "dashboard":
        noted.clear()
        cache.forget_all()
        at.switch_page(f"views/{view.page}.py").run()
    return at

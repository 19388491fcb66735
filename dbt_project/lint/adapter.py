"""What sqlfluff has of dbt's `adapter`: macros are dispatched to PostgreSQL's, as dbt does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, name: str) -> Callable[..., Any]:
    """Return the macro of this name for PostgreSQL, or the one for any engine."""
    return context.resolve(f"postgres__{name}") or context.resolve(f"default__{name}")

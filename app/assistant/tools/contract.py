"""What every tool takes and gives: who asks, what is asked, an answer that can be checked."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    create_model,
    model_validator,
)

from app.assistant import flow
from app.assistant.flow import text as text
from app.assistant.tools import names
from app.auth.permissions import Permission
from app.auth.principal import Principal
from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import ConfigError, ForbiddenError

Cell = str | int | bool | Decimal | date | None
Parameter = str | int | bool | list[str] | list[dict[str, str | list[str]]] | None
Server = Literal["infrastructure", "cloud_sync", "llm_analytics"]
Source = Server | Literal["chat"]  # of no server: only here
READ: Final = "finops:read"
SYNC: Final = "finops:sync"
ADMIN: Final = "finops:admin"
SQL: Final = "finops:sql"
TRIAGE: Final = "finops:triage"
BUDGETS: Final = "finops:budgets"
# What somebody's role must allow, whatever a token or a page grants them.
_PERMISSIONS: Final[dict[str, Permission]] = {
    **{READ: "read", SYNC: "accounts", ADMIN: "users"},
    **{SQL: "sql", TRIAGE: "triage", BUDGETS: "budgets"},
}
# All that the app's own page grants; the role decides.
SCOPES: Final = frozenset(_PERMISSIONS)
_AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Scope:
    """Who asks: `user_id` is their email, `scopes` what the caller may do, `finops:read` say.

    `session` is the key by which PostgreSQL knows whose rows to show; it reaches no model and no
    log. `is_by_team`: they see what is allocated to teams in whole accounts' stead;
    `sees_everything`: all accounts.
    """

    user_id: str
    scopes: frozenset[str]
    session: str = field(repr=False)
    is_by_team: bool = False
    sees_everything: bool = False

    @classmethod
    def of(cls, who: Principal, scopes: frozenset[str] = frozenset({READ})) -> Scope:
        """Return the scope of who is signed in: of `scopes` those that their role allows."""
        allowed = {name for name, permission in _PERMISSIONS.items() if who.may(permission)}
        return cls(who.email, scopes & allowed, who.session, who.is_by_team, who.sees_everything)


_CALLER: ContextVar[Scope | None] = ContextVar("caller", default=None)


@contextmanager
def acting(scope: Scope) -> Iterator[None]:
    """Let tools be called for somebody, in this task and the threads that it awaits."""
    token = _CALLER.set(scope)
    try:
        yield
    finally:
        _CALLER.reset(token)


def caller() -> Scope:
    """Return who asks. Raises: ForbiddenError where nobody has been named."""
    found = _CALLER.get()
    if found is None:
        raise ForbiddenError("Nobody is signed in.", hint="Tools answer only for a known person.")
    return found


def needs(scope: str) -> None:
    """Refuse a caller without a scope. Raises: ForbiddenError."""
    if scope not in caller().scopes:
        raise ForbiddenError(
            f"This needs the scope {scope}.",
            hint="It must be granted, and the role must allow it: ask an administrator.",
        )


def cell(value: Any) -> Cell:
    """Return a value of a row as an answer holds it: exact, without control characters, short."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        # Without exponents and zeros at the end, so that it is spelled alike everywhere.
        return Decimal(money.plain(value))
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text(str(value))


def _cells(rows: Any) -> Any:
    return [{name: cell(value) for name, value in row.items()} for row in rows]


def _restored(value: Any, is_figure: bool) -> Any:
    if not isinstance(value, str):
        return value
    if is_figure and _AMOUNT.fullmatch(value):
        return Decimal(value)
    return date.fromisoformat(value) if _is_day(value) else value


def _is_day(value: str) -> bool:
    if not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _exact(totals: Any) -> Any:
    return {name: cell(value) for name, value in totals.items()}


class ToolResult(BaseModel):
    """An answer. Money is exact (text in JSON), and never a sum over currencies.

    Read from its own JSON it is the same again. `unit` names the unit of each numeric column and
    total: an ISO currency, `%`, a noun, or `billing_currency` where each row names its own. `sql`
    can be pasted into a session as the reader role; `params` is the question as it was understood,
    defaults filled in.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read_again(cls, given: Any) -> Any:
        """Make amounts and days of what was kept as JSON what they were."""
        if not isinstance(given, dict) or "rows" not in given:
            return given
        unit = given.get("unit") or {}
        rows = [
            {name: _restored(value, name in unit) for name, value in row.items()}
            for row in given["rows"]
        ]
        return {**given, "rows": rows}

    result_id: str
    tool: str
    rows: Annotated[list[dict[str, Cell]], BeforeValidator(_cells)]
    # Over all rows, not only those shown.
    totals: Annotated[dict[str, Decimal], BeforeValidator(_exact)] = {}
    row_count: int
    truncated: bool = False
    unit: dict[str, str] = {}
    # Which cost of the catalogue, where it is about one.
    basis: str | None = None
    sql: str = ""
    params: dict[str, Parameter] = {}
    # The last day that every account asked about has delivered.
    data_as_of: date | None = None
    # Whether what stands agrees with the providers' own totals; None where that cannot be told.
    reconciliation: Literal["no residual open", "residuals open"] | None = None
    notes: list[str] = []

    def for_model(self) -> str:
        """Return what a model is shown, as JSON: everything but the SQL."""
        return self.model_dump_json(exclude={"sql"}, exclude_none=True)


def result_id(tool: str, sql: str, params: Mapping[str, Parameter], as_of: date | None) -> str:
    """Return the id of what the caller gets for a question on data of a day."""
    parts = (tool, sql, json.dumps(params, sort_keys=True), caller().user_id, str(as_of))
    return f"r{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class ToolSpec:
    """A tool: a function of annotated, defaulted arguments that returns a ToolResult.

    The function's docstring is what models read of it. A tool with `is_write` needs approval; one
    whose `is_on` says no is offered to nobody. One that `is_outgoing` sends words of a model out of
    the house, for money: only a turn of the chat can, and it asks once rows are in its context.
    """

    function: Callable[..., ToolResult]
    server: Source
    title: str
    scope: str = READ
    is_write: bool = False
    is_outgoing: bool = False
    ends_turn: bool = False
    is_on: Callable[[], bool] = lambda: True

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The arguments as a model, which refuses what the function does not take."""
        signature = inspect.signature(self.function, eval_str=True)
        fields: dict[str, Any] = {
            name: (each.annotation, ... if each.default is each.empty else each.default)
            for name, each in signature.parameters.items()
        }
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The arguments as JSON Schema."""
        return self.arguments.model_json_schema()

    def run(self, given: Mapping[str, Any]) -> ToolResult:
        """Answer the caller.

        Raises: ForbiddenError if the caller may not, ConfigError for arguments that cannot be
        asked (it names the fault, what is allowed and the nearest), DatabaseError.
        """
        who = caller().user_id
        arguments = flow.masked(given)
        with flow.step("a tool was called", tool=self.name, user=who, arguments=arguments) as told:
            result = self._run(given)
            told |= {"result": result.result_id, "rows": len(result.rows)}
            told["bytes"] = len(result.for_model().encode())
        return result

    def _run(self, given: Mapping[str, Any]) -> ToolResult:
        needs(self.scope)
        try:
            asked = self.arguments.model_validate(dict(given))
        except ValidationError as error:
            raise ConfigError(_faults(error, list(self.arguments.model_fields))) from None
        return self.function(**{name: getattr(asked, name) for name in self.arguments.model_fields})


def _faults(error: ValidationError, parameters: list[str]) -> str:
    found = []
    for each in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
            found.append(names.unknown("argument", place, parameters))
        else:
            message = each["msg"].removeprefix("Value error, ").rstrip(".")
            found.append(f"{place}: {message}." if place else f"{message}.")
    return " ".join(found[:5])

"""SQL that a model wrote: checked against lists of what is allowed, written anew from the tree.

What runs is never the text that came: comments, encodings and spellings end with it. Nothing is
allowed for not being known to be bad: each kind of node, function, type, table and column is on a
list. The database is the second barrier: role reader, policies, read only (`execute.run_guarded`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NoReturn

from sqlglot import Dialect, Token, TokenType, exp
from sqlglot.errors import SqlglotError

from app.queries.guarded_nodes import (
    ARGUMENTS,
    FUNCTION_NAMES,
    NODES,
    OTHER_FUNCTIONS,
    REASONS,
    TYPES,
)
from app.queries.guarded_units import Figures, figures_of
from astraeus_pipeline.errors import ConfigError

# By mart, its columns.
Marts = Mapping[str, frozenset[str]]
LONGEST: Final = 4_000
_MOST_TOKENS: Final = 1_200
_DEEPEST: Final = 24
_MOST_JOINS: Final = 6
_MOST_SELECTS: Final = 16
_LONGEST_NUMBER: Final = 30
_SHOWN: Final = 40
_SCHEMA: Final = "marts"
_BEGINS: Final = re.compile(r"[\s(]*(?:select|with)\b", re.IGNORECASE)
# Of each table, and in no mart.
_SYSTEM_COLUMNS: Final = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"})
_OPENING: Final = frozenset(
    {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
)
_CLOSING: Final = frozenset(
    {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
)
# Each of these in a row is a level of the parser's recursion, which nothing else bounds.
_PREFIXES: Final = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE})
_MOST_PREFIXES: Final = 3
# A common table expression gets a name that nothing in the database has: outside of where it is
# visible its name would else be looked for in pg_catalog.
_CTE: Final = "asked_"


@dataclass(frozen=True)
class Guarded:
    """A query that may run: `sql` returns a row more than were asked for, if there are more."""

    sql: str
    marts: frozenset[str]
    figures: Figures


def guarded(text: str, marts: Marts, limit: int) -> Guarded:
    """Return the query that may run in the place of a text.

    Raises: ConfigError saying what is refused and what to do instead.
    """
    try:
        tree = _parsed(text)
        _check_nodes(tree)
        used = _check_names(tree, marts)
        figures = figures_of(tree, marts)
        _rename_ctes(tree)
        inner = tree.sql(dialect="postgres", comments=False, identify=True)
    except RecursionError:
        _refuse("it is nested too deeply", "Write it flatter, by WITH.")
    sql = f'SELECT * FROM ({inner}) AS "asked" LIMIT {limit + 1}'  # noqa: S608 - what was checked
    return Guarded(sql, used, figures)


def _refuse(what: str, instead: str) -> NoReturn:
    raise ConfigError(f"Refused: {what}.", hint=instead)


def _parsed(text: str) -> exp.Query:
    text = text.strip().removesuffix(";").rstrip()
    if not text:
        _refuse("there is no SQL", "Give one SELECT over the marts.")
    if len(text) > LONGEST:
        _refuse(f"more than {LONGEST} characters", "Ask for less at once.")
    if any(unicodedata.category(each)[0] == "C" and each not in "\n\r\t" for each in text):
        _refuse("control or invisible characters", "Write it with plain characters.")
    if not _BEGINS.match(text):
        _refuse("it is no query", "Begin with SELECT or WITH; nothing can be changed here.")
    dialect = _postgres()
    try:
        tokens = dialect.tokenize(text)
        _check_tokens(tokens)
        trees = dialect.parser().parse(tokens, text)
    except SqlglotError as error:
        raise ConfigError(
            f"Refused: it cannot be read as PostgreSQL's SQL{_place(error)}.",
            hint="Use plain SELECT syntax, functions and casts.",
        ) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        _refuse("more or other than one query", "Give one SELECT.")
    return trees[0]


@cache
def _postgres() -> Dialect:
    return Dialect.get_or_raise("postgres")


def _place(error: Exception) -> str:
    found = getattr(error, "errors", None)
    return f" (line {found[0]['line']}, column {found[0]['col']})" if found else ""


def _check_tokens(tokens: list[Token]) -> None:
    """Bound what a parser would do before it does: it recurses, and has no limit of its own."""
    if len(tokens) > _MOST_TOKENS:
        _refuse("it is too long", "Ask for less at once.")
    depth = in_a_row = 0
    for each in tokens:
        kind = each.token_type
        if kind == TokenType.SEMICOLON:
            _refuse("more than one statement", "Give one SELECT, without semicolons.")
        depth += (kind in _OPENING) - (kind in _CLOSING)
        in_a_row = in_a_row + 1 if kind in _PREFIXES else 0
        if depth > _DEEPEST or in_a_row > _MOST_PREFIXES:
            _refuse("it is nested too deeply", "Write it flatter, by WITH.")


def _check_nodes(tree: exp.Query) -> None:
    joins = selects = 0
    for node in tree.walk():
        kind = type(node)
        if kind not in NODES:
            _refuse_node(node)
        allowed = ARGUMENTS.get(kind)
        if allowed is not None:
            for name, value in node.args.items():
                if value and name not in allowed:
                    _refuse(*REASONS.get(name, (f"{name.strip('_')} in a query", "Leave it out.")))
        joins += kind in (exp.Join, exp.Lateral)
        selects += kind is exp.Select
        _check_node(node)
    if joins > _MOST_JOINS:
        _refuse(f"more than {_MOST_JOINS} joins", "Ask for less at once.")
    if selects > _MOST_SELECTS:
        _refuse(f"more than {_MOST_SELECTS} selects", "Ask for less at once.")


def _refuse_node(node: exp.Expr) -> NoReturn:
    kind = type(node).__name__
    if kind in REASONS:
        _refuse(*REASONS[kind])
    if isinstance(node, exp.Func):
        _refuse_function(node.sql_name() if kind != "Anonymous" else node.name)
    _refuse(f"{kind} is not among what a query may have", "Use plain SELECT syntax.")


def _refuse_function(name: str) -> NoReturn:
    near = get_close_matches(name.lower(), FUNCTION_NAMES, n=3)
    meant = f"Did you mean {', '.join(near)}?" if near else "Use common functions only."
    _refuse(f"the function {name.lower()[:_SHOWN]} is not among those allowed", meant)


def _check_node(node: exp.Expr) -> None:
    match node:
        case exp.Anonymous():
            # Quoted, a name is another than it looks.
            if not isinstance(node.this, str) or node.this.lower() not in OTHER_FUNCTIONS:
                _refuse_function(node.name)
            node.set("this", node.this.lower())
        case exp.DataType():
            if node.this not in TYPES or node.args.get("nested"):
                spelled = node.sql(dialect="postgres").lower()[:_SHOWN]
                _refuse(
                    f"the type {spelled} is not among those allowed",
                    "Cast to text, numeric, integer, date, timestamp, interval or boolean.",
                )
        case exp.Lateral():
            if not isinstance(node.this, exp.Subquery):
                _refuse(*REASONS["Anonymous table"])
        case exp.Literal():
            if not node.is_string and len(str(node.this)) > _LONGEST_NUMBER:
                _refuse("a number of so many digits", "Write a shorter one.")
        case exp.Var():
            if not re.fullmatch(r"[A-Za-z_]{1,20}", str(node.this)):
                _refuse(f"{str(node.this)[:_SHOWN]!r}", "Name units as day, week, month.")
        case exp.Identifier():
            _check_identifier(node)


def _check_identifier(node: exp.Identifier) -> None:
    """Fold a name as PostgreSQL does, so that it can be quoted; refuse those of the system."""
    name = str(node.this)
    if not node.quoted:
        name = "".join(each.lower() if each.isascii() else each for each in name)
        node.set("this", name)
    if name.lower() in _SYSTEM_COLUMNS:
        _refuse(f"{name} is a column of the system", "Use the marts' own columns.")
    if len(name.encode()) > 63:
        _refuse("a name of more than 63 bytes", "Choose a shorter one.")


def _check_names(tree: exp.Query, marts: Marts) -> frozenset[str]:
    """Find every table among the marts and the query's own, every column among theirs."""
    ctes = {each.alias for each in tree.find_all(exp.CTE)}
    if taken := sorted(ctes & marts.keys()):
        _refuse(f"{taken[0]} is a mart, and a WITH of this query", "Name that otherwise.")
    if system := sorted(each for each in ctes if each.startswith("pg_")):
        _refuse(f"{system[0]} is a name of the system's", "Name that WITH otherwise.")
    used = set()
    for table in tree.find_all(exp.Table):
        name = _mart_of(table, ctes, marts)
        if name is not None:
            used.add(name)
            table.set("db", exp.to_identifier(_SCHEMA))
    _check_columns(tree, ctes | used, {each for name in used for each in marts[name]})
    return frozenset(used)


def _mart_of(table: exp.Table, ctes: set[str], marts: Marts) -> str | None:
    """Return the mart that a table is, None for one of the query's own."""
    if not isinstance(table.this, exp.Identifier):
        _refuse(*REASONS["Anonymous table"])
    schema = table.db
    if not schema and table.name in ctes:
        return None
    if schema not in ("", _SCHEMA) or table.catalog:
        _refuse(
            f"{schema[:_SHOWN]}.{table.name[:_SHOWN]} is not in schema marts",
            f"Ask the marts: {_some(marts)}.",
        )
    if table.name not in marts:
        near = get_close_matches(table.name, marts, n=3)
        _refuse(
            f"there is no mart {table.name[:_SHOWN]!r}",
            f"Did you mean {', '.join(near)}?" if near else f"There are: {_some(marts)}.",
        )
    return table.name


def _check_columns(tree: exp.Query, tables: set[str], columns: Iterable[str]) -> None:
    known = {*columns, *FUNCTION_NAMES}
    aliases = set(tables)
    for node in tree.find_all(exp.Alias, exp.TableAlias):
        if isinstance(node, exp.Alias):
            known.add(node.alias)
            continue
        aliases.add(node.name)
        known |= {each.name for each in node.args.get("columns") or ()}
    for column in tree.find_all(exp.Column):
        if column.args.get("db"):
            # marts.fct_x.cost: once is enough.
            if column.db != _SCHEMA or column.args.get("catalog"):
                _refuse(f"{column.sql()[:_SHOWN]}", "Name a column as table.column.")
            column.set("db", None)
        if column.table and column.table not in aliases:
            _refuse(
                f"there is no table {column.table[:_SHOWN]!r} in the query",
                "Name a column by the table or alias in FROM.",
            )
        if isinstance(column.this, exp.Star) or column.name in known:
            continue
        near = get_close_matches(column.name, known, n=3)
        _refuse(
            f"there is no column {column.name[:_SHOWN]!r} in {_some(sorted(tables))}",
            f"Did you mean {', '.join(near)}?" if near else f"There are: {_some(sorted(columns))}.",
        )


def _some(names: Iterable[Any]) -> str:
    listed = [str(each) for each in names]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN])}{more}"


def _rename_ctes(tree: exp.Query) -> None:
    ctes = {each.alias for each in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not table.db and table.name in ctes:
            name = table.name
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
            table.set("this", exp.to_identifier(_CTE + name))
    for cte in tree.find_all(exp.CTE):
        cte.args["alias"].set("this", exp.to_identifier(_CTE + cte.alias))

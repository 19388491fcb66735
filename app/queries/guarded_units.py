"""Which columns of a model's query are money, and in which currency: none is summed over several.

By the names of the marts' columns, through sub-queries and WITH. What is not understood is no
money: its figures have no currency, and an answer that gives them one is flagged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from sqlglot import exp

from astraeus_pipeline.errors import ConfigError

Kind = Literal["money", "percent", "ratio", "currency"]
_MONEY: Final = re.compile(r"(?:^|_)(?:cost|amount|savings?|delta|residual|tolerance)$")
_CURRENCIES: Final = ("billing_currency", "currency")
_HUNDRED: Final = frozenset({"100", "100.0", "100.00"})
# What leaves the unit of its first argument as it is.
_KEEPS: Final = (
    *(exp.Paren, exp.Neg, exp.Cast, exp.Round, exp.Trunc, exp.Abs, exp.Ceil, exp.Floor),
    *(exp.Nullif, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
    *(exp.Min, exp.Max, exp.Filter, exp.Window, exp.Distinct, exp.Alias, exp.Ordered),
)
_ADDS: Final = (exp.Sum, exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp)
_PICKS: Final = (exp.Coalesce, exp.Greatest, exp.Least)


@dataclass(frozen=True)
class Figures:
    """`kinds` by output column; the currency of money is `currency`, or in `currency_column`."""

    kinds: Mapping[str, Kind]
    currency: str | None = None
    currency_column: str | None = None


@dataclass
class _Rows:
    """What a table or a query gives: kinds by column, the one currency that its money is in."""

    kinds: dict[str, Kind | None] = field(default_factory=dict)
    currency: str | None = None

    @property
    def has_money(self) -> bool:
        return "money" in self.kinds.values()


def figures_of(tree: exp.Query, marts: Mapping[str, Iterable[str]]) -> Figures:
    """Return the figures of a query. Raises: ConfigError where it sums over currencies."""
    known = {name: _mart(columns) for name, columns in marts.items()}
    rows = _query(tree, known)
    kinds = {name: kind for name, kind in rows.kinds.items() if kind is not None}
    column = next((name for name, kind in kinds.items() if kind == "currency"), None)
    return Figures(kinds, rows.currency, column)


def _mart(columns: Iterable[str]) -> _Rows:
    names = set(columns)
    has_currency = bool(names & set(_CURRENCIES))
    kinds: dict[str, Kind | None] = {}
    for name in sorted(names):
        if name in _CURRENCIES:
            kinds[name] = "currency"
        elif has_currency and _MONEY.search(name) and not name.startswith("pricing_currency"):
            kinds[name] = "money"
        else:
            kinds[name] = None
    return _Rows(kinds)


def _query(node: exp.Expr | None, known: Mapping[str, _Rows]) -> _Rows:
    if isinstance(node, exp.Subquery):
        return _query(node.this, known)
    if isinstance(node, exp.SetOperation):
        return _both(node, _with(node, known))
    if isinstance(node, exp.Select):
        return _Select(node, _with(node, known)).rows()
    return _Rows()


def _with(node: exp.Expr, known: Mapping[str, _Rows]) -> Mapping[str, _Rows]:
    found = dict(known)
    clause = node.args.get("with_")
    for each in clause.expressions if clause else ():
        found[each.alias] = _named(_query(each.this, found), each.args["alias"])
    return found


def _both(node: exp.SetOperation, known: Mapping[str, _Rows]) -> _Rows:
    left, right = _query(node.this, known), _query(node.expression, known)
    kinds = [*right.kinds.values()]
    same = {
        name: kind if at < len(kinds) and kinds[at] == kind else None
        for at, (name, kind) in enumerate(left.kinds.items())
    }
    return _Rows(same, left.currency if left.currency == right.currency else None)


def _named(rows: _Rows, alias: exp.Expr | None) -> _Rows:
    """Return rows under the names that `AS alias (a, b)` gives them."""
    names = [each.name for each in (alias.args.get("columns") or ())] if alias else []
    if not names:
        return rows
    return _Rows(dict(zip(names, rows.kinds.values(), strict=False)), rows.currency)


class _Select:
    def __init__(self, node: exp.Select, known: Mapping[str, _Rows]) -> None:
        self._node = node
        self._known = known
        self._sources: dict[str, _Rows] = {}
        for each in self._tables():
            self._add(each)
        self._pinned = self._pin()

    def _tables(self) -> Iterable[exp.Expr]:
        begin = self._node.args.get("from_")
        waiting = [begin.this] if begin else []
        waiting += [each.this for each in self._node.args.get("joins") or ()]
        waiting += list(self._node.args.get("laterals") or ())
        while waiting:
            table = waiting.pop(0)
            yield table
            waiting += [each.this for each in table.args.get("joins") or ()]
            waiting += list(table.args.get("laterals") or ())

    def _add(self, table: exp.Expr) -> None:
        if isinstance(table, exp.Table):
            rows = self._known.get(table.name, _Rows())
        else:
            inner = table.this if isinstance(table, exp.Lateral) else table
            rows = _query(inner, self._known)
        self._sources[table.alias_or_name] = _named(rows, table.args.get("alias"))

    def _pin(self) -> str | None:
        """Return the one currency that all money of the tables is in, if it is said."""
        codes = {name: each.currency for name, each in self._sources.items()}
        links: list[tuple[str, str]] = []
        where = self._node.args.get("where")
        for each in _conjuncts(where.this if where else None):
            self._learn(each, codes, links)
        for join in self._node.args.get("joins") or ():
            if join.args.get("side") in ("RIGHT", "FULL"):
                continue
            # What a left join asks of the left table keeps none of its rows out.
            known = codes if not join.args.get("side") else dict(codes)
            for each in _conjuncts(join.args.get("on")):
                self._learn(each, known, links)
            if any(each.name in _CURRENCIES for each in join.args.get("using") or ()):
                right = join.this.alias_or_name
                links += [(left, right) for left in self._sources if left != right]
        for _ in self._sources:
            for left, right in links:
                known_code = codes.get(left) or codes.get(right)
                codes[left] = codes[right] = known_code
        said = {codes.get(name) for name, each in self._sources.items() if each.has_money}
        return said.pop() if len(said) == 1 else None

    def _learn(
        self, node: exp.Expr, codes: dict[str, str | None], links: list[tuple[str, str]]
    ) -> None:
        """Note what a condition says of a table's currency: which it is, or that of another."""
        if isinstance(node, exp.EQ):
            sides = [node.this, node.expression]
        elif isinstance(node, exp.In) and len(node.expressions) == 1:
            sides = [node.this, node.expressions[0]]
        else:
            return
        tables = [self._table(each) for each in sides if self._kind(each) == "currency"]
        text = [each.name for each in sides if isinstance(each, exp.Literal) and each.is_string]
        if len(tables) == 1 and text and tables[0] is not None:
            codes[tables[0]] = text[0]
        elif len(tables) == 2 and tables[0] is not None and tables[1] is not None:
            links.append((tables[0], tables[1]))

    def _table(self, node: exp.Expr) -> str | None:
        if not isinstance(node, exp.Column):
            return None
        if node.table:
            return node.table
        found = [name for name, rows in self._sources.items() if node.name in rows.kinds]
        return found[0] if len(found) == 1 else None

    def rows(self) -> _Rows:
        """Return the kinds of what is selected. Raises: ConfigError for a sum over currencies."""
        found: dict[str, Kind | None] = {}
        for at, each in enumerate(self._node.expressions):
            if each.is_star:
                for name, rows in self._sources.items():
                    if not isinstance(each, exp.Column) or each.table == name:
                        found |= rows.kinds
                continue
            found[each.alias_or_name or f"?{at}"] = self._kind(each)
        self._check_sums()
        return _Rows(found, self._pinned)

    def _check_sums(self) -> None:
        if self._pinned is not None:
            return
        for node in self._own(self._node):
            if isinstance(node, _ADDS) and self._kind(node.this) == "money":
                around = node.parent
                if isinstance(around, exp.Filter):
                    around = around.parent
                if isinstance(around, exp.Window) and any(
                    around.this is each for each in (node, node.parent)
                ):
                    parts = around.args.get("partition_by") or ()
                    is_apart = any(self._kind(each) == "currency" for each in parts)
                else:
                    is_apart = self._is_by_currency()
                if not is_apart:
                    raise ConfigError(
                        f"Refused: {node.sql(dialect='postgres').lower()[:60]} may add up several"
                        " currencies.",
                        hint="Select and group by billing_currency (in windows: partition by it),"
                        " or keep to one by WHERE billing_currency = 'USD'.",
                    )

    def _own(self, node: exp.Expr) -> Iterable[exp.Expr]:
        """Yield the nodes of this select and not those of queries within it."""
        for each in node.iter_expressions():
            if not isinstance(each, exp.Query | exp.With | exp.From | exp.Join | exp.Lateral):
                yield each
                yield from self._own(each)

    def _is_by_currency(self) -> bool:
        group = self._node.args.get("group")
        if group is None:
            return False
        if any(self._is_currency(each) for each in group.expressions):
            return True
        return any(
            isinstance(each, exp.GroupingSets)
            and all(any(self._is_currency(part) for part in _parts(of)) for of in each.expressions)
            for each in group.expressions
        )

    def _is_currency(self, node: exp.Expr) -> bool:
        """Whether something to group by is a currency: a column, an alias, or a place."""
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
            place = int(node.name) - 1
            selected = self._node.expressions
            return place < len(selected) and self._kind(selected[place]) == "currency"
        if self._kind(node) == "currency":
            return True
        return isinstance(node, exp.Column) and any(
            isinstance(each, exp.Alias)
            and each.alias == node.name
            and self._kind(each) == "currency"
            for each in self._node.expressions
        )

    def _kind(self, node: exp.Expr | None) -> Kind | None:
        match node:
            case exp.Column():
                return self._column(node)
            case exp.Div():
                return self._divided(node)
            case exp.Mul():
                kinds = (self._kind(node.this), self._kind(node.expression))
                by_hundred = {node.this.name, node.expression.name} & _HUNDRED
                if "ratio" in kinds:
                    return "percent" if by_hundred else None
                return "money" if "money" in kinds and kinds.count("money") == 1 else None
            case exp.Add() | exp.Sub():
                left, right = self._kind(node.this), self._kind(node.expression)
                return left if left == right or _is_number(node.expression) else None
            case exp.Case():
                return self._same([each.args["true"] for each in node.args["ifs"]], node)
            case exp.Subquery():
                kinds_within = [*_query(node, {**self._known, **self._sources}).kinds.values()]
                return kinds_within[0] if len(kinds_within) == 1 else None
            case exp.WithinGroup():
                # percentile_cont(0.5) within group (order by billed_cost)
                order = node.expression
                return self._kind(order.expressions[0]) if order and order.expressions else None
        if isinstance(node, _PICKS):
            return self._same([node.this, *node.expressions])
        if isinstance(node, _KEEPS + _ADDS):
            return self._kind(node.this)
        return None

    def _column(self, node: exp.Column) -> Kind | None:
        if node.table:
            return self._sources.get(node.table, _Rows()).kinds.get(node.name)
        found = {
            rows.kinds[node.name] for rows in self._sources.values() if node.name in rows.kinds
        }
        return found.pop() if len(found) == 1 else None

    def _divided(self, node: exp.Div) -> Kind | None:
        above, below = self._kind(node.this), self._kind(node.expression)
        if above == "money" and below == "money":
            top = node.this.unnest()
            is_percent = isinstance(top, exp.Mul) and (
                {top.this.name, top.expression.name} & _HUNDRED
            )
            return "percent" if is_percent else "ratio"
        return "money" if above == "money" else None

    def _same(self, nodes: list[exp.Expr], case: exp.Case | None = None) -> Kind | None:
        if case is not None and case.args.get("default") is not None:
            nodes = [*nodes, case.args["default"]]
        kinds = {self._kind(each) for each in nodes if not isinstance(each, exp.Null | exp.Literal)}
        return kinds.pop() if len(kinds) == 1 else None


def _conjuncts(node: exp.Expr | None) -> Iterable[exp.Expr]:
    waiting = [node] if node is not None else []
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.Paren):
            waiting.append(each.this)
        elif isinstance(each, exp.And):
            waiting += [each.this, each.expression]
        else:
            yield each


def _parts(node: exp.Expr) -> list[exp.Expr]:
    return node.expressions if isinstance(node, exp.Tuple) else [node.unnest()]


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string

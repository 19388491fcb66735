"""What a query of a model may be made of: lists of what is allowed, and words for what is not."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

_STRUCTURE: Final = (
    *(exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.With, exp.CTE),
    *(exp.From, exp.Join, exp.Lateral, exp.Table, exp.TableAlias, exp.Identifier, exp.Column),
    *(exp.Alias, exp.Star, exp.Where, exp.Group, exp.GroupingSets, exp.Rollup, exp.Cube),
    *(exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.Tuple),
    *(exp.Paren, exp.Window, exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.Literal, exp.Var),
    *(exp.Boolean, exp.Null, exp.Interval, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Array),
)
_OPERATORS: Final = (
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is),
    *(exp.In, exp.Between, exp.Like, exp.ILike, exp.Escape, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If),
    *(exp.Exists, exp.Any, exp.All, exp.AtTimeZone, exp.JSONExtract, exp.JSONExtractScalar),
    *(exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot, exp.JSONBContainsTopKey),
    exp.ArrayContainsAll,
)
# No function that reads anything but its arguments, that waits, or whose result may be far larger
# than what it is given (repeat, lpad, replace, format).
FUNCTIONS: Final = (
    *(exp.Sum, exp.Avg, exp.Count, exp.Min, exp.Max, exp.Stddev, exp.StddevPop, exp.StddevSamp),
    *(exp.Variance, exp.VariancePop, exp.Corr, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2),
    *(exp.PercentileCont, exp.PercentileDisc, exp.Mode, exp.ArrayAgg, exp.GroupConcat),
    *(exp.LogicalOr, exp.LogicalAnd, exp.Grouping),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
    *(exp.Round, exp.Trunc, exp.Abs, exp.Ceil, exp.Floor, exp.Sign, exp.Sqrt, exp.Ln, exp.Exp),
    *(exp.Greatest, exp.Least, exp.Coalesce, exp.Nullif, exp.WidthBucket),
    *(exp.Lower, exp.Upper, exp.Initcap, exp.Length, exp.Trim, exp.Substring, exp.Left, exp.Right),
    *(exp.SplitPart, exp.StrPosition, exp.Concat, exp.ConcatWs),
    *(exp.Extract, exp.TimestampTrunc, exp.DateBin, exp.CurrentDate, exp.CurrentTimestamp),
    *(exp.TimeToStr, exp.StrToDate, exp.DateFromParts, exp.MakeInterval),
)
# By name, as the parser has no class of them.
OTHER_FUNCTIONS: Final = frozenset({"age", "make_date", "row"})
NODES: Final = frozenset({*_STRUCTURE, *_OPERATORS, *FUNCTIONS, exp.Anonymous})
FUNCTION_NAMES: Final = tuple(
    sorted(
        {
            *(name.lower() for kind in FUNCTIONS for name in kind.sql_names()),
            *OTHER_FUNCTIONS,
            *("date_trunc", "to_char", "to_date", "now", "date_part", "position", "bool_or"),
            *("bool_and", "string_agg", "count", "case"),
        }
    )
)
TYPES: Final = frozenset(
    {
        *(exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.DECIMAL),
        *(exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.DOUBLE, exp.DType.FLOAT),
        *(exp.DType.BOOLEAN, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ),
        *(exp.DType.INTERVAL, exp.DType.JSONB),
    }
)
_QUERY: Final = frozenset({"with_", "expressions", "distinct", "from_", "joins", "laterals"}) | {
    *("where", "group", "having", "windows", "order", "limit", "offset", "this", "expression"),
    *("alias", "side", "kind"),
}
# Of nodes whose arguments may hold more than nodes, those that are allowed.
ARGUMENTS: Final = {
    exp.Select: _QUERY - {"kind", "side", "this", "expression", "alias"},
    exp.Union: _QUERY - {"kind", "side"},
    exp.Intersect: _QUERY - {"kind", "side"},
    exp.Except: _QUERY - {"kind", "side"},
    exp.Subquery: _QUERY - {"kind", "side"},
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias", "materialized"}),
    exp.Table: frozenset({"this", "alias", "db", "catalog", "joins", "laterals"}),
    exp.Lateral: frozenset({"this", "alias"}),
    exp.Join: frozenset({"this", "on", "side", "kind", "using", "method"}),
    exp.Star: frozenset[str](),
    exp.Limit: frozenset({"expression", "this", "offset"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Count: frozenset({"this", "expressions", "big_int"}),
}
_NO_TABLE_FUNCTIONS: Final = (
    "a function in the place of a table",
    "Take days from marts.dim_dates, and rows from the marts.",
)
_READS: Final = "a query only reads"
_NO_PARAMETERS: Final = ("parameters and placeholders", "Write the values themselves.")
_NO_STRINGS: Final = ("another spelling of text than '...'", "Write text in single quotes.")
# By class of node, or argument of one.
REASONS: Final[dict[str, tuple[str, str]]] = {
    "Anonymous table": _NO_TABLE_FUNCTIONS,
    "rows_from": _NO_TABLE_FUNCTIONS,
    "Explode": _NO_TABLE_FUNCTIONS,
    "Unnest": _NO_TABLE_FUNCTIONS,
    "ExplodingGenerateSeries": _NO_TABLE_FUNCTIONS,
    "GenerateSeries": _NO_TABLE_FUNCTIONS,
    "JSONTable": _NO_TABLE_FUNCTIONS,
    "XMLTable": _NO_TABLE_FUNCTIONS,
    "Dot": (
        "a name of a schema before a function, or a field of a value",
        "Name functions without a schema, and columns as table.column.",
    ),
    "Operator": ("operators by the name of a schema", "Use plain operators."),
    "Into": (f"INTO writes, and {_READS}", "Leave INTO out."),
    "into": (f"INTO writes, and {_READS}", "Leave INTO out."),
    "Lock": (f"FOR UPDATE and FOR SHARE lock, and {_READS}", "Leave the lock out."),
    "locks": (f"FOR UPDATE and FOR SHARE lock, and {_READS}", "Leave the lock out."),
    **dict.fromkeys(
        ("Insert", "Update", "Delete", "Merge", "Create", "Drop", "Copy", "Command"),
        (f"it changes something, and {_READS}", "Give one SELECT."),
    ),
    **dict.fromkeys(("Parameter", "Placeholder", "SessionParameter"), _NO_PARAMETERS),
    **dict.fromkeys(
        ("UnicodeString", "ByteString", "BitString", "HexString", "RawString", "Heredoc"),
        _NO_STRINGS,
    ),
    "National": _NO_STRINGS,
    "TableSample": ("TABLESAMPLE: a sum over a sample is no cost", "Leave it out."),
    "sample": ("TABLESAMPLE: a sum over a sample is no cost", "Leave it out."),
    "recursive": ("WITH RECURSIVE", "Take days from marts.dim_dates, and join."),
    "Values": ("VALUES", "Ask the marts; write a few values as IN ('a', 'b') or CASE."),
    "catalog": ("names of a database", "Name a mart as marts.name."),
    "Collate": ("COLLATE", "Order without it."),
    "RegexpLike": ("regular expressions", "Use LIKE or ILIKE."),
    "RegexpILike": ("regular expressions", "Use LIKE or ILIKE."),
    "SimilarTo": ("regular expressions", "Use LIKE or ILIKE."),
    "Fetch": ("FETCH", "Use LIMIT."),
    "Hint": ("hints", "Leave them out."),
    **dict.fromkeys(
        ("CurrentUser", "SessionUser", "CurrentSchema", "CurrentCatalog", "CurrentRole"),
        ("what tells of the connection", "Ask the marts; rows are those of who asks."),
    ),
}

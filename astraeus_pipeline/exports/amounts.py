"""Whole columns of amounts and quantities as exact decimals."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts.columns import DECIMAL_PRECISION, DECIMAL_SCALES
from astraeus_pipeline.exports.cells import Notes, Typed, is_text, text
from astraeus_pipeline.exports.objects import highest_byte

_PLAIN: Final = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$"
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# Whatever its point, such a text fits decimal128 at one of the scales.
_LONGEST_PLAIN: Final = 26
_USUAL_LENGTH: Final = 20  # such a text fits decimal128 at the two usual scales, 12 and 18
_FINEST: Final = DECIMAL_SCALES[-1]
_WIDE: Final = Context(prec=12_000)


class NoCommonScale(Exception):
    """A batch holds amounts that no single decimal128 scale can hold: type it in smaller pieces."""


def decimals(column: pa.Array, notes: Notes) -> Typed:
    """Return the column as decimal128(38, s), s the smallest permitted scale that loses nothing.

    Doubles are taken by their shortest spelling (and rounded at 30 decimals: float noise).
    Raises: NoCommonScale; pa.ArrowInvalid if the column's type cannot be a number.
    """
    kind = column.type
    if pa.types.is_null(kind) or column.null_count == len(column):
        return Typed(pa.nulls(len(column), _type(DECIMAL_SCALES[0])))
    if pa.types.is_integer(kind):
        column = column.cast(pa.decimal128(DECIMAL_PRECISION, 0))
    if pa.types.is_decimal(column.type):
        return _from_decimals(column, notes)
    if pa.types.is_floating(kind):
        return _from_doubles(column, notes)
    if not is_text(column):
        raise pa.ArrowInvalid(f"{kind} is not a type of number")
    return _from_texts(text(column, notes), notes)


def _type(scale: int) -> pa.DataType:
    return pa.decimal128(DECIMAL_PRECISION, scale)


def _first_exact(cast: Callable[[int], pa.Array], whole_digits: int) -> pa.Array | None:
    """Try the scales, smallest first; None if none holds all values.

    Arrow checks for lost decimals, but its scaling up wraps around without a word once an amount
    needs more than 38 digits, hence the bound.
    """
    for scale in DECIMAL_SCALES:
        if whole_digits + scale > DECIMAL_PRECISION:
            break
        try:
            return cast(scale)
        except pa.ArrowInvalid:
            continue
    return None


def _from_decimals(column: pa.Array, notes: Notes) -> Typed:
    digits = column.type.precision - column.type.scale
    if digits + DECIMAL_SCALES[-1] > DECIMAL_PRECISION:
        digits = _digits_of(column.cast(pa.float64()))
    array = _first_exact(lambda scale: column.cast(_type(scale)), digits)
    return Typed(array) if array is not None else _one_by_one(column.cast(pa.string()), notes)


def _from_doubles(column: pa.Array, notes: Notes) -> Typed:
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    texts = column.cast(pa.string())  # the shortest text that reads back as the same double
    array = _first_exact(lambda scale: texts.cast(_type(scale)), _digits_of(column))
    return Typed(array) if array is not None else _one_by_one(texts, notes, is_double=True)


def _from_texts(texts: pa.StringArray, notes: Notes) -> Typed:
    if texts.null_count == len(texts):
        return Typed(pa.nulls(len(texts), _type(DECIMAL_SCALES[0])))
    if highest_byte(texts) <= ord("9"):  # no letter, so no exponent
        array = _first_exact(lambda scale: texts.cast(_type(scale)), _whole_digits(texts))
        if array is not None:
            return Typed(array)
    return _one_by_one(texts, notes)


def _whole_digits(texts: pa.StringArray) -> int:
    """Return an upper bound of the digits before the point, the cheaper one for usual lengths."""
    longest = int(pc.max(pc.binary_length(texts)).as_py() or 0)
    return longest if longest <= _USUAL_LENGTH else _digits_before_point(texts)


def _digits_before_point(texts: pa.StringArray) -> int:
    points = pc.find_substring(texts, ".")
    return int(pc.max(pc.if_else(pc.less(points, 0), pc.binary_length(texts), points)).as_py() or 0)


def _digits_of(doubles: pa.Array) -> int:
    """Return an upper bound of the digits before the point; 99 for what is not finite."""
    bounds = pc.min_max(doubles)
    if bounds["max"].as_py() is None:
        return 0
    largest = max(abs(bounds["min"].as_py()), abs(bounds["max"].as_py()))
    return len(str(int(largest))) + 1 if largest < 1e30 else 99


def _one_by_one(texts: pa.StringArray, notes: Notes, *, is_double: bool = False) -> Typed:
    """Read by Python what is not plain digits with a point, and the rest by Arrow."""
    plain = pc.and_(
        pc.match_substring_regex(texts, _PLAIN),
        pc.less_equal(pc.binary_length(texts), _LONGEST_PLAIN),
    )
    odd = pc.and_(pc.is_valid(texts), pc.invert(pc.fill_null(plain, True)))
    encoded = pc.if_else(odd, texts, pa.scalar(None, pa.string())).dictionary_encode()
    words = [each for each in encoded.dictionary.to_pylist() if each is not None]
    values = [_exact(each, notes, is_double=is_double) for each in words]
    regular = pc.if_else(odd, pa.scalar(None, pa.string()), texts)

    def cast(scale: int) -> pa.Array:
        if not all(each is None or _fits(each, scale) for each in values):
            raise pa.ArrowInvalid("an odd value needs another scale")
        read = pa.array(values, _type(scale)).take(encoded.indices)
        return pc.coalesce(regular.cast(_type(scale)), read)

    array = _first_exact(cast, _digits_before_point(regular))
    if array is None:
        raise NoCommonScale
    bad = pc.and_(odd, pc.is_null(array))
    return Typed(array, bad if pc.any(bad).as_py() else None)


def _exact(word: str, notes: Notes, *, is_double: bool) -> Decimal | None:
    """Read one number; None if it is none, or needs more digits than a decimal128 has."""
    if not _NUMBER.fullmatch(word):
        return None
    value = Decimal(word).normalize(_WIDE)
    exponent = value.as_tuple().exponent
    if is_double and isinstance(exponent, int) and -exponent > _FINEST:
        notes.counts["rounded_double"] += 1
        value = value.quantize(Decimal(1).scaleb(-_FINEST), ROUND_HALF_EVEN, _WIDE)
        value = value.normalize(_WIDE)
    return value if any(_fits(value, scale) for scale in DECIMAL_SCALES) else None


def _fits(value: Decimal, scale: int) -> bool:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False
    whole = max(0, len(digits) + exponent)
    return -exponent <= scale and whole + scale <= DECIMAL_PRECISION

"""Whole columns of a file typed at once: text, times, JSON objects.

The happy path is Arrow kernels; only values that Arrow refuses are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.exports import dates, objects
from astraeus_pipeline.exports.dates import DateOrder
from astraeus_pipeline.exports.objects import Normal, lowest_byte, used_bytes

TIME: Final = pa.timestamp("us", tz="UTC")
NULL_TEXTS: Final = pa.array(["", "NULL", "null", "Null", "None", "NONE", "\\N"])
_MEMORY: Final = 50_000
_FIRST_TIME: Final = datetime.combine(dates.FIRST_DAY, time.min, UTC)
_LAST_TIME: Final = datetime.combine(dates.LAST_DAY, time.min, UTC)
T = TypeVar("T")


@dataclass(frozen=True)
class Typed:
    """A typed column; `bad` marks the rows whose value has no such type, None if there are none."""

    array: pa.Array
    bad: pa.BooleanArray | None = None


@dataclass
class Notes:
    """What was normalised, counted, and what has been parsed before (bounded)."""

    counts: Counter[str] = field(default_factory=Counter)
    times: dict[str, datetime | None] = field(default_factory=dict)
    objects: dict[str, Normal] = field(default_factory=dict)


def words(column: pa.Array, notes: Notes) -> pa.StringArray | pa.DictionaryArray:
    """Like `text`, but a dictionary-encoded column stays one where its words need no change.

    Most of a bill's columns say the same few words again: looking at those alone, and leaving
    them encoded for the loader's digests, halves the work of typing a Parquet file.
    """
    if not pa.types.is_dictionary(column.type):
        return text(column, notes)
    dictionary, seen = column.dictionary, Notes()
    cleaned = text(dictionary, seen)
    if cleaned is dictionary:
        return column
    spelt = cleaned.take(column.indices)
    if seen.counts["nul_character"]:
        notes.counts["nul_character"] += 1
    if emptied := spelt.null_count - column.null_count:
        notes.counts["null_text"] += emptied
    return spelt


def plain(column: pa.Array) -> pa.Array:
    """Spell out a dictionary-encoded column."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def text(column: pa.Array, notes: Notes) -> pa.StringArray:
    """Return the column as trimmed strings; NULL in words and blanks become null, and are counted.

    NUL characters are dropped: PostgreSQL cannot store them.
    """
    if pa.types.is_dictionary(column.type):
        return plain(words(column, notes))
    column = _as_string(column)
    if column.null_count == len(column):
        return column
    if lowest_byte(column) == 0:
        notes.counts["nul_character"] += 1
        column = pc.replace_substring(column, "\0", "")
    trimmed = pc.utf8_trim_whitespace(column)
    if used_bytes(trimmed).size < used_bytes(column).size:
        column = trimmed  # else the copy goes at once: columns of text are most of a batch
    nulls = pc.is_in(column, value_set=NULL_TEXTS)
    if found := pc.sum(nulls).as_py():
        notes.counts["null_text"] += found
        column = pc.if_else(nulls, pa.scalar(None, pa.string()), column)
    return column


def times(column: pa.Array, order: DateOrder | None, notes: Notes) -> Typed:
    """Return the column as UTC timestamps in microseconds.

    Raises: dates.AmbiguousOrder; pa.ArrowInvalid if the column's type cannot be a time.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        # A time without zone is taken as UTC, which is what the standard asks for.
        cast = column.cast(pa.timestamp("us", tz=_zone(column)), safe=False).cast(TIME)
        return _in_years(cast, column)
    if not is_text(column):
        raise pa.ArrowInvalid(f"{column.type} is not a type of time")
    encoded = words(column, notes).dictionary_encode()
    values = encoded.dictionary
    parsed = _in_years(_parse_times(values, order, notes), values)
    array = parsed.array.take(encoded.indices)
    if parsed.bad is None:
        return Typed(array)
    return Typed(array, parsed.bad.take(encoded.indices).fill_null(False))


def days(column: pa.Array, order: DateOrder | None, notes: Notes) -> Typed:
    """Return the column as UTC days; a time of day is cut off. Raises: as `times`."""
    typed = times(column, order, notes)
    return Typed(typed.array.cast(pa.date32()), typed.bad)


def json_objects(column: pa.Array, notes: Notes) -> tuple[pa.StringArray, pa.StringArray | None]:
    """Return the column as JSON object texts, and the raw texts that lost something on the way.

    The second is None if nothing was lost; else it holds the text of each cell that is no JSON
    object (null in the first) or that repeats a key (the last one stands).
    """
    if not (is_text(column) or pa.types.is_null(column.type)):
        return objects.encode(column), None
    raw = words(column, notes)
    if raw.null_count == len(raw):
        return plain(raw), None
    encoded = raw.dictionary_encode()
    given = encoded.dictionary.to_pylist()
    fitting = [_remembered(notes.objects, word, objects.normalise) for word in given]
    spelt = [each.text for each in fitting]
    if spelt == given:
        return raw, None
    array = pa.array(spelt, pa.string()).take(encoded.indices)
    lost = [word if each.is_lossy else None for each, word in zip(fitting, given, strict=True)]
    kept = pa.array(lost, pa.string()).take(encoded.indices)
    notes.counts["odd_object"] += len(kept) - kept.null_count
    return array, kept if kept.null_count < len(kept) else None


def is_text(column: pa.Array) -> bool:
    """Whether the column holds text (or nothing at all), in any of Arrow's layouts."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _as_string(column: pa.Array) -> pa.StringArray:
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_nested(column.type):
        return objects.encode(column)
    return column.cast(pa.string())


def _remembered(known: dict[str, T], word: str, make: Callable[[str], T]) -> T:
    """Look a text up in what was made before; the memory is bounded by forgetting all of it."""
    try:
        return known[word]
    except KeyError:
        if len(known) >= _MEMORY:
            known.clear()
        result = known[word] = make(word)
        return result


def _zone(column: pa.Array) -> str | None:
    return getattr(column.type, "tz", None)


def _parse_times(values: pa.StringArray, order: DateOrder | None, notes: Notes) -> pa.Array:
    """Parse distinct texts: by Arrow if all have one form, else one by one; null where no time."""
    try:
        return values.cast(TIME)
    except pa.ArrowInvalid:
        parsed = [
            None
            if word is None
            else _remembered(notes.times, word, lambda each: dates.parse(each, order))
            for word in values.to_pylist()
        ]
        return pa.array(parsed, TIME)


def _in_years(array: pa.Array, given: pa.Array) -> Typed:
    """Mark the values that were given but are no time, or lie outside of sensible years."""
    bounds = pc.min_max(array)
    is_sensible = bounds["min"].as_py() is None or (
        bounds["min"].as_py() >= _FIRST_TIME and bounds["max"].as_py() < _LAST_TIME
    )
    if is_sensible and array.null_count == given.null_count:
        return Typed(array)
    outside = pc.or_(pc.less(array, _FIRST_TIME), pc.greater_equal(array, _LAST_TIME))
    bad = pc.and_(pc.is_valid(given), pc.fill_null(outside, True))
    return Typed(pc.if_else(bad, pa.scalar(None, TIME), array), bad)

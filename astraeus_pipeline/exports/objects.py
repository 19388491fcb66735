"""JSON objects in cells (tags, price details) and in the payload, made without a loop over rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PAIR_KEYS: Final = (("key", "value"), ("Key", "Value"), ("name", "value"), ("Name", "Value"))
_QUOTE, _BACKSLASH, _FIRST_PRINTABLE = ord('"'), ord("\\"), ord(" ")


@dataclass(frozen=True)
class Normal:
    """A cell as the text of a JSON object, None if it is none; lossy if the raw text says more."""

    text: str | None
    is_lossy: bool = False


_NO_OBJECT: Final = Normal(None, is_lossy=True)


def normalise(word: str) -> Normal:
    """Turn the text of a cell into the text of one JSON object.

    Understood: an object; an object without its braces; a list of [key, value] pairs or of
    {"key": ..., "value": ...}; an empty list. A good object stays as it is, to the letter.
    """
    for candidate in (word, "{" + word + "}"):
        try:
            value = msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            continue
        if "\\u0000" in candidate:  # PostgreSQL's jsonb refuses it
            return _NO_OBJECT
        if isinstance(value, dict):
            if _is_flat(candidate, value) or not _repeats_key(candidate):
                return Normal(word if candidate is word else candidate)
            return Normal(_dump(value), is_lossy=True)
        pairs = _pairs(value)
        if pairs is None:
            return _NO_OBJECT
        return Normal(_dump(dict(pairs)), is_lossy=len(dict(pairs)) < len(pairs))
    return _NO_OBJECT


def encode(column: pa.Array) -> pa.StringArray:
    """Spell a nested column (map, struct, list) as JSON texts; maps of texts without a loop."""
    if pa.types.is_map(column.type) and _is_map_of_texts(column.type):
        return _encode_map(column)
    return pa.array(
        [None if each is None else _dump(_plain(each, column.type)) for each in column.to_pylist()],
        pa.string(),
    )


def merge(fields: dict[str, pa.StringArray], length: int) -> pa.StringArray:
    """Merge text columns into one JSON object per row, null cells left out; null if empty."""
    members = [
        pc.binary_join_element_wise(f",{_dump(name)}:", quote(column), "")
        for name, column in fields.items()
        if column.null_count < len(column)
    ]
    if not members:
        return pa.nulls(length, pa.string())
    # Arrow drops rows in which all is skipped, hence the column that is never null.
    start = pa.repeat("", length)
    joined = pc.binary_join_element_wise(start, *members, "", null_handling="skip")
    opened = pc.utf8_replace_slice(joined, 0, 1, "{")  # in place of the first comma
    braced = pc.binary_join_element_wise(opened, "}", "")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), braced)


def quote(column: pa.StringArray) -> pa.StringArray:
    """Spell each text as a JSON string."""
    used = used_bytes(column)
    if (used < _FIRST_PRINTABLE).any():
        words = column.dictionary_encode()
        spelt = [_dump(each) for each in words.dictionary.to_pylist()]
        return pa.array(spelt, pa.string()).take(words.indices)
    if (used == _BACKSLASH).any():
        column = pc.replace_substring(column, "\\", "\\\\")
    if (used == _QUOTE).any():
        column = pc.replace_substring(column, '"', '\\"')
    return pc.binary_join_element_wise('"', column, '"', "")


def used_bytes(column: pa.StringArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the bytes of a text column's own values: its buffer may hold others around them."""
    _, offsets, values = column.buffers()
    if values is None or len(column) == 0:
        return np.empty(0, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=np.int32)
    first, last = ends[column.offset], ends[column.offset + len(column)]
    return np.frombuffer(values, dtype=np.uint8)[first:last]


def lowest_byte(column: pa.StringArray) -> int:
    """Return the lowest byte among the texts, 255 if there is none."""
    return int(used_bytes(column).min(initial=255))


def highest_byte(column: pa.StringArray) -> int:
    """Return the highest byte among the texts, 0 if there is none."""
    return int(used_bytes(column).max(initial=0))


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _is_flat(text: str, value: dict[str, Any]) -> bool:
    """Whether an object of texts only surely repeats no key: four quotes for each pair."""
    return text.count('"') == 4 * len(value)


def _repeats_key(text: str) -> bool:
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        repeated |= len(dict(pairs)) < len(pairs)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return repeated


def _pairs(value: Any) -> list[tuple[str, Any]] | None:
    if not isinstance(value, list):
        return None
    pairs = [_pair(each) for each in value]
    return None if None in pairs else [each for each in pairs if each is not None]


def _pair(value: Any) -> tuple[str, Any] | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return value[0], value[1]
    if isinstance(value, dict):
        for key, item in _PAIR_KEYS:
            if isinstance(value.get(key), str) and set(value) <= {key, item}:
                return value[key], value.get(item)
    return None


def _is_map_of_texts(kind: pa.MapType) -> bool:
    return bool(pa.types.is_string(kind.key_type) and pa.types.is_string(kind.item_type))


def _encode_map(column: pa.MapArray) -> pa.StringArray:
    offsets = column.offsets
    items = quote(column.items)
    pairs = pc.binary_join_element_wise(quote(column.keys), pc.fill_null(items, "null"), ":")
    lists = pa.ListArray.from_arrays(offsets, pairs, mask=pc.is_null(column))
    return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")


def _plain(value: Any, kind: pa.DataType) -> Any:
    return dict(value) if pa.types.is_map(kind) else value

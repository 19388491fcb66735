"""Order-independent digests of typed rows: equal rows digest equally, however batched."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]

# Where a row stood in its file says nothing about the bill.
IGNORED: Final = frozenset({"row_number"})
_NULL: Final = np.uint64(0x9E3779B97F4A7C15)
# Decimals are hashed at this scale whatever the batch's own, so 1.50 and 1.5 are one value.
_CANONICAL: Final = pa.decimal256(76, 30)
# Below it decimal128 holds that scale; Arrow's scaling up wraps without a word beyond.
_NARROW: Final = Decimal(10) ** 8


def row_hashes(batch: pa.RecordBatch) -> Hashes:
    """Hash each row of the batch to 64 bits; column names take part, column order does not.

    Text may be dictionary-encoded: only the words are hashed then.
    """
    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        # A column of nulls counts nothing, so a column added to a contract moves no old digest.
        if name not in IGNORED and column.null_count < len(column):
            total += _cell_hashes(column, _salt(name))
    return _mixed(total)


def combine(hashes: Hashes) -> int:
    """Sum row hashes modulo 2**64: the part of a digest that does not mind the order."""
    return int(hashes.sum(dtype=np.uint64))


def digest_text(rows: int, combined: int) -> str:
    """Spell a digest as `<rows>:<sum of row hashes, 16 hex digits>`."""
    return f"{rows}:{combined % 2**64:016x}"


@cache
def _salt(name: str) -> np.uint64:
    hashed = pd.util.hash_array(np.array([name], dtype=object), categorize=False)
    return np.uint64(hashed[0])


def _cell_hashes(column: pa.Array, salt: np.uint64) -> Hashes:
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        return _text_hashes(column, salt)
    words = _decimal_hashes if pa.types.is_decimal(column.type) else _word_hashes
    hashes = _mixed(words(column) ^ salt)
    if column.null_count:
        hashes *= pc.is_valid(column).to_numpy(zero_copy_only=False)
    return hashes


def _text_hashes(column: pa.DictionaryArray, salt: np.uint64) -> Hashes:
    words = column.dictionary.to_numpy(zero_copy_only=False)
    hashes = _mixed(pd.util.hash_array(words, categorize=False).astype(np.uint64) ^ salt)
    codes = column.indices
    if codes.null_count:
        hashes = np.append(hashes, np.uint64(0))
        codes = codes.fill_null(len(words))
    picked: Hashes = hashes[codes.to_numpy(zero_copy_only=False)]
    return picked


def _decimal_hashes(column: pa.Array) -> Hashes:
    first, second, third, fourth = _limbs(column)
    # Two limbs hold +-1.7e8 at scale 30; the upper two tell larger amounts apart.
    hashes = _mixed(first ^ _NULL) + second
    return hashes + _mixed(third + fourth * _NULL)


def _limbs(column: pa.Array) -> tuple[Hashes, Hashes, Hashes, Hashes]:
    """Return the canonical values as four 64-bit limbs, lowest first."""
    bounds = pc.min_max(column)
    if bounds["min"].as_py() > -_NARROW and bounds["max"].as_py() < _NARROW:
        # Twice as fast as 256 bits, and the upper limbs only repeat the sign.
        narrow = column.cast(pa.decimal128(38, 30))
        words = np.frombuffer(narrow.buffers()[1], dtype=np.uint64)
        low, high = words[narrow.offset * 2 : (narrow.offset + len(narrow)) * 2].reshape(-1, 2).T
        sign = (high.view(np.int64) >> 63).view(np.uint64)
        return low, high, sign, sign
    wide = column.cast(_CANONICAL)
    words = np.frombuffer(wide.buffers()[1], dtype=np.uint64)
    first, second, third, fourth = (
        words[wide.offset * 4 : (wide.offset + len(wide)) * 4].reshape(-1, 4).T
    )
    return first, second, third, fourth


def _word_hashes(column: pa.Array) -> Hashes:
    """Hash dates, times, integers and booleans as their 64-bit value."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_date32(column.type):
        column = column.view(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    values = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    words: Hashes = values.astype(np.int64).view(np.uint64)
    return words


def _mixed(words: Hashes) -> Hashes:
    """Scramble 64-bit words (the finaliser of SplitMix64, public domain)."""
    mixed = words ^ (words >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed

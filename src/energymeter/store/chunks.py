"""The polls of a meter in an hour as a few parts of bytes, and back. Pure; knows no database.

The columns of a chunk are its times (column 0) and its values (from column 1 on). Columns are
joined into parts of a few kilobytes, so that reading one value reads little else. A part is a
check sum, the lengths of its columns, and the columns.

A column of values is the length of its bytes of quality, those bytes, then the numbers.
Null values take the number before them, which costs nothing.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.store.base import Layout
from energymeter.store.columns import decode_bytes, decode_numbers, encode_bytes, encode_numbers
from energymeter.store.rows import NULL, Columns

__all__ = ["Part", "columns_of", "decode_times", "decode_values", "parts_of", "whole"]

_PART_BYTES: Final = 12_000
"""A part is closed once it is this long."""

_HEAD: Final = struct.Struct("<IB")
"""Of a column of values: bytes of its qualities, and how its values are kept."""

_NUMBERS, _BOOLEANS, _OBJECTS = range(3)


class Part(NamedTuple):
    """Some neighbouring columns of a chunk."""

    first: int
    last: int
    body: bytes


def parts_of(layout: Layout, times_us: NDArray[np.int64], columns: Columns) -> list[Part]:
    """The parts of a chunk, by ascending column."""
    pieces = [encode_numbers(times_us)]
    pieces += [
        _encode(numbers, ratings, series.divisor)
        for series, numbers, ratings in zip(
            layout.series, columns.numbers, columns.ratings, strict=True
        )
    ]
    parts, first, size = [], 0, 0
    for column, piece in enumerate(pieces):
        size += len(piece)
        if size >= _PART_BYTES or column == len(pieces) - 1:
            parts.append(Part(first, column, _join(pieces[first : column + 1])))
            first, size = column + 1, 0
    return parts


def columns_of(part: Part) -> list[bytes]:
    """The columns of a part; raises `ValueError` when its check sum is wrong."""
    data = part.body
    (crc,) = struct.unpack_from("<I", data)
    if crc != zlib.crc32(memoryview(data)[4:]):
        msg = "the check sum of a chunk is wrong"
        raise ValueError(msg)
    count = part.last - part.first + 1
    sizes = struct.unpack_from(f"<{count}I", data, 4)
    at = 4 + 4 * count
    pieces = []
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return pieces


def decode_times(piece: bytes, count: int) -> NDArray[np.int64]:
    """The times of a chunk, in microseconds since 1970."""
    return decode_numbers(piece, count)


def decode_values(piece: bytes, count: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The values and the bytes of quality of one column."""
    size, kind = _HEAD.unpack_from(piece)
    at = _HEAD.size + size
    ratings = decode_bytes(piece[_HEAD.size : at], count)
    if kind == _OBJECTS:
        values = np.empty(count, np.object_)
        values[:] = json.loads(zlib.decompress(piece[at:]))
        return values, ratings
    numbers = decode_numbers(piece[at:], count)
    return (numbers.astype(np.bool_) if kind == _BOOLEANS else numbers), ratings


def whole(parts: Sequence[Part], count: int) -> tuple[NDArray[np.int64], Columns]:
    """All of a chunk: its times and its values; `parts` are by ascending column."""
    times, *pieces = [piece for part in parts for piece in columns_of(part)]
    values = [decode_values(piece, count) for piece in pieces]
    ratings = np.array([each for _, each in values], np.uint8).reshape(len(values), count)
    return decode_times(times, count), Columns([numbers for numbers, _ in values], ratings)


def _encode(numbers: NDArray[Any], ratings: NDArray[np.uint8], divisor: int) -> bytes:
    rated = encode_bytes(ratings)
    if numbers.dtype == np.object_:
        body = zlib.compress(json.dumps(numbers.tolist()).encode())
        return _HEAD.pack(len(rated), _OBJECTS) + rated + body
    is_boolean = numbers.dtype == np.bool_
    if is_boolean:
        numbers = numbers.astype(np.int64)
    if rated:
        numbers = _filled(numbers, (ratings & NULL) != 0)
    kind = _BOOLEANS if is_boolean else _NUMBERS
    return _HEAD.pack(len(rated), kind) + rated + encode_numbers(numbers, divisor)


def _filled(numbers: NDArray[Any], is_null: NDArray[np.bool_]) -> NDArray[Any]:
    """Null values take the one before, those at the beginning the first there is."""
    places = np.flatnonzero(~is_null)
    if not len(places) or len(places) == len(numbers):
        return numbers
    before = np.searchsorted(places, np.arange(len(numbers)), side="right") - 1
    return numbers[places[np.maximum(before, 0)]]


def _join(pieces: Sequence[bytes]) -> bytes:
    body = struct.pack(f"<{len(pieces)}I", *map(len, pieces)) + b"".join(pieces)
    return struct.pack("<I", zlib.crc32(body)) + body

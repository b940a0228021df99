"""A column of numbers as few bytes, and back, exactly. Pure; knows no database.

Numbers become whole numbers first: decimals are multiplied by their divisor, floats of 32 or 64
bits are taken by their bits. What is kept is how they differ from what goes before (first or
second differences, whichever is smaller), folded to be positive and cut into planes of bytes,
deflated. Every float comes back bit by bit, NaN included.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode_bytes", "decode_numbers", "encode_bytes", "encode_numbers"]

_INTEGER, _DECIMAL, _FLOAT32, _FLOAT64 = range(4)

_HEAD: Final = struct.Struct("<BBB")
"""Representation, order of the differences, planes."""

_DIVISORS: Final = (1, 10, 100, 1000)
"""Tried when a column is not made of its own divisor."""

_EXACT: Final = 2.0**53
_SAMPLE: Final = 32
_ONE: Final = np.uint64(1)
_LEVEL: Final = 6


class _Residue(NamedTuple):
    """What is left of a column when it is told by its differences."""

    firsts: tuple[int, ...]
    """The first value, and the first difference."""

    centre: int
    folded: NDArray[np.uint64]


def encode_numbers(numbers: NDArray[Any], divisor: int = 1) -> bytes:
    """The bytes of a column.

    Args:
        numbers: int64 or float64.
        divisor: Floats are whole numbers divided by this, where they are exact decimals.
    """
    if numbers.dtype == np.int64:
        return _encode_whole(numbers, _INTEGER, b"")
    for candidate in dict.fromkeys((divisor, *_DIVISORS)):
        whole = _as_decimal(numbers, candidate)
        if whole is not None:
            return _encode_whole(whole, _DECIMAL, struct.pack("<q", candidate))
    bits = numbers.view(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        small = numbers.astype(np.float32)
        is_small = np.array_equal(small.astype(np.float64).view(np.int64), bits)
    if is_small:
        return _encode_whole(_ordered(small.view(np.int32), 31).astype(np.int64), _FLOAT32, b"")
    return _encode_whole(_ordered(bits, 63), _FLOAT64, b"")


def decode_numbers(data: bytes, count: int) -> NDArray[Any]:
    """The column again, int64 or float64; raises `ValueError` or `zlib.error` for other bytes."""
    form, order, planes = _HEAD.unpack_from(data)
    at = _HEAD.size
    divisor = 1
    if form == _DECIMAL:
        (divisor,) = struct.unpack_from("<q", data, at)
        at += 8
    *firsts, centre = struct.unpack_from(f"<{order + 1}q", data, at)
    at += 8 * (order + 1)
    whole = _unfold(data[at:], count - order, planes, centre)
    for first in reversed(firsts):
        whole = np.cumsum(np.concatenate((np.array([first], np.int64), whole)), dtype=np.int64)
    if len(whole) != count:
        msg = "a column has another length than its chunk"
        raise ValueError(msg)
    if form == _INTEGER:
        return whole
    if form == _DECIMAL:
        decimals: NDArray[np.float64] = whole / divisor
        return decimals
    if form == _FLOAT32:
        small = _ordered(whole.astype(np.int32), 31).view(np.float32)
        with np.errstate(invalid="ignore"):
            return small.astype(np.float64)
    return _ordered(whole, 63).view(np.float64)


def encode_bytes(column: NDArray[np.uint8]) -> bytes:
    """A column of small codes: nothing at all when all are 0."""
    return _deflate(column.tobytes()) if column.any() else b""


def decode_bytes(data: bytes, count: int) -> NDArray[np.uint8]:
    """The codes again."""
    if not data:
        return np.zeros(count, np.uint8)
    column = np.frombuffer(zlib.decompress(data, -15), np.uint8)
    if len(column) != count:
        msg = "a column of codes has another length than its chunk"
        raise ValueError(msg)
    return column


def _as_decimal(numbers: NDArray[np.float64], divisor: int) -> NDArray[np.int64] | None:
    """The whole numbers these are exact decimals of; None when one is not."""
    if len(numbers) > 2 * _SAMPLE and _as_decimal(numbers[:_SAMPLE], divisor) is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(numbers * divisor)
        if not (np.abs(scaled) < _EXACT).all():
            return None
    whole = scaled.astype(np.int64)
    is_same = np.array_equal((whole / divisor).view(np.int64), numbers.view(np.int64))
    return whole if is_same else None


def _ordered(bits: NDArray[Any], sign_bit: int) -> NDArray[Any]:
    """Bits of floats so that neighbours have neighbouring numbers; its own inverse."""
    mask = (1 << sign_bit) - 1
    ordered: NDArray[Any] = bits ^ ((bits >> sign_bit) & bits.dtype.type(mask))
    return ordered


def _encode_whole(whole: NDArray[np.int64], form: int, extra: bytes) -> bytes:
    best = _residue(whole, 0)
    if len(whole) > 1:
        cost = _cost(best)
        for order in (1, 2)[: len(whole) - 1]:
            other = _residue(whole, order)
            other_cost = _cost(other) + 8.0
            if other_cost < cost:
                best, cost = other, other_cost
    order = len(best.firsts)
    largest = int(best.folded.max()) if len(best.folded) else 0
    planes = (largest.bit_length() + 7) // 8
    head = _HEAD.pack(form, order, planes) + extra
    head += struct.pack(f"<{order + 1}q", *best.firsts, best.centre)
    if not planes:
        return head
    cut = best.folded.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :planes]
    return head + _pack_planes(cut.T.tobytes(), planes)


def _residue(whole: NDArray[np.int64], order: int) -> _Residue:
    firsts = []
    rest = whole
    for _ in range(order):
        firsts.append(int(rest[0]))
        # Differences wrap around at 64 bits, and so do the sums that undo them.
        rest = (rest[1:].view(np.uint64) - rest[:-1].view(np.uint64)).view(np.int64)
    if not len(rest):
        return _Residue(tuple(firsts), 0, np.empty(0, np.uint64))
    centre = int(np.partition(rest, len(rest) // 2)[len(rest) // 2])
    off = (rest.view(np.uint64) - np.int64(centre).view(np.uint64)).view(np.int64)
    folded = (off.view(np.uint64) << _ONE) ^ (off >> 63).view(np.uint64)
    return _Residue(tuple(firsts), centre, folded)


def _cost(residue: _Residue) -> float:
    """About how many bits it takes."""
    return float(np.log2(residue.folded.astype(np.float64) + 1.0).sum())


def _unfold(data: bytes, count: int, planes: int, centre: int) -> NDArray[np.int64]:
    if not planes:
        return np.full(count, centre, np.int64)
    cut = np.frombuffer(_unpack_planes(data, planes, count), np.uint8).reshape(planes, -1)
    folded = cut[0].astype(np.uint64)
    for plane in range(1, planes):
        folded |= cut[plane].astype(np.uint64) << np.uint64(8 * plane)
    off = (folded >> _ONE) ^ (np.uint64(0) - (folded & _ONE))
    shifted: NDArray[np.int64] = (off + np.int64(centre).view(np.uint64)).view(np.int64)
    return shifted


def _pack_planes(planes: bytes, count: int) -> bytes:
    """Each plane deflated by itself, or as it is where that is shorter.

    Noise and order differ from plane to plane: together they take 5 % more.
    """
    size = len(planes) // count
    packed = []
    for start in range(0, len(planes), size):
        plain = planes[start : start + size]
        small = _deflate(plain)
        packed.append(small if len(small) < size else plain)
    return struct.pack(f"<{count}I", *map(len, packed)) + b"".join(packed)


def _unpack_planes(data: bytes, count: int, size: int) -> bytes:
    sizes = struct.unpack_from(f"<{count}I", data)
    at = 4 * count
    planes = []
    for length in sizes:
        plane = data[at : at + length]
        planes.append(plane if length == size else zlib.decompress(plane, -15))
        at += length
    return b"".join(planes)


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.store.columns import decode_bytes, decode_numbers, encode_bytes, encode_numbers

_BITS = st.integers(0, 2**64 - 1)
_FLOATS = (
    st.floats()
    | _BITS.map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
    | st.integers(-(10**6), 10**6).map(lambda n: n / 100)
    | st.floats(width=32)
    | st.sampled_from((0.0, -0.0, float("inf"), 5e-324, 1.7976931348623157e308))
)
_INTEGERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.integers(-300, 300)
    | st.sampled_from((-(2**63), 2**63 - 1, 0, -1))
)


def _bits(numbers: Any) -> list[int]:
    return np.asarray(numbers).view(np.int64).tolist()  # type: ignore[no-any-return]


@given(st.lists(_FLOATS, max_size=150), st.sampled_from((1, 3, 10, 1000, 2**62)))
def test_floats_come_back_bit_by_bit(floats: list[float], divisor: int) -> None:
    column = np.array(floats, np.float64)
    again = decode_numbers(encode_numbers(column, divisor), len(column))
    assert again.dtype == np.float64
    assert _bits(again) == _bits(column)


@given(st.lists(_BITS, max_size=100))
def test_nan_keeps_its_payload(bits: list[int]) -> None:
    column = np.array([each | 0x7FF0_0000_0000_0001 for each in bits], np.uint64).view(np.float64)
    assert _bits(decode_numbers(encode_numbers(column), len(column))) == _bits(column)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=100))
def test_every_float32_comes_back(bits: list[int]) -> None:
    with np.errstate(invalid="ignore"):
        column = np.array(bits, np.uint32).view(np.float32).astype(np.float64)
    assert _bits(decode_numbers(encode_numbers(column), len(column))) == _bits(column)


@given(st.lists(_INTEGERS, max_size=150))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    column = np.array(numbers, np.int64)
    again = decode_numbers(encode_numbers(column), len(column))
    assert again.dtype == np.int64
    assert again.tolist() == numbers


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**40), 2**40), st.integers(1, 400))
def test_a_column_that_goes_on_evenly_takes_no_room(first: int, step: int, count: int) -> None:
    # Sums wrap around at 64 bits, as the codec's own do.
    numbers = [(first + step * n + 2**63) % 2**64 - 2**63 for n in range(count)]
    data = encode_numbers(np.array(numbers, np.int64))
    assert len(data) <= 27
    assert decode_numbers(data, count).tolist() == numbers


@given(st.lists(st.integers(0, 255), max_size=300))
def test_codes_come_back(codes: list[int]) -> None:
    column = np.array(codes, np.uint8)
    data = encode_bytes(column)
    assert decode_bytes(data, len(codes)).tolist() == codes
    assert data == b"" or any(codes)


def test_decimals_take_little() -> None:
    column = np.array([2300 + n % 7 for n in range(3600)], np.float64) / 10
    assert len(encode_numbers(column, 10)) < 200


@pytest.mark.parametrize("count", [0, 99, 101])
def test_another_length_is_noticed(count: int) -> None:
    data = encode_numbers(np.random.default_rng(1).normal(size=100))
    with pytest.raises((ValueError, zlib.error)):
        decode_numbers(data, count)

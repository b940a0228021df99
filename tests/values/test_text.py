"""Numbers as people write them."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.values import DataType
from energymeter.values.text import format_value, shortest


def float32(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])


def digits(value: float) -> int:
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


@pytest.mark.parametrize("value", [230.1, 0.1, -0.07, 49.98, 1e-5, 123456.7, 3e38, 0.0, 16777217.0])
def test_what_was_meant_is_found_again(value: float) -> None:
    as_read = float32(value)

    found = shortest(as_read, DataType.FLOAT32)

    assert digits(found) <= digits(value)
    assert float32(found) == as_read


def test_float32_with_six_meant_decimals_comes_back_exactly() -> None:
    assert shortest(float32(230.1), DataType.FLOAT32) == 230.1
    assert shortest(float32(0.123456), DataType.FLOAT32) == 0.123456
    assert shortest(109.4886245727539, DataType.FLOAT32) == 109.488625  # nine digits tell it


@given(st.floats(width=32, allow_nan=False))
def test_shortest_is_the_same_to_the_registers_and_never_longer(value: float) -> None:
    short = shortest(value, DataType.FLOAT32)

    assert struct.pack(">f", short) == struct.pack(">f", value)
    assert digits(short) <= digits(value)


@pytest.mark.parametrize("data_type", [DataType.FLOAT64, DataType.UINT32])
def test_other_types_are_left_alone(data_type: DataType) -> None:
    assert shortest(230.10000610351562, data_type) == 230.10000610351562


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_left_alone(value: float) -> None:
    assert repr(shortest(value, DataType.FLOAT32)) == repr(value)


@pytest.mark.parametrize(
    ("value", "data_type", "divisor", "text"),
    [
        (None, DataType.FLOAT32, 1, "-"),
        (True, DataType.BOOL, 1, "on"),
        (False, DataType.BOOL, 1, "off"),
        ("PM8000", DataType.STRING, 1, "PM8000"),
        (0, DataType.UINT16, 1, "0"),
        (-32768, DataType.INT16, 1, "-32768"),
        (2**64 - 1, DataType.UINT64, 1, "18446744073709551615"),
        (230.1, DataType.UINT16, 10, "230.1"),
        (230.0, DataType.UINT16, 10, "230.0"),
        (49.98, DataType.UINT16, 100, "49.98"),
        (0.5, DataType.INT16, 1000, "0.500"),
        (0.05, DataType.UINT16, 20, "0.05"),
        (1 / 3, DataType.UINT16, 3, "0.3333333333"),
        (230.10000610351562, DataType.FLOAT32, 1, "230.1"),
        (-0.5, DataType.FLOAT32, 1, "-0.5"),
        (0.0, DataType.FLOAT32, 1, "0"),
        (123456.7, DataType.FLOAT32, 1, "123457"),
        (999_999.25, DataType.FLOAT32, 1, "999999"),
        (999_999.75, DataType.FLOAT32, 1, "1000000"),
        (-999_999.75, DataType.FLOAT32, 1, "-1000000"),
        (12_345_678.0, DataType.FLOAT32, 1, "12345678"),
        (230.10000610351562, DataType.FLOAT64, 1, "230.1000061"),
    ],
)
def test_value_is_written_with_the_digits_the_meter_gave(
    value: float | str | bool | None, data_type: DataType, divisor: int, text: str
) -> None:
    assert format_value(value, data_type, divisor) == text


@given(st.floats(min_value=1, max_value=2.0**53, width=32), st.sampled_from([1, -1]))
def test_float32_of_everyday_size_is_written_without_an_exponent(value: float, sign: int) -> None:
    text = format_value(sign * value, DataType.FLOAT32)

    assert "e" not in text
    assert float(text) == pytest.approx(sign * value, rel=1e-5)

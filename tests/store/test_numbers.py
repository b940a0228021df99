"""Numbers without digits the meter did not give."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.polls import ENERGY, MODEL, ONLINE, POWER, VOLTAGE

from energymeter.store import Form, Series
from energymeter.store.numbers import number_text, plain_value
from energymeter.values import DataType

PLAIN = Series("x", type=DataType.FLOAT64)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
@pytest.mark.parametrize("series", [PLAIN, POWER, VOLTAGE])
def test_what_is_no_number_is_no_value(series: Series, value: float | None) -> None:
    assert plain_value(series, value) is None


def test_a_float32_has_the_digits_that_were_meant() -> None:
    (held,) = struct.unpack(">f", struct.pack(">f", 230.1))
    assert held != 230.1
    assert plain_value(POWER, held) == 230.1


@pytest.mark.parametrize(
    ("series", "value", "expected"),
    [
        (ENERGY, 2**63, 2**63),
        (ENERGY, 17.0, 17),
        (PLAIN, 17, 17.0),
        (PLAIN, 2**63 - 1, 2**63 - 1),
        (ONLINE, 1, True),
        (MODEL, "PM", "PM"),
    ],
)
def test_a_value_has_the_form_of_its_series(
    series: Series, value: float | str, expected: float | str
) -> None:
    found = plain_value(series, value)
    assert (found, type(found)) == (expected, type(expected))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_gives_the_number_back(number: float) -> None:
    text = number_text(number)
    assert float(text) == number
    assert len(text) <= len(repr(number))


@given(st.integers(-(2**31), 2**31), st.sampled_from([10, 100, 1000]))
def test_an_exact_decimal_stays_what_it_is(raw: int, divisor: int) -> None:
    series = Series("x", type=DataType.INT32, form=Form.FLOAT, divisor=divisor)
    plain = plain_value(series, raw / divisor)
    assert isinstance(plain, float)
    assert Decimal(number_text(plain)) == Decimal(raw) / divisor

"""Scaling is exact: no digit is lost that the meter gave, none appears that it did not."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.values import IDENTITY, DataType, Scale

INTEGERS = [data_type for data_type in DataType if data_type.is_integer]


@pytest.mark.parametrize(
    ("raw", "factor", "offset", "value"),
    [
        (2301, "0.1", "0", 230.1),
        (3, "0.1", "0", 0.3),
        (4998, "0.01", "0", 49.98),
        (-7, "0.001", "0", -0.007),
        (1234567891, "0.01", "0", 12345678.91),
        (715, "0.1", "-50", 21.5),
        (0, "0.1", "-50", -50.0),
        (1, "0.3", "0.7", 1.0),
        (5, "1000", "0", 5000),
        (5, "1E+3", "2", 5002),
        (3, "-1", "0", -3),
    ],
)
def test_value_is_the_decimal_a_person_would_compute(
    raw: int, factor: str, offset: str, value: float
) -> None:
    assert Scale.of(Decimal(factor), Decimal(offset)).to_value(raw) == value


def test_tenths_of_every_raw_value_have_one_decimal() -> None:
    scale = Scale.of(Decimal("0.1"))

    values = [repr(float(scale.to_value(raw))) for raw in range(0x10000)]

    assert values == [f"{raw // 10}.{raw % 10}" for raw in range(0x10000)]


def test_whole_numbers_stay_whole_where_nothing_is_divided() -> None:
    value = Scale.of(Decimal(10)).to_value(2**63 + 1)

    assert isinstance(value, int)
    assert value == 10 * (2**63 + 1)


def test_identity_changes_nothing() -> None:
    assert Scale.of(1) == IDENTITY
    assert IDENTITY.to_value(2**64 - 1) == 2**64 - 1


@pytest.mark.parametrize(
    ("factor", "offset"),
    [("0", "0"), ("NaN", "0"), ("Infinity", "0"), ("1", "NaN"), ("1", "-Infinity")],
)
def test_impossible_scale_is_refused(factor: str, offset: str) -> None:
    with pytest.raises(ValueError, match="scale"):
        Scale.of(Decimal(factor), Decimal(offset))


SCALES = st.builds(
    Scale.of,
    st.sampled_from([Decimal(text) for text in ("1", "10", "0.1", "0.01", "0.001", "0.05", "-1")]),
    st.sampled_from([Decimal(text) for text in ("0", "-50", "0.5", "100")]),
)


@given(st.sampled_from(INTEGERS), SCALES, st.data())
def test_value_is_the_nearest_float_to_the_exact_one(
    data_type: DataType, scale: Scale, data: st.DataObject
) -> None:
    raw = data.draw(st.integers(*data_type.integer_range))

    exact = Fraction(raw * scale.multiplier + scale.summand, scale.divisor)

    assert scale.to_value(raw) == (int(exact) if scale.divisor == 1 else float(exact))

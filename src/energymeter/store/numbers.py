"""Values as programs take them: the fewest digits that give the value back, never NaN. Pure."""

from __future__ import annotations

from math import isfinite
from typing import Final

from energymeter.reader.reading import Value
from energymeter.store.base import Form, Series
from energymeter.values import DataType
from energymeter.values.text import shortest

__all__ = ["number_text", "plain_value"]

_FLOAT32: Final = DataType.FLOAT32


def plain_value(series: Series, value: Value) -> Value:
    """The value as its series has it, without digits that the meter did not give.

    Args:
        series: Says what it is: a number, a flag or a text, and how the meter holds it.
        value: As it was read.

    Returns:
        A finite number, a boolean, a text, or None where there is no value; NaN and infinity are
        none. Whole numbers too large for a float keep all their digits.
    """
    if type(value) is float:
        return _plain_float(series, value)
    if value is None:
        return None
    if series.form is Form.TEXT or isinstance(value, str):
        return str(value)
    if series.form is Form.BOOLEAN:
        return bool(value)
    return int(value) if series.form is Form.INTEGER else _as_float(int(value))


def number_text(number: float) -> str:
    """The shortest usual text of a finite number: `230.1`, `17`, `1e+16`."""
    text = repr(number)
    return text.removesuffix(".0")


def _plain_float(series: Series, value: float) -> Value:
    if not isfinite(value):
        return None
    form = series.form
    if form is Form.FLOAT:
        # An exact decimal is the float nearest to it already: its divisor adds nothing.
        return shortest(value, _FLOAT32) if series.type is _FLOAT32 else value
    if form is Form.INTEGER:
        return int(value) if value.is_integer() else value
    return bool(value) if form is Form.BOOLEAN else str(value)


def _as_float(value: int) -> float | int:
    try:
        number = float(value)
    except OverflowError:
        return value
    return number if number == value else value

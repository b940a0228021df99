"""Values as texts of numbers: the fewest digits that give the value back, never NaN. Pure."""

from __future__ import annotations

from math import isfinite

from energymeter.reader.reading import Value
from energymeter.store.base import Form, Series
from energymeter.values.text import shortest

__all__ = ["number_text", "plain_value"]


def plain_value(series: Series, value: Value) -> Value:
    """The value as its series has it, without digits that the meter did not give.

    Args:
        series: Says what it is: a number, a flag or a text, and how the meter holds it.
        value: As it was read.

    Returns:
        A finite number, a boolean, a text, or None where there is no value; NaN and infinity are
        none. Whole numbers too large for a float keep all their digits.
    """
    if value is None:
        return None
    if series.form is Form.TEXT or isinstance(value, str):
        return str(value)
    if series.form is Form.BOOLEAN:
        return bool(value)
    if isinstance(value, int):
        return int(value) if series.form is Form.INTEGER else _as_float(int(value))
    if not isfinite(value):
        return None
    number = shortest(value, series.type)
    if series.divisor > 1:
        # What the meter has is a whole number over the divisor; arithmetic may have added digits.
        nearest = round(number * series.divisor) / series.divisor
        if abs(nearest - number) <= 1e-15 * abs(number):
            number = nearest
    if series.form is Form.INTEGER and number.is_integer():
        return int(number)
    return number


def number_text(number: float) -> str:
    """The shortest usual text of a finite number: `230.1`, `17`, `1e+16`."""
    text = repr(number)
    return text.removesuffix(".0")


def _as_float(value: int) -> float | int:
    try:
        number = float(value)
    except OverflowError:
        return value
    return number if number == value else value

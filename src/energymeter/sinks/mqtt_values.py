"""Values as they are published: no digit that only arithmetic has added. Pure."""

from __future__ import annotations

import json
import math
from typing import Final

from energymeter.reader.reading import Value
from energymeter.store.base import Series
from energymeter.store.numbers import number_text, plain_value

__all__ = ["json_text", "meant_value"]

_SHORT: Final = 10
"""Characters; what arithmetic adds to a number makes it longer."""

_DIGITS: Final = 15
"""Decimal digits that a float always holds."""

_ULPS: Final = 4
"""How far a few multiplications and divisions may lead away, in units of the last place."""


def meant_value(series: Series, value: Value) -> Value:
    """The value without what arithmetic has added; None where there is no finite one.

    Whole numbers of registers that are scaled twice, by the profile and by the meter's own scale
    or a transformer's ratio, come out as 2.0999999999999996: what was meant is 2.1.
    """
    plain = plain_value(series, value)
    if isinstance(plain, float) and not series.type.is_float:
        short = float(f"{plain:.{_DIGITS}g}")
        if abs(short - plain) <= _ULPS * math.ulp(plain):
            return short
    return plain


def json_text(series: Series, value: Value) -> str:
    """The shortest JSON that gives the value back; `null` where there is none."""
    if type(value) is float:
        text = repr(value)
        if len(text) <= _SHORT and text[-1].isdigit():
            return text.removesuffix(".0")
    plain = meant_value(series, value)
    if plain is None:
        return "null"
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, str):
        return json.dumps(plain)
    return number_text(plain)

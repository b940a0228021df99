"""Numbers, ages and names as an operator wants to read them. Pure.

No more digits than the meter gave, and no more than matter: a power has four and a prefix
(12.41 kW), a counter all that the meter's own display has, grouped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache
from math import log10
from typing import Final, NamedTuple

from energymeter.reader.reading import Value
from energymeter.store.base import Series
from energymeter.values import DataType, quantity_of
from energymeter.values.home_assistant import decimals_of, home_assistant_unit
from energymeter.values.quantities import base_of
from energymeter.values.text import format_value

__all__ = [
    "DASH",
    "NOW",
    "TO",
    "Figure",
    "age_text",
    "clock_text",
    "counted",
    "figure",
    "grouped",
    "label_of",
    "listed",
    "moment_text",
    "scaled",
    "seconds_text",
    "share_text",
]

DASH: Final = "\N{EN DASH}"
TO: Final = "\N{EN DASH}"
NOW: Final = "now"
"""The age of what is not older than a poll a second."""

_MINUS: Final = "\N{MINUS SIGN}"
_GROUP: Final = "\N{NARROW NO-BREAK SPACE}"

_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_FLOWING: Final = frozenset({"W", "var", "VA"})
_COUNTED: Final = frozenset({"Wh", "varh", "VAh"})
_DIGITS: Final = 4
_MOST_DECIMALS: Final = 3
_LARGE_WH: Final = 1e4
"""From here on a counter of watt-hours is told in kWh."""


class Figure(NamedTuple):
    """A number and its unit."""

    number: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.number} {self.unit}".rstrip()


def grouped(value: float, decimals: int = 0) -> str:
    """A number with its digits in groups of three, from five digits on."""
    text = f"{abs(value):.{decimals}f}"
    whole, point, rest = text.partition(".")
    if len(whole) > 4:
        whole = f"{int(whole):,}".replace(",", _GROUP)
    is_zero = not text.strip("0.")
    return f"{_MINUS if value < 0 and not is_zero else ''}{whole}{point}{rest}"


def scaled(amount: float, unit: str, step: float = 0.0) -> Figure:
    """An amount in a base unit with four digits and the prefix that suits it.

    Args:
        amount: How much, in `unit`.
        unit: Such as W; takes the prefixes k, M and G.
        step: What the meter cannot tell apart, in `unit`; no digit below it is shown.
    """
    size = abs(amount)
    # What would be rounded up to 1000 has the next prefix.
    factor, prefix = next(((f, p) for f, p in _PREFIXES if size >= f * 0.99995), (1.0, ""))
    shown = size / factor
    whole = len(f"{shown:.0f}") if shown >= 1 else 1
    decimals = min(max(_DIGITS - whole, 0), _MOST_DECIMALS)
    while decimals and 10**-decimals < step / factor * 0.999:
        decimals -= 1
    return Figure(grouped(amount / factor, decimals), prefix + unit)


def counted(amount: float, unit: str) -> Figure:
    """An amount that was counted within some time, such as today's energy.

    Args:
        amount: How much, in `unit`.
        unit: A base unit: Wh, m3, ...
    """
    if unit in _COUNTED:
        if abs(amount) < 1e6:
            kilo = amount / 1e3
            return Figure(grouped(kilo, 2 if abs(kilo) < 100 else 1), f"k{unit}")
        return scaled(amount, unit)
    return Figure(grouped(amount, 3 if abs(amount) < 100 else 1), home_assistant_unit(unit))


def figure(value: Value, series: Series) -> Figure:
    """A meter's value."""
    if value is None:
        return Figure(DASH)
    if isinstance(value, (str, bool)):
        return Figure(format_value(value, series.type) or DASH)
    if series.type is DataType.BITS16 or (not series.unit and _is_code(series)):
        return Figure(format_value(value, series.type, series.divisor), series.unit)
    decimals = _decimals(series)
    base, factor = base_of(series.unit)
    if base in _FLOWING:
        return scaled(value * factor, base, 10**-decimals * factor)
    decimals = min(decimals, _MOST_DECIMALS)
    if series.unit in _COUNTED and abs(value) >= _LARGE_WH:
        return Figure(grouped(value / 1e3, min(decimals + 3, _MOST_DECIMALS)), f"k{series.unit}")
    return Figure(grouped(value, decimals), home_assistant_unit(series.unit))


@lru_cache(maxsize=4096)
def _decimals(series: Series) -> int:
    base, factor = base_of(series.unit)
    if base in _FLOWING and series.type.is_float:
        return 1 + round(log10(factor))
    if not base and series.type.is_float:
        return _MOST_DECIMALS
    return decimals_of(series.unit, series.type, series.divisor)


def _is_code(series: Series) -> bool:
    quantity = quantity_of(series.name)
    return quantity is None or quantity.is_setting


_ENDS: Final = (
    (re.compile(r"_phase_([abc])([abc])\b"), lambda m: f" {_phase(m[1])}{TO}{_phase(m[2])}"),
    (re.compile(r"_phase_([abc])\b"), lambda m: f" {_phase(m[1])}"),
    (re.compile(r"_l([123])\b"), lambda m: f" L{m[1]}"),
)
_SHORT: Final = {
    "thd": "THD",
    "ll": f"L{TO}L",
    "soc": "charge",
    "ct": "CT",
    "pt": "PT",
    "int": "(int)",
}


def _phase(letter: str) -> str:
    return f"L{'abc'.index(letter) + 1}"


@lru_cache(maxsize=4096)
def label_of(name: str) -> str:
    """The name of a value in words: `active_power_phase_a` is `Active power L1`."""
    text = name
    for pattern, spelled in _ENDS:
        text = pattern.sub(spelled, text)
    words = [_SHORT.get(word, word) for word in text.replace("_", " ").split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def age_text(seconds: float) -> str:
    """How old something is."""
    if seconds < 2:
        return NOW
    return seconds_text(seconds)


def seconds_text(seconds: float) -> str:
    """A duration, in the unit that suits it."""
    if seconds < 1:
        milli = f"{seconds * 1e3:.0f}" if seconds >= 0.01 else f"{seconds * 1e3:.1f}"
        return f"{milli.removesuffix('.0')} ms"
    for limit, size, word in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds / 86_400:.0f} d"


def share_text(share: float) -> str:
    """A part of a whole in per cent."""
    return f"{share:.1%}" if 0.0 < share < 0.0995 else f"{share:.0%}"


def clock_text(time: datetime, zone: tzinfo | None = None) -> str:
    """The time of day where the service runs, or in a zone."""
    return f"{time.astimezone(zone):%H:%M:%S}"


def moment_text(time: datetime, now: datetime, zone: tzinfo | None = None) -> str:
    """A time, with its day where that is not today."""
    local, today = time.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%d %b %H:%M:%S}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Some names, and how many more there are."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"

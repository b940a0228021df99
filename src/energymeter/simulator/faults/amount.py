"""How much of a fault: durations, counts, codes, addresses, as people write them.

Text in, numbers out, and back. Knows no faults and no clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from energymeter.errors import ConfigError
from energymeter.transports.options import duration_text

__all__ = ["Amount", "Measure", "Ranges", "contains", "parse_duration", "parse_range", "range_text"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|min|h|d)")
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_RANGE: Final = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")

Ranges = tuple[tuple[int, int], ...]
"""Numbers by ranges, first and last of each; empty: all there are."""


class Amount(NamedTuple):
    """A number, or a range out of which one is drawn each time; what it counts says the fault."""

    low: float
    high: float


class Measure(Enum):
    """What the amount of a fault is."""

    NONE = ""
    DURATION = "a duration, such as 500ms, or a range of them, 20ms-50ms"
    COUNT = "a whole number"
    CODE = "an exception code, 1 to 255"
    ADDRESSES = "an address or a range of them, 10-20"
    UNITS = "a unit number, 0 to 255"
    NUMBER = "a number, in kWh, kvarh, kVAh or m3"

    def parse(self, text: str) -> Amount:
        """Make sense of what a person wrote.

        Raises:
            ConfigError: It is no such thing; the message is the rest of a sentence about it.
        """
        if self is Measure.DURATION:
            low, dash, high = text.partition("-")
            first = parse_duration(low)
            amount = Amount(first, parse_duration(high) if dash else first)
        elif self is Measure.ADDRESSES:
            amount = Amount(*parse_range(text, 65535))
        elif self is Measure.NUMBER:
            amount = _number(text)
        else:
            most = 65535 if self is Measure.COUNT else 255
            low_number, high_number = parse_range(text, most)
            if low_number != high_number or (self is Measure.CODE and not low_number):
                raise self._no(text)
            amount = Amount(low_number, high_number)
        if amount.high < amount.low:
            raise self._no(text)
        return amount

    def render(self, amount: Amount) -> str:
        """Write an amount so that it can be read back."""
        if self is Measure.DURATION:
            low, high = (duration_text(seconds) for seconds in amount)
            return low if amount.low == amount.high else f"{low}-{high}"
        if self is Measure.NUMBER:
            return f"{amount.low:.12g}"
        return range_text((int(amount.low), int(amount.high)))

    def _no(self, text: str) -> ConfigError:
        return ConfigError(f"{text!r} is not {self.value}")


def parse_duration(text: str) -> float:
    """Seconds of `500ms`, `20s`, `1.5min`, `1h` or `2d`.

    Raises:
        ConfigError: It is no duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no duration, write 500ms, 20s, 5min, 1h or 2d"
        raise ConfigError(msg)
    number, unit = float(match[1]), match[2]
    # Dividing gives the number nearest to what is written, multiplying by 0.001 does not.
    return number / 1000 if unit == "ms" else number * _SECONDS[unit]


def parse_range(text: str, most: int) -> tuple[int, int]:
    """First and last of `7` or `7-12`.

    Raises:
        ConfigError: It is no such range, or leaves 0 to `most`.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no number and no range of them, write 7 or 7-12"
        raise ConfigError(msg)
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last or last > most:
        msg = f"{text!r} is not possible, use 0 to {most}, the smaller number first"
        raise ConfigError(msg)
    return first, last


def range_text(numbers: tuple[int, int]) -> str:
    """Write a range so that it can be read back."""
    first, last = numbers
    return str(first) if first == last else f"{first}-{last}"


def contains(ranges: Ranges, numbers: Iterable[int]) -> bool:
    """Whether one of the numbers is in the ranges; no ranges contain everything."""
    return not ranges or any(
        first <= number <= last for number in numbers for first, last in ranges
    )


def _number(text: str) -> Amount:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        msg = f"{text!r} is not {Measure.NUMBER.value}"
        raise ConfigError(msg)
    return Amount(number, number)

"""What a single value is worth: how much likelier its size is by right than by chance; pure."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from energymeter.profiles import Point
from energymeter.values import DataType, Encoding, Quantity, quantity_of, unit_factor

__all__ = ["RARE", "Expected", "expected_of"]

_MOST: Final = 5.0
"""No single value says more than this, for or against."""

RARE: Final = math.log(0.05)
"""A right reading gives an untypical value, one in twenty."""

_FLOAT_EXPONENTS: Final = {DataType.FLOAT32: 256, DataType.FLOAT64: 2048}
_USUAL_ENERGY: Final = 1e7
"""Wh: from here on each further decade on a counter is less likely."""

_ENERGIES: Final = ("Wh", "varh", "VAh")
_NEVER_ZERO: Final = ("voltage", "voltage_ll", "frequency")
_ZERO: Final = -2.5
"""A voltage or a frequency of zero where the meter itself is alive."""


class Expected(NamedTuple):
    """What is expected of one point."""

    low: float
    high: float
    """Outside of these it cannot be true."""

    likely: tuple[float, float]
    inside: float
    outside: float
    """Weights of a likely amount and of another one."""

    usual: float
    """Amounts beyond become less and less likely."""

    zero: float
    missing: float
    is_float: bool

    def weigh(self, value: float) -> float:
        """The weight of an amount that is not zero."""
        amount = abs(value)
        if self.is_float and not 1e-12 < amount < 1e18:
            return -_MOST  # the mark of a float in the wrong order
        if not self.low <= value <= self.high:
            return -_MOST
        if not self.likely[0] <= amount <= self.likely[1]:
            return self.outside
        if amount <= self.usual:
            return self.inside
        return min(self.inside, 1.0) - 0.5 * math.log10(amount / self.usual)


def expected_of(point: Point) -> Expected | None:
    """None where there is no number."""
    quantity = quantity_of(point.name)
    if point.type in (DataType.STRING, DataType.BOOL) or point.encoding is Encoding.ASCII_FLOAT:
        return None
    is_float = point.type.is_float
    if quantity is None or quantity.is_setting:
        return Expected(
            low=-math.inf,
            high=math.inf,
            likely=(0.0, 1e9),
            inside=0.1,
            outside=-0.5,
            usual=math.inf,
            zero=0.0,
            missing=0.0,
            is_float=is_float,
        )
    factor = unit_factor(point.unit, quantity.unit)
    # The unit is not told (or unknown): judge by size with a thousandfold allowance.
    slack = 1e3 if factor is None else 1.0
    factor = factor or 1.0
    low, high = quantity.low * slack / factor, quantity.high * slack / factor
    if point.counts_down:
        low, high = -high, -low
    typical = quantity.typical or (0.0, math.inf)
    likely = (typical[0] / slack / factor, typical[1] * slack / factor)
    inside, outside = _weights(point, quantity, likely)
    return Expected(
        low=low,
        high=high,
        likely=likely,
        inside=inside,
        outside=outside,
        usual=_USUAL_ENERGY * slack / factor if quantity.unit in _ENERGIES else math.inf,
        zero=_ZERO if quantity.name in _NEVER_ZERO else 0.0,
        # Meters answer NaN for what they lack; a wrong order hardly ever makes one of a number.
        missing=2.5 if is_float else 1.0,
        is_float=is_float,
    )


def _weights(point: Point, quantity: Quantity, likely: tuple[float, float]) -> tuple[float, float]:
    """What a likely and an unlikely amount are worth, from how often chance hits the range."""
    least, most = likely
    if quantity.typical is None:
        return 0.0, 0.0
    if point.type.is_float:
        chance = math.log2(most / least) / _FLOAT_EXPONENTS[point.type]
        if quantity.low >= 0:
            chance /= 2
    else:
        bits = 16 * point.type.words
        scale = abs(float(point.scale))
        first = max(1.0, least / scale)
        last = min(2.0**bits, max(most / scale, 2 * first))
        chance = max(math.log2(last / first), 0.1) / bits if last > first else 1.0
    chance = min(chance, 0.95)
    return min(_MOST, -math.log(chance)), max(RARE, math.log(0.05 / (1 - chance)))

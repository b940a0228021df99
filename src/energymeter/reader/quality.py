"""Which values cannot be true: limits prepared once, one pass a poll; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from energymeter.errors import ConfigError
from energymeter.profiles import Point
from energymeter.reader.reading import Value
from energymeter.values import DataType, Encoding, Quantity, quantity_of, unit_factor

__all__ = ["Limit", "Rating", "limits_of", "outside"]

_OVERLOAD: Final = 1.5
"""Times the rated current that is still believed: meters stand short overloads."""

_TINY: Final = 1e-30
"""Whole numbers that are read as floats are nearer to zero than this, in any unit."""


@dataclass(frozen=True, slots=True)
class Rating:
    """What the circuit that is measured can carry: narrows what is believed.

    Raises:
        ConfigError: A current or voltage is not more than 0.
    """

    current_a: float
    """Largest current of a phase, in ampere, such as 40 for a 40 A supply."""

    voltage_v: float = 480.0
    """Largest voltage between a phase and neutral, in volt."""

    def __post_init__(self) -> None:
        if not (0 < self.current_a < inf and 0 < self.voltage_v < inf):
            msg = f"a rating of {self.current_a:g} A, {self.voltage_v:g} V is not possible"
            raise ConfigError(msg)

    @property
    def phase_w(self) -> float:
        """Power of one phase that is still believed."""
        return _OVERLOAD * self.current_a * self.voltage_v

    def limit_of(self, point: Point, quantity: Quantity) -> float:
        """Largest amount of a quantity that is believed, in the quantity's unit."""
        kind = quantity.name.removeprefix("max_").removeprefix("demand_")
        if kind == "current":
            return _OVERLOAD * self.current_a * (1 if "phase" in point.name else 3)
        if quantity.unit in ("W", "var", "VA") and "_power" in kind:
            return self.phase_w * (1 if "phase" in point.name else 3)
        return inf


class Limit(NamedTuple):
    """The plausible range of the value at one place, in the unit of the value."""

    place: int
    low: float
    high: float
    tiny: float = 0.0
    """What is nearer to zero, and not zero, is no measurement but other bits read as a float."""


def limits_of(points: Sequence[Point], rating: Rating | None = None) -> tuple[Limit, ...]:
    """The ranges of those points that have one, both ends included; floats have one always."""
    limits = []
    for place, point in enumerate(points):
        if point.type in (DataType.STRING, DataType.BOOL) or point.encoding is Encoding.ASCII_FLOAT:
            continue
        low, high = _range_of(point, rating)
        tiny = _TINY if point.type.is_float else 0.0
        if low > -inf or high < inf or tiny:
            limits.append(Limit(place, low, high, tiny))
    return tuple(limits)


def outside(
    values: Sequence[Value], limits: Sequence[Limit], points: Sequence[Point]
) -> Mapping[int, str]:
    """Places and reasons of the values that cannot be true."""
    found = {}
    for place, low, high, tiny in limits:
        value = values[place]
        if value is None:
            continue
        if not low <= value <= high:  # type: ignore[operator]
            unit = points[place].unit
            found[place] = f"{value:.6g} {unit} is not in {low:.6g} to {high:.6g} {unit}".replace(
                "  ", " "
            ).rstrip()
        elif -tiny < value < tiny and value:  # type: ignore[operator]
            found[place] = f"{value:.6g} is not a measurement: check profile, type and byte order"
    return found


def _range_of(point: Point, rating: Rating | None) -> tuple[float, float]:
    low, high = -inf, inf
    quantity = quantity_of(point.name)
    factor = None if quantity is None else unit_factor(point.unit, quantity.unit)
    if quantity is not None and factor is not None:
        low, high = quantity.low, quantity.high
        if rating is not None:
            most = rating.limit_of(point, quantity)
            low, high = max(low, -most), min(high, most)
        low, high = low / factor, high / factor
        if point.counts_down:
            low, high = -high, -low
    if point.minimum is not None:
        low = max(low, float(point.minimum))
    if point.maximum is not None:
        high = min(high, float(point.maximum))
    return low, high

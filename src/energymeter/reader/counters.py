"""Which points of a meter count, how fast they can and where their registers end; pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from energymeter.profiles import Point
from energymeter.reader.dependent import Ratios
from energymeter.reader.quality import Rating
from energymeter.values import Encoding, Quantity, quantity_of, unit_factor

__all__ = ["Counter", "counters_of"]

_DECIMAL_TOPS: Final = range(6, 20)
"""Meters with so many digits in their display roll over there, not at the register's end."""

_UNKNOWN_SCALE: Final = 1000
"""Allowance for a step whose scale the meter itself tells."""

_ELECTRICAL: Final = ("Wh", "varh", "VAh")


class Counter(NamedTuple):
    """A point that counts; amounts are in its own unit."""

    place: int
    name: str
    unit: str
    direction: int
    """1, or -1 where it runs downwards from zero."""

    growth_per_s: float
    """Fastest it can grow."""

    step: float
    """What its register cannot tell apart."""

    tops: tuple[float, ...]
    """Where it may start again from zero."""


def counters_of(
    points: Sequence[Point],
    rating: Rating | None = None,
    ratios: Ratios | None = None,
) -> tuple[Counter, ...]:
    """The counters among the points, in order; those whose unit is not known are left out.

    Args:
        points: In the order of the values.
        rating: What the circuit can carry; None: as the points' own limits say, else generous.
        ratios: Transformer ratios the values are multiplied by.
    """
    if rating is None:
        rating = _rating_of(points)
    found = []
    for place, point in enumerate(points):
        quantity = quantity_of(point.name)
        if quantity is None or not quantity.is_counter or not point.type.words:
            continue
        factor = unit_factor(point.unit, quantity.unit)
        if factor is None:
            continue
        ratio = 1.0
        for kind in point.ratio:
            ratio *= (ratios or {}).get(kind, 1.0)
        step = 1e-6 if point.type.is_float else abs(float(point.scale))
        step *= ratio * (_UNKNOWN_SCALE if point.scale_from is not None else 1)
        found.append(
            Counter(
                place=place,
                name=point.name,
                unit=point.unit,
                direction=-1 if point.counts_down else 1,
                growth_per_s=_growth_per_s(point, quantity, rating) / factor,
                step=2 * step,
                tops=_tops(point, ratio),
            )
        )
    return tuple(found)


def _rating_of(points: Sequence[Point]) -> Rating | None:
    """What the limits of the phase currents say, if there are any."""
    largest = 0.0
    for point in points:
        quantity = quantity_of(point.name)
        if quantity is None or quantity.name != "current" or point.maximum is None:
            continue
        largest = max(largest, float(point.maximum) * (unit_factor(point.unit, "A") or 1.0))
    return Rating(largest) if largest > 0 else None


def _growth_per_s(point: Point, quantity: Quantity, rating: Rating | None) -> float:
    if rating is None or quantity.unit not in _ELECTRICAL or quantity.name == "heat_energy":
        return quantity.growth_per_s
    return rating.phase_w * (1 if "_phase_" in point.name else 3) / 3600


def _tops(point: Point, ratio: float) -> tuple[float, ...]:
    if point.scale_from is not None or point.offset:
        return ()
    if point.type.is_float:
        return tuple(10.0**digits * ratio for digits in range(5, 10))
    end = point.type.integer_range[1] + 1
    if point.encoding is Encoding.BCD:
        end = 10 ** (4 * point.type.words)
    elif point.encoding is Encoding.SIGN_MAGNITUDE:
        end = 1 << 16 * point.type.words - 1
    raws = sorted({end, *(10**digits for digits in _DECIMAL_TOPS if 10**digits < end)})
    scale = abs(float(point.scale)) * ratio
    return tuple(top for raw in raws if (top := raw * scale) < inf)

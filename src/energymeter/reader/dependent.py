"""Values that need another value to be understood: scale registers and transformer ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import Literal, NamedTuple

from energymeter.errors import ConfigError
from energymeter.profiles import Point, ScaleSource
from energymeter.reader.reading import Quality, Value
from energymeter.values import Scale

__all__ = ["Ratios", "Rescaler"]

Ratios = Mapping[Literal["ct", "pt"], Fraction | float]


class _Dependence(NamedTuple):
    place: int
    source_places: tuple[int, ...]
    source: ScaleSource


class Rescaler:
    """Applies what the meter says of its own scales, and the ratios of its transformers.

    Args:
        points: In the order of the values.
        ratios: Transformer ratios, such as 20 for 100/5; only points that ask for one use it.

    Raises:
        ConfigError: A ratio is not above 0.
    """

    def __init__(self, points: Sequence[Point], ratios: Ratios) -> None:
        places = {point.name: index for index, point in enumerate(points)}
        self._dependences = tuple(
            _Dependence(
                index, tuple(places[n] for n in point.scale_from.registers), point.scale_from
            )
            for index, point in enumerate(points)
            if point.scale_from is not None
        )
        self._ratios = tuple(
            (index, scale)
            for index, point in enumerate(points)
            if (scale := _ratio_scale(point, ratios)) is not None
        )
        self.is_idle = not (self._dependences or self._ratios)
        """Whether there is nothing to do."""

    def apply(self, values: list[Value], qualities: list[Quality]) -> None:
        """Put the final values in place; one whose scale is not known has none."""
        for index, source_places, source in self._dependences:
            value = values[index]
            if value is None or isinstance(value, str):
                continue
            if any(qualities[place] is Quality.NOT_READ for place in source_places):
                values[index], qualities[index] = None, Quality.NOT_READ
                continue
            numbers = [n for place in source_places if isinstance(n := values[place], int)]
            is_whole = len(numbers) == len(source_places)
            factor = source.factor(*numbers) if is_whole else None
            if factor is None:
                values[index], qualities[index] = None, Quality.NOT_AVAILABLE
            else:
                values[index] = _times(value, factor)
        for index, ratio in self._ratios:
            value = values[index]
            if value is not None and not isinstance(value, str):
                values[index] = _times(value, ratio)


def _times(value: float, factor: Fraction) -> float:
    return Scale(factor.numerator, 0, factor.denominator).to_value(value)


def _ratio_scale(point: Point, ratios: Ratios) -> Fraction | None:
    factor = Fraction(1)
    for kind in point.ratio:
        ratio = ratios.get(kind, 1)
        if not 0 < ratio < inf:
            msg = f"a ratio of the {kind} of {ratio} is not possible, use more than 0"
            raise ConfigError(msg)
        # A float such as 0.1 means the decimal that was written.
        factor *= ratio if isinstance(ratio, Fraction) else Fraction(str(ratio))
    return None if factor == 1 else factor

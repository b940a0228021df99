"""The one judge of plausibility: how far values speak for the way they were read.

AUTO, `find` and `scan` ask the same question of different candidates: are these the numbers of
an energy meter? Weights are logarithms of how much likelier the value is for a right reading
than for a wrong one, so they add up: a frequency of 50.02 Hz from 32 random bits is a chance of
one in five hundred, a power of 1000 W one in ten. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from energymeter.profiles import Point
from energymeter.reader.chance import RARE, expected_of
from energymeter.reader.crosscheck import Agreement, CrossChecks
from energymeter.reader.laws import Comparison, laws_of
from energymeter.reader.reading import Value
from energymeter.values import quantity_of

__all__ = ["Clue", "Judge", "Verdict"]

_DOUBT: Final = -1.6
"""A value that is worth less does not make sense."""

_SHOWN: Final = ("voltage", "frequency")
_ALIKE: Final = 3.0
_HOLDS: Final = 2.0
"""A relation that holds by a share of a fiftieth, and twice that at a five-thousandth: values
with a foreign low word are right to a hundredth, and no more."""

_EXACT: Final = 7.0
"""No relation says more than this."""

_BROKEN: Final = -1.5
_CLOSE: Final = 0.06
"""Phases of one grid are usually nearer to each other than this."""


class Clue(NamedTuple):
    """Something that speaks for a reading (positive) or against it."""

    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the values of one reading are worth."""

    score: float
    plausible: int
    """Values that do not speak against it."""

    clues: tuple[Clue, ...]
    """The strongest first."""

    examples: tuple[str, ...]
    """Up to three values that everybody can judge."""


class Judge:
    """Judges values of these points; prepared once, asked for each candidate.

    Args:
        points: In the order of the values.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = tuple(points)
        self._expected = tuple(expected_of(point) for point in self._points)
        self._checks = CrossChecks(self._points)
        self._laws = laws_of(self._points)
        self._exponents = frozenset(
            point.scale_from.point for point in self._points if point.scale_from is not None
        )
        self._voltages = tuple(
            place
            for place, point in enumerate(self._points)
            if (q := quantity_of(point.name)) is not None
            and q.name == "voltage"
            and "_phase_" in point.name
        )

    def judge(self, values: Sequence[Value], skipped: Container[int] = ()) -> Verdict:
        """Weigh all values; those at the places `skipped` are not known and say nothing."""
        values = [None if n in skipped else value for n, value in enumerate(values)]
        score = 0.0
        plausible = 0
        clues: list[Clue] = []
        examples: list[str] = []
        for place, (point, value) in enumerate(zip(self._points, values, strict=True)):
            weight = 0.0 if place in skipped else self._weigh(place, value)
            score += weight
            plausible += weight > _DOUBT
            if weight <= RARE:
                clues.append(Clue(weight, f"{point.name} would be {_shown(value, point)}"))
            elif weight > 0 and len(examples) < 3:
                quantity = quantity_of(point.name)
                if quantity is not None and quantity.name in _SHOWN:
                    examples.append(f"{point.name} {_shown(value, point)}")
        relations = self._compare(values)
        score += sum(clue.weight for clue in relations)
        clues += relations
        clues.sort(key=lambda clue: -abs(clue.weight))
        return Verdict(score, plausible, tuple(clues), tuple(examples))

    def _weigh(self, place: int, value: Value) -> float:
        point = self._points[place]
        if point.value is not None and value is not None:
            return _weigh_constant(point, value)
        if isinstance(value, str):
            return _weigh_text(value)
        expected = self._expected[place]
        if value is None:
            return 0.0 if expected is None else expected.missing
        if point.name in self._exponents and point.type.is_integer:
            return 1.0 if abs(value) <= 9 else -3.0
        if value == 0 or expected is None:
            return 0.0 if expected is None else expected.zero
        return expected.weigh(value)

    def _compare(self, values: Sequence[Value]) -> list[Clue]:
        clues = []
        clue = self._compare_voltages(values)
        if clue is not None:
            clues.append(clue)
        for found in self._checks.compare(values):
            if found.kind != "voltages" and (found.amount or found.made):
                text = (
                    f"{found.what}: {_AMOUNTS[found.kind]} {found.amount:.6g}, "
                    f"{_MADE[found.kind]} {found.made:.6g}"
                )
                clues.append(Clue(_relation_weight(found), text))
        for law in self._laws:
            result = law.compare(values)
            if result is None or not (result.amount or result.made):
                continue
            if result.holds or law.is_binding:
                text = f"{law.what} is {result.amount:.6g}, the others make {result.made:.6g}"
                clues.append(Clue(_relation_weight(result), text))
        return clues

    def _compare_voltages(self, values: Sequence[Value]) -> Clue | None:
        """The phases of one grid have nearly the same voltage."""
        amounts = [
            float(value)
            for place in self._voltages
            if isinstance(value := values[place], (int, float)) and value
        ]
        if len(amounts) < 2:
            return None
        spread = max(amounts) - min(amounts)
        shown = ", ".join(f"{amount:.5g}" for amount in amounts[:3])
        if min(amounts) > 0 and spread <= _CLOSE * max(amounts):
            return Clue(_ALIKE, f"the voltages are alike: {shown} V")
        if min(amounts) > 0 and spread <= 4 * _CLOSE * max(amounts):
            return Clue(_ALIKE / 3, f"the voltages are not far apart: {shown} V")
        return Clue(-_ALIKE, f"the voltages are far apart: {shown} V")


_AMOUNTS: Final = {"sum": "the total is", "product": "P is", "triangle": "S is"}
_MADE: Final = {
    "sum": "the phases make",
    "product": "U*I*pf makes",
    "triangle": "P and Q make",
}


def _relation_weight(found: Agreement | Comparison) -> float:
    if not found.holds:
        return _BROKEN
    size = max(abs(found.amount), abs(found.made))
    share = max(abs(found.amount - found.made), found.resolution, 1e-7 * size) / size
    return min(_EXACT, _HOLDS * max(0.0, 1 - math.log10(50 * share) / 2))


def _shown(value: Value, point: Point) -> str:
    if value is None:
        return "nothing"
    number = repr(value) if isinstance(value, str) else f"{value:.5g}"
    return f"{number} {point.unit}".rstrip()


def _weigh_constant(point: Point, value: Value) -> float:
    if isinstance(point.value, str):
        return 4.0 if value == point.value.rstrip() else -1.0
    if isinstance(value, str) or value is None:
        return 0.0
    is_same = math.isclose(value, point.exact_scale.to_value(point.value or 0), rel_tol=1e-9)
    if not point.value:
        return 0.0 if is_same else -0.5
    return 3.0 if is_same else -1.0


def _weigh_text(text: str) -> float:
    if not text:
        return 0.0
    return 1.5 if text.isascii() and text.isprintable() else -3.0

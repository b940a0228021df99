"""Relations that speak for a reading of the registers where they hold, beyond `crosscheck`.

A meter need not obey them (its energies may be balanced over the phases, its power factor that
of the fundamental), so that one is broken says little; that one holds is hardly ever chance. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from typing import Final, NamedTuple

from energymeter.profiles import Point
from energymeter.reader.reading import Value
from energymeter.values import DataType, quantity_of, unit_factor

__all__ = ["Comparison", "Law", "laws_of"]

_PHASES: Final = ("phase_a", "phase_b", "phase_c")
_LINES: Final = ("phase_ab", "phase_bc", "phase_ca")
_NEAR: Final = 0.02
"""Relative deviation that still counts as equal."""

_Made = Callable[[Sequence[float]], float]


class Comparison(NamedTuple):
    """How a law came out, in base units."""

    amount: float
    made: float
    resolution: float
    """What the registers cannot tell apart, all together."""

    holds: bool


class Law(NamedTuple):
    """One value that others make."""

    what: str
    place: int
    places: tuple[int, ...]
    factor: float
    factors: tuple[float, ...]
    steps: tuple[float, ...]
    """What each of the others cannot tell apart, in base units."""

    step: float
    made: _Made
    is_binding: bool
    """Whether it speaks against a reading where it is broken."""

    def compare(self, values: Sequence[Value]) -> Comparison | None:
        """Compare what the meter says with what the others make; None: not all are there."""
        amount = values[self.place]
        parts = [values[place] for place in self.places]
        if not isinstance(amount, (int, float)) or not all(
            isinstance(part, (int, float)) for part in parts
        ):
            return None
        numbers = [float(n) * f for n, f in zip(parts, self.factors, strict=True)]  # type: ignore[arg-type]
        made = self.made(numbers)
        said = abs(amount * self.factor)
        slack = self.step + sum(
            abs(self.made([*numbers[:n], numbers[n] + step, *numbers[n + 1 :]]) - made)
            for n, step in enumerate(self.steps)
            if step
        )
        # Steps that are as large as the value would let anything hold.
        allowed = _NEAR * max(said, abs(made)) + min(slack, 0.1 * max(said, abs(made)))
        return Comparison(said, abs(made), slack, abs(said - abs(made)) <= allowed)


def laws_of(points: Sequence[Point]) -> tuple[Law, ...]:
    """The laws that can be tried on the values of these points, in their order."""
    return tuple(_Finder(points).laws())


class _Known(NamedTuple):
    place: int
    factor: float
    step: float


class _Finder:
    def __init__(self, points: Sequence[Point]) -> None:
        self._known: dict[str, _Known] = {}
        for place, point in enumerate(points):
            quantity = quantity_of(point.name)
            factor = None if quantity is None else unit_factor(point.unit, quantity.unit)
            if factor is None or point.type in (DataType.STRING, DataType.BOOL):
                continue
            step = 0.0 if point.type.is_float else abs(float(point.scale)) * factor
            self._known[point.name] = _Known(place, factor, step)

    def laws(self) -> Iterator[Law]:
        parts: tuple[str, ...]
        for phase in _PHASES:
            parts = (f"voltage_{phase}", f"current_{phase}")
            yield from self._law(f"apparent_power_{phase}", parts, _product, is_binding=True)
            powers = (f"active_power_{phase}", f"apparent_power_{phase}")
            yield from self._law(f"power_factor_{phase}", powers, _quotient, is_binding=False)
        powers = ("active_power_total", "apparent_power_total")
        yield from self._law("power_factor_total", powers, _quotient, is_binding=False)
        yield from self._whole_meter()
        for name in ("voltage", "current"):
            parts = tuple(f"{name}_{phase}" for phase in _PHASES)
            yield from self._law(f"{name}_average", parts, _mean, is_binding=True)
        lines = tuple(f"voltage_{line}" for line in _LINES)
        yield from self._law("voltage_ll_average", lines, _mean, is_binding=True)
        stars = tuple(f"voltage_{phase}" for phase in _PHASES)
        for line in (*lines, "voltage_ll_average"):
            yield from self._law(line, stars, _line_voltage, is_binding=True)
        yield from self._energies()
        for name in list(self._known):
            # The same once more, in another number format.
            plain = name.removeprefix("int_")
            for other in (plain, f"{plain}_total"):
                if plain != name:
                    yield from self._law(name, (other,), sum, is_binding=True)

    def _whole_meter(self) -> Iterator[Law]:
        """The power of the whole from voltages, currents and the power factor."""
        phases = [p for p in _PHASES if f"voltage_{p}" in self._known]
        if any(f"current_{phase}" not in self._known for phase in phases) or not phases:
            return
        pairs = tuple(f"{name}_{phase}" for phase in phases for name in ("voltage", "current"))
        for end in ("_total", ""):
            if len(phases) == 1 or f"power_factor{end}" in self._known:
                factor = (f"power_factor{end}",)
                yield from self._law(
                    f"active_power{end}", (*pairs, *factor), _power, is_binding=True
                )
            if len(phases) == 1:
                yield from self._law(f"apparent_power{end}", pairs, _product, is_binding=True)

    def _energies(self) -> Iterator[Law]:
        for name in list(self._known):
            quantity = quantity_of(name)
            if quantity is None or not quantity.is_counter:
                continue
            base = name.removesuffix("_total")
            for family in (_PHASES, ("tariff_1", "tariff_2")):
                parts = tuple(f"{base}_{part}" for part in family)
                yield from self._law(name, parts, sum, is_binding=False)
        for kind in ("active", "reactive"):
            for end in ("", "_total"):
                parts = tuple(f"{kind}_energy_{way}{end}" for way in ("import", "export"))
                yield from self._law(f"{kind}_energy_total", parts, sum, is_binding=False)

    def _law(
        self, name: str, parts: tuple[str, ...], made: _Made, *, is_binding: bool
    ) -> Iterator[Law]:
        known = self._known
        if name in known and all(part in known for part in parts) and name not in parts:
            yield Law(
                what=name,
                place=known[name].place,
                places=tuple(known[part].place for part in parts),
                factor=known[name].factor,
                factors=tuple(known[part].factor for part in parts),
                steps=tuple(known[part].step for part in parts),
                step=known[name].step,
                made=made,
                is_binding=is_binding,
            )


def _product(numbers: Sequence[float]) -> float:
    return numbers[0] * numbers[1]


def _quotient(numbers: Sequence[float]) -> float:
    return numbers[0] / numbers[1] if numbers[1] else 0.0


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _line_voltage(numbers: Sequence[float]) -> float:
    return sqrt(3) * _mean(numbers)


def _power(numbers: Sequence[float]) -> float:
    *pairs, power_factor = numbers
    return power_factor * sum(
        abs(voltage * current) for voltage, current in zip(pairs[::2], pairs[1::2], strict=True)
    )

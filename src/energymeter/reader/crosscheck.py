"""Values that have to go together: sums of phases, P and U*I*pf, S and P and Q, three voltages.

Warnings only: which of the values is wrong cannot be told, so all stay good. Energies are left
out, because a meter that balances its phases counts less than their sum. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Final, Literal, NamedTuple

from energymeter.profiles import Point
from energymeter.reader.reading import Value
from energymeter.values import DataType, quantity_of, unit_factor

__all__ = ["Agreement", "CrossChecks"]

_SHARE: Final = 0.02
"""Relative deviation that is no reason to warn."""

_DISTORTION: Final = 1.5
"""Apparent power may be so many times what P and Q of the fundamental make: harmonics."""

_VOLTAGE_SHARE: Final = 0.15
"""Phases of one grid differ by less."""

_PHASES: Final = ("phase_a", "phase_b", "phase_c")


class Agreement(NamedTuple):
    """How one comparison came out, in base units."""

    kind: Literal["sum", "product", "triangle", "voltages"]
    what: str
    """The quantity or the phase."""

    amount: float
    """What the meter says; of voltages the highest."""

    made: float
    """What the other values make; of voltages the lowest."""

    resolution: float
    """What the registers cannot tell apart, all together."""

    holds: bool


class _Sum(NamedTuple):
    total: int
    parts: tuple[int, ...]
    factors: tuple[float, ...]
    """Of the total, then of the parts."""
    slack: float
    what: str


class _Product(NamedTuple):
    places: tuple[int, int, int, int]
    """Of P, U, I and the power factor."""
    factors: tuple[float, float, float, float]
    resolution: tuple[float, float, float, float]
    what: str


class _Triangle(NamedTuple):
    places: tuple[int, int, int]
    """Of P, Q and S."""
    factors: tuple[float, float, float]
    slack: float
    what: str


class CrossChecks:
    """What can be checked among the points of a meter, prepared once.

    Args:
        points: In the order of the values.
    """

    __slots__ = ("_products", "_sums", "_triangles", "_voltages", "is_idle")

    def __init__(self, points: Sequence[Point]) -> None:
        known = _known(points)
        self._sums = tuple(_sums(known))
        self._products = tuple(_products(known))
        self._triangles = tuple(_triangles(known))
        voltages = [known.get(f"voltage_{phase}") for phase in _PHASES]
        self._voltages = tuple(v.place for v in voltages if v is not None)
        if len(self._voltages) < 3:
            self._voltages = ()
        self.is_idle = not (self._sums or self._products or self._triangles or self._voltages)
        """Whether these points have nothing to compare."""

    def find(self, values: Sequence[Value]) -> list[str]:
        """One sentence for each disagreement; values that are missing are not compared."""
        return [_sentence(found) for found in self.compare(values) if not found.holds]

    def compare(self, values: Sequence[Value]) -> list[Agreement]:
        """Every comparison whose values are all there, agreement or not."""
        found: list[Agreement | None] = [_compare_sum(check, values) for check in self._sums]
        found += [_compare_product(product, values) for product in self._products]
        found += [_compare_triangle(triangle, values) for triangle in self._triangles]
        if self._voltages:
            found.append(_compare_voltages([values[place] for place in self._voltages]))
        return [agreement for agreement in found if agreement is not None]


class _Known(NamedTuple):
    place: int
    factor: float
    """To the base unit."""
    resolution: float
    """In the base unit."""


def _known(points: Sequence[Point]) -> dict[str, _Known]:
    known = {}
    for place, point in enumerate(points):
        quantity = quantity_of(point.name)
        factor = None if quantity is None else unit_factor(point.unit, quantity.unit)
        if factor is None or point.type in (DataType.STRING, DataType.BOOL):
            continue
        step = 0.0 if point.type.is_float else abs(float(point.scale))
        known[point.name] = _Known(place, factor, step * factor)
    return known


def _sums(known: dict[str, _Known]) -> list[_Sum]:
    found = []
    for name in ("active_power", "reactive_power"):
        total = known.get(f"{name}_total") or known.get(name)
        parts = [known[part] for phase in _PHASES if (part := f"{name}_{phase}") in known]
        if total is not None and len(parts) == len(_PHASES):
            slack = total.resolution + sum(part.resolution for part in parts)
            factors = (total.factor, *(part.factor for part in parts))
            found.append(_Sum(total.place, tuple(p.place for p in parts), factors, slack, name))
    return found


def _products(known: dict[str, _Known]) -> list[_Product]:
    found = []
    for phase in _PHASES:
        names = [f"{n}_{phase}" for n in ("active_power", "voltage", "current", "power_factor")]
        if all(name in known for name in names):
            p, u, i, f = (known[name] for name in names)
            found.append(
                _Product(
                    (p.place, u.place, i.place, f.place),
                    (p.factor, u.factor, i.factor, f.factor),
                    (p.resolution, u.resolution, i.resolution, f.resolution),
                    phase.replace("_", " "),
                )
            )
    return found


def _triangles(known: dict[str, _Known]) -> list[_Triangle]:
    found = []
    for part in (*_PHASES, "total"):
        names = [f"{n}_power_{part}" for n in ("active", "reactive", "apparent")]
        if all(name in known for name in names):
            p, q, s = (known[name] for name in names)
            slack = 2 * (p.resolution + q.resolution + s.resolution)
            what = part.replace("_", " ")
            places, factors = (p.place, q.place, s.place), (p.factor, q.factor, s.factor)
            found.append(_Triangle(places, factors, slack, what))
    return found


def _compare_sum(check: _Sum, values: Sequence[Value]) -> Agreement | None:
    total = values[check.total]
    if total is None:
        return None
    amount = total * check.factors[0]  # type: ignore[operator]
    whole = size = 0.0
    for place, factor in zip(check.parts, check.factors[1:], strict=True):
        value = values[place]
        if value is None:
            return None
        part = value * factor  # type: ignore[operator]
        whole += part
        size += abs(part)
    holds = abs(amount - whole) <= _SHARE * size + check.slack + 1e-9
    return Agreement("sum", check.what, amount, whole, check.slack, holds)


def _compare_product(check: _Product, values: Sequence[Value]) -> Agreement | None:
    picked = [values[place] for place in check.places]
    if None in picked:
        return None
    p, u, i, f = (
        abs(value * factor)  # type: ignore[operator]
        for value, factor in zip(picked, check.factors, strict=True)
    )
    if f > 1.0:
        return None  # a four-quadrant form of the power factor
    dp, du, di, df = check.resolution
    resolution = dp + du * i * f + di * u * f + df * u * i
    made = u * i * f
    holds = abs(p - made) <= _SHARE * u * i + resolution + 1e-9
    return Agreement("product", check.what, p, made, resolution, holds)


def _compare_triangle(check: _Triangle, values: Sequence[Value]) -> Agreement | None:
    p, q, s = (values[place] for place in check.places)
    if p is None or q is None or s is None:
        return None
    fp, fq, fs = check.factors
    made = hypot(p * fp, q * fq)  # type: ignore[operator]
    amount = abs(s * fs)  # type: ignore[operator]
    slack = check.slack + 1e-9
    holds = made <= amount * (1 + _SHARE) + slack and made * _DISTORTION + slack >= amount
    return Agreement("triangle", check.what, amount, made, check.slack, holds)


def _compare_voltages(voltages: Sequence[Value]) -> Agreement | None:
    amounts = [float(v) for v in voltages if v is not None]  # never text
    if len(amounts) < len(_PHASES):
        return None
    highest, lowest = max(amounts), min(amounts)
    holds = highest - lowest <= _VOLTAGE_SHARE * highest
    shown = ", ".join(f"{amount:.5g}" for amount in amounts) if not holds else ""
    return Agreement("voltages", shown, highest, lowest, 0.0, holds)


def _sentence(found: Agreement) -> str:
    match found.kind:
        case "sum":
            return (
                f"{found.what}: the total is {found.amount:.6g}, the phases make {found.made:.6g}"
            )
        case "product":
            return f"{found.what}: P is {found.amount:.6g} W, U*I*pf makes {found.made:.6g} W"
        case "triangle":
            return f"{found.what}: S is {found.amount:.6g} VA, P and Q make {found.made:.6g} VA"
        case "voltages":
            return f"the three voltages are far apart: {found.what}"

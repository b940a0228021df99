"""From quantities to what a meter has in its registers: the reader's decoding, turned round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from energymeter.codec import Table
from energymeter.profiles import Point, Profile, ScaleSource
from energymeter.profiles.wire import field_of
from energymeter.simulator.identity import identity_points, identity_stretches
from energymeter.values import (
    BlockCodec,
    DataType,
    encode_raw,
    pattern_raw,
    quantity_of,
    unit_factor,
)
from energymeter.values.block import Raw

__all__ = ["ImageMaker", "source_of"]

State = Mapping[str, float]
"""Quantities of one meter at one moment, by canonical name, in base units."""

_LARGEST_FLOAT32 = 3.4028234663852886e38

_PRINTED: Final = {"Wh": 1000.0, "varh": 1000.0, "VAh": 1000.0, "m3": 1.0}
"""Base units of energy and volume, and how many make the unit people read: kWh, m3."""


class _Stretch(NamedTuple):
    first: int
    codec: BlockCodec
    points: tuple[Point, ...]


class _Recipe(NamedTuple):
    """How one point's raw number is made from its quantity."""

    source: str
    factor: float
    """From the quantity's base unit to the point's unit, the meter's own scale taken out."""
    point: Point
    is_counter: bool


class ImageMaker:
    """Makes the register images of all meters of one profile.

    Args:
        profile: The meter.
        known: Names the state will have; a point whose name is not among them is constant, or
            stands for something the simulator has no physics for.
    """

    def __init__(self, profile: Profile, known: Sequence[str]) -> None:
        self.profile = profile
        self._recipes = {
            point.name: _recipe(point, source, profile)
            for point in profile.points
            if (source := source_of(point, known)) is not None
        }
        self.sources = frozenset(recipe.source for recipe in self._recipes.values())
        """Names of the state that are used."""
        self.counters = frozenset(r.source for r in self._recipes.values() if r.is_counter)
        """Those of them that a reset sets to zero."""
        self.without_source = tuple(
            point.name
            for point in profile.readable_points
            if point.name not in self._recipes and point.value is None and point.how_often != "once"
        )
        """Points that neither move nor have a fixed value."""
        self.billed = {
            recipe.source: _PRINTED[quantity.unit]
            for recipe in self._recipes.values()
            if (quantity := quantity_of(recipe.source)) is not None
            and quantity.is_counter
            and quantity.unit in _PRINTED
        }
        """Counters of energy and volume among them, and what they count by in kWh, m3 and such."""
        self._points = (*profile.points, *identity_points(profile))
        self._stretches = {
            table: tuple(self._plan(table)) for table in (Table.HOLDING, Table.INPUT)
        }
        self._bits = {
            table: tuple(point for point in profile.points if table in point.tables)
            for table in (Table.COIL, Table.DISCRETE)
        }

    def registers(self, table: Table, state: State) -> list[tuple[int, bytes]]:
        """Stretches of a register table, first address and bytes, as they stand on the wire."""
        return [
            (stretch.first, stretch.codec.encode([self._raw(p, state) for p in stretch.points]))
            for stretch in self._stretches[table]
        ]

    def bits(self, table: Table, state: State) -> list[tuple[int, bool]]:
        """Every bit of a table that exists, with its state."""
        states = {
            address: False
            for first, end in self.profile.readable_in(table)
            for address in range(first, end)
        }
        for point in self._bits[table]:
            recipe = self._recipes.get(point.name)
            states[point.address] = bool(recipe and state[recipe.source])
        return list(states.items())

    def billed_spans(self, table: Table) -> list[tuple[int, int]]:
        """Where counters of energy and volume are in a table: first and last address of each."""
        return [
            (recipe.point.address, recipe.point.end - 1)
            for recipe in self._recipes.values()
            if recipe.source in self.billed and table in recipe.point.tables
        ]

    def _plan(self, table: Table) -> list[_Stretch]:
        points = [point for point in self._points if table in point.tables]
        stretches = []
        readable = self.profile.readable_in(table)
        if table in self.profile.tables:
            readable = (*readable, *identity_stretches(self.profile))
        for first, end in _cover(points, readable):
            inside = tuple(p for p in points if first <= p.address and p.end <= end)
            fields = [field_of(point, first, self.profile.order_of(point)) for point in inside]
            stretches.append(_Stretch(first, BlockCodec(fields, end - first), inside))
        return stretches

    def _raw(self, point: Point, state: State) -> Raw:
        recipe = self._recipes.get(point.name)
        if recipe is not None:
            return _to_raw(recipe, state[recipe.source])
        if point.value is not None:
            return encode_raw(point.value, point.type, point.encoding)
        if point.not_available:
            return pattern_raw(point.not_available[0], point.type, point.encoding)
        if point.type is DataType.STRING:
            return ""
        return math.nan if point.type.is_float else 0


def source_of(point: Point, known: Sequence[str]) -> str | None:
    """The quantity behind a point; None when it is constant or the physics has no such thing."""
    if point.value is not None or point.type is DataType.STRING or point.access == "w":
        return None
    plain = point.name.removeprefix("int_").removeprefix("status_")
    # What is named without a phase is the whole meter's.
    return next((name for name in (plain, f"{plain}_total") if name in known), None)


def _recipe(point: Point, source: str, profile: Profile) -> _Recipe:
    quantity = quantity_of(source)
    factor = 1.0
    if quantity is not None and point.unit:
        factor = 1.0 / (unit_factor(point.unit, quantity.unit) or 1.0)
    if point.scale_from is not None:
        factor /= float(_own_factor(point.scale_from, profile))
    return _Recipe(source, factor, point, quantity is not None and quantity.is_counter)


def _own_factor(source: ScaleSource, profile: Profile) -> Fraction:
    """The factor a simulated meter's scale register stands for, the register being constant."""
    fixed = {point.name: point.value for point in profile.points}
    numbers = [int(fixed[name] or 0) for name in source.registers]
    return source.factor(*numbers) or Fraction(1)


def _to_raw(recipe: _Recipe, quantity: float) -> Raw:
    value = quantity * recipe.factor
    point = recipe.point
    if recipe.is_counter and point.type.is_integer and not point.counts_down:
        # A counter shows what is complete, and starts again at zero when its digits run out.
        multiplier, summand, divisor = point.exact_scale
        raw = math.floor((value * divisor - summand) / multiplier + 1e-9)
        low, high = point.type.integer_range
        return encode_raw((raw - low) % (high - low + 1) + low, point.type, point.encoding)
    number = point.exact_scale.to_raw(-value if point.counts_down else value, point.type)
    if point.type is DataType.FLOAT32:
        return min(max(number, -_LARGEST_FLOAT32), _LARGEST_FLOAT32)
    return encode_raw(number, point.type, point.encoding)


def _cover(points: Sequence[Point], stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches that hold all points, joined where they touch or overlap."""
    cover: list[tuple[int, int]] = []
    for first, end in sorted([*stretches, *((point.address, point.end) for point in points)]):
        if cover and first <= cover[-1][1]:
            cover[-1] = (cover[-1][0], max(cover[-1][1], end))
        else:
            cover.append((first, end))
    return cover

"""From quantities to what a meter has in its registers: the reader's decoding, turned round."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energymeter.codec import Table
from energymeter.profiles import Point, Profile, ScaleSource
from energymeter.profiles.stretches import joined
from energymeter.profiles.wire import field_of
from energymeter.simulator.identity import identity_points, identity_stretches
from energymeter.values import (
    BlockCodec,
    DataType,
    Encoding,
    encode_raw,
    pattern_raw,
    quantity_of,
    unit_factor,
)
from energymeter.values.block import Raw

__all__ = ["Image", "ImageMaker", "source_of"]

State = Mapping[str, float]
"""Quantities of one meter at one moment, by canonical name, in base units."""

States = Mapping[str, NDArray[Any]]
"""Those of several meters: arrays of one length."""

_LARGEST_FLOAT32 = 3.4028234663852886e38

_PRINTED: Final = {"Wh": 1000.0, "varh": 1000.0, "VAh": 1000.0, "m3": 1.0}
"""Base units of energy and volume, and how many make the unit people read: kWh, m3."""


class Image(NamedTuple):
    """What all tables of a meter hold at one moment."""

    holding: Sequence[tuple[int, bytes]]
    """Stretches of registers: first address and bytes, as they stand on the wire."""

    input: Sequence[tuple[int, bytes]]
    coils: Sequence[tuple[int, bool]]
    """Every bit that exists, with its state."""

    discrete: Sequence[tuple[int, bool]]


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
        self._bits = {table: self._bits_in(table) for table in (Table.COIL, Table.DISCRETE)}
        self.mirrors = all(
            Table.HOLDING in point.tables and Table.INPUT in point.tables
            for point in profile.points
            if not point.table.is_bits
        )
        """Whether both register tables hold the same."""

    def image(self, state: State) -> Image:
        """What one meter shows."""
        states = {name: np.array([state[name]]) for name in self.sources}
        return next(self.images(states, 1))

    def images(self, states: States, size: int) -> Iterator[Image]:
        """What so many meters show, one after the other, made at once."""
        holding = self._registers(Table.HOLDING, states, size)
        inputs = holding if self.mirrors else self._registers(Table.INPUT, states, size)
        coils, discrete = (self._states(table, states) for table in self._bits)
        return map(Image, holding, inputs, coils, discrete)

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
        for first, end in joined([*readable, *((point.address, point.end) for point in points)]):
            inside = sorted(
                (p for p in points if first <= p.address and p.end <= end),
                key=attrgetter("address"),  # in this order a block is encoded in one call
            )
            fields = [field_of(point, first, self.profile.order_of(point)) for point in inside]
            stretches.append(_Stretch(first, BlockCodec(fields, end - first), tuple(inside)))
        return stretches

    def _bits_in(self, table: Table) -> dict[int, str | None]:
        """Every bit of a table that exists, and the quantity behind it."""
        bits: dict[int, str | None] = {
            address: None
            for first, end in self.profile.readable_in(table)
            for address in range(first, end)
        }
        for point in self.profile.points:
            if table in point.tables:
                recipe = self._recipes.get(point.name)
                bits[point.address] = None if recipe is None else recipe.source
        return bits

    def _registers(
        self, table: Table, states: States, size: int
    ) -> Sequence[Sequence[tuple[int, bytes]]]:
        parts = []
        for first, codec, points in self._stretches[table]:
            # A column a point, turned into a row a meter.
            columns = [self._column(point, states, size) for point in points]
            rows = zip(*columns, strict=True) if columns else repeat((), size)
            parts.append([(first, codec.encode(raws)) for raws in rows])
        return list(zip(*parts, strict=True)) if parts else [()] * size

    def _states(self, table: Table, states: States) -> Iterator[Sequence[tuple[int, bool]]]:
        bits = self._bits[table]
        if not any(bits.values()):
            return repeat([(address, False) for address in bits])
        columns = [
            repeat(False) if source is None else states[source].astype(bool).tolist()
            for source in bits.values()
        ]
        return ([*zip(bits, row, strict=True)] for row in zip(*columns))  # noqa: B905 - some repeat

    def _column(self, point: Point, states: States, size: int) -> Sequence[Raw]:
        recipe = self._recipes.get(point.name)
        if recipe is None:
            return [self._constant(point)] * size
        return _to_raws(recipe, states[recipe.source])

    def _constant(self, point: Point) -> Raw:
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


def _to_raws(recipe: _Recipe, quantity: NDArray[Any]) -> Sequence[Raw]:
    """What several meters hold of one quantity.

    Raises:
        ValueError: A whole number is to show what is not finite.
    """
    values = quantity * recipe.factor
    point = recipe.point
    multiplier, summand, divisor = point.exact_scale
    if point.counts_down:
        values = -values
    exact = (values * divisor - summand) / multiplier
    if point.type is DataType.FLOAT32:
        floats: list[Raw] = np.clip(exact, -_LARGEST_FLOAT32, _LARGEST_FLOAT32).tolist()
        return floats
    if point.type.is_float:
        numbers: Sequence[Raw] = exact.tolist()
    elif recipe.is_counter and not point.counts_down:
        numbers = _complete(exact, point.type)
    else:
        numbers = _nearest(exact, point.type)
    if point.encoding is Encoding.PLAIN:
        return numbers
    return [encode_raw(number, point.type, point.encoding) for number in numbers]


def _complete(exact: NDArray[np.float64], data_type: DataType) -> list[Raw]:
    """A counter shows what is complete, and starts again at zero when its digits run out."""
    low, high = data_type.integer_range
    span = high - low + 1
    return [(int(raw) - low) % span + low for raw in np.floor(exact + 1e-9).tolist()]


def _nearest(exact: NDArray[np.float64], data_type: DataType) -> list[Raw]:
    """The nearest whole numbers; what is too large stays at the end of its type."""
    if not np.isfinite(exact).all():
        msg = f"{exact} has no {data_type} numbers"
        raise ValueError(msg)
    low, high = data_type.integer_range
    return [min(max(int(raw), low), high) for raw in np.rint(exact).tolist()]

"""What a meter looks like from outside: its points, their places and their meaning.

A profile drives both sides: the reader that asks and the simulator that answers. It is plain
data, validated on construction; a profile that exists makes sense.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.profiles.point import Address, Part, Point, ScaleSource
from energymeter.profiles.stretches import joined, without
from energymeter.values import DataType, Order, WireOrder

__all__ = [
    "AddressRange",
    "Defaults",
    "Fingerprint",
    "Identification",
    "LoneAnswer",
    "Point",
    "Profile",
    "ScaleSource",
]


class AddressRange(Part):
    """Addresses that answer, whether or not a point is there; both ends included."""

    tables: tuple[Table, ...] = ()
    """Where; empty: as the profile says."""

    first: Address
    last: Address

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.last < self.first:
            msg = f"last {self.last} is before first {self.first}"
            raise ValueError(msg)
        return self


class Defaults(Part):
    """How the meter comes from the factory; None where it is not known."""

    unit: Annotated[int, Field(ge=0, le=255)] = 1
    tcp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    baudrate: Annotated[int, Field(ge=50, le=4_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Literal[1, 2] | None = None


class Fingerprint(Part):
    """A register that tells what meter this is."""

    tables: tuple[Table, ...] = ()
    address: Address
    type: DataType
    length: Annotated[int, Field(ge=1, le=MAX_READ_WORDS)] | None = None
    byte_order: Order | None = None
    """Overrides the profile's order of bytes inside a register."""

    expect: tuple[int | str, ...] = ()
    """Raw values of this model; empty: it exists, but its values are not known."""

    note: str = ""


class LoneAnswer(Part):
    """A register that answers something else when it is read alone."""

    tables: tuple[Table, ...] = ()
    address: Address | None = None
    """None: any address."""

    value: Annotated[int, Field(ge=0, le=0xFFFF)]
    note: str = ""


class Identification(Part):
    """What it answers to function 43/14, and to function 17."""

    vendor_name: str = ""
    product_code: str = ""
    major_minor_revision: str = ""
    vendor_url: str = ""
    product_name: str = ""
    model_name: str = ""


class Profile(Part):
    """A meter model."""

    name: str
    """`vendor/model` as the file is placed, or the name of a device written in Python."""

    vendor: str
    model: str
    description: str = ""
    kind: Literal["electricity", "water", "gas", "heat"] = "electricity"
    phases: Annotated[int, Field(ge=0, le=3)] = 0
    """Phases it measures; 0 where it has no meaning."""

    transports: tuple[Literal["rtu", "tcp", "udp"], ...] = ()
    """What the meter is sold with; empty: not known."""

    confidence: Literal["", "one-source", "two-sources"] = ""
    """Whether the sources confirm each other."""

    sources: tuple[str, ...] = ()
    """Where the facts come from."""

    notes: tuple[str, ...] = ()
    byte_order: Order = Order.BIG
    word_order: Order = Order.BIG
    tables: tuple[Table, ...] = (Table.HOLDING,)
    """Where points are that do not say it themselves; more than one are mirrors."""

    max_read_words: Annotated[int, Field(ge=1, le=MAX_READ_WORDS)] | None = None
    """Longest read of registers the meter answers; None: no limit of its own is known."""

    even_reads: bool = False
    """Only even addresses and even counts are answered."""

    gaps: Literal["zero", "refused"] = "zero"
    """What is between the points: registers that read as something, or exception 2."""

    holes: tuple[AddressRange, ...] = ()
    """Ranges that answer exception 2."""

    lone_answers: tuple[LoneAnswer, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    sunspec: bool = False
    """Whether the map is a SunSpec model chain."""

    readable: tuple[AddressRange, ...] = ()
    """Ranges that answer; empty: from the first point of a table to its last, or, where gaps are
    refused, the points alone."""

    defaults: Defaults = Defaults()
    identification: Identification = Identification()
    points: tuple[Point, ...]
    """At least one."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, data: Any) -> Any:  # noqa: ANN401 - raw input of any shape
        if not isinstance(data, dict):
            return data
        tables = data.get("tables", [Table.HOLDING])
        result = dict(data)
        for key in ("points", "readable", "holes", "lone_answers", "fingerprints"):
            parts = data.get(key)
            if isinstance(parts, (list, tuple)):
                result[key] = [
                    {"tables": tables, **part} if isinstance(part, dict) else part for part in parts
                ]
        _spread_scales(result)
        return result

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.tables:
            msg = "tables is empty, name holding or input"
            raise ValueError(msg)
        if not self.points:
            msg = "points is empty, a meter has at least one"
            raise ValueError(msg)
        seen: set[str] = set()
        for point in self.points:
            if point.name in seen:
                msg = f"the name {point.name!r} is used twice"
                raise ValueError(msg)
            seen.add(point.name)
            is_bit = point.type is DataType.BOOL
            if any(table.is_bits != is_bit for table in point.tables) or not point.tables:
                msg = f"{point.name}: bool belongs in coil or discrete, other types in registers"
                raise ValueError(msg)
        for point in self.points:
            source = point.scale_from
            for name in () if source is None else (source.point, source.over or source.point):
                if name not in seen or name == point.name:
                    msg = f"{point.name}: scale_from names {name!r}, which is no other point"
                    raise ValueError(msg)
        _check_overlaps(self.points)
        return self

    def order_of(self, point: Point) -> WireOrder:
        """Byte and word order of a point, its own or the profile's."""
        return WireOrder(point.byte_order or self.byte_order, point.word_order or self.word_order)

    def readable_in(self, table: Table) -> tuple[tuple[int, int], ...]:
        """Stretches of a table that answer, as first address and the one after the last."""
        ranges = [(r.first, r.last + 1) for r in self.readable if table in r.tables]
        if not ranges:
            ranges = [(p.address, p.end) for p in self.points if table in p.tables]
            if ranges and self.gaps == "zero":
                ranges = [(min(first for first, _ in ranges), max(end for _, end in ranges))]
        holes = [(r.first, r.last + 1) for r in self.holes if table in r.tables]
        return tuple(without(joined(ranges), holes))

    @property
    def readable_points(self) -> tuple[Point, ...]:
        """All points but the commands."""
        return tuple(point for point in self.points if point.access != "w")


def _spread_scales(data: dict[str, Any]) -> None:
    """Write out `scale_from = "name"` with what `[scales.name]` says once for all points."""
    scales = data.pop("scales", {})
    if not isinstance(scales, dict) or not all(isinstance(part, dict) for part in scales.values()):
        msg = "scales is a table of tables, one for each point that others take their scale from"
        raise ValueError(msg)
    used = set()
    points = data.get("points")
    for point in points if isinstance(points, list) else ():
        name = point.get("scale_from") if isinstance(point, dict) else None
        if isinstance(name, str):
            used.add(name)
            point["scale_from"] = {"point": name, **scales.get(name, {})}
    idle = sorted(set(scales) - used)
    if idle:
        msg = f"scales.{idle[0]} is used by no point"
        raise ValueError(msg)


def _check_overlaps(points: tuple[Point, ...]) -> None:
    last: dict[Table, Point] = {}
    for point in sorted(points, key=lambda point: (point.address, point.count)):
        for table in point.tables:
            before = last.get(table)
            if before is None or before.end <= point.address:
                last[table] = point
                continue
            is_twin = (before.address, before.count) == (point.address, point.count)
            if not is_twin or before.type is not point.type:
                msg = (
                    f"{before.name} ({before.type}, {before.address}..{before.end - 1}) and "
                    f"{point.name} ({point.type}, {point.address}..{point.end - 1}) overlap"
                )
                raise ValueError(msg)

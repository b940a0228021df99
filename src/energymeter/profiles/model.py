"""What a meter looks like from outside: its points, their places and their meaning.

A profile drives both sides: the reader that asks and the simulator that answers. It is plain
data, validated on construction; a profile that exists makes sense.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.values import DataType, Order, Scale, WireOrder

__all__ = ["AddressRange", "Defaults", "Identification", "Point", "Profile"]

Address = Annotated[int, Field(ge=0, le=0xFFFF)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(_Part):
    """One value of a meter."""

    name: Annotated[str, Field(min_length=1)]
    """Canonical name of the quantity, such as `voltage_phase_a` (see values.quantities)."""

    address: Address
    """Zero-based, as on the wire."""

    type: DataType
    """How its registers are to be understood."""

    tables: tuple[Table, ...] = ()
    """Where it is found; read from the first. Empty: as the profile says."""

    length: Annotated[int, Field(ge=1, le=MAX_READ_WORDS)] | None = None
    """Registers of a string."""

    unit: str = ""
    """Unit of the value after scaling; empty for a plain number."""

    scale: Decimal = Decimal(1)
    """raw * scale + offset gives the value."""

    offset: Decimal = Decimal(0)
    """Added after scaling, in the unit of the value."""

    byte_order: Order | None = None
    """Overrides the profile's order of bytes inside a register."""

    word_order: Order | None = None
    """Overrides the profile's order of the registers of one value."""

    access: Literal["r", "rw", "w"] = "r"
    """Whether it is read, written or both; what is only written is a command and never read."""

    value: int | str | None = None
    """Raw value of a point that never changes, for the simulator: a type code, a model name."""

    note: str = ""
    """What a person has to know about it."""

    @property
    def table(self) -> Table:
        """Where the reader looks for it."""
        return self.tables[0]

    @property
    def count(self) -> int:
        """Items it takes in its table: registers, or 1 for a bit."""
        return self.length or self.type.words or 1

    @property
    def end(self) -> int:
        """First address after it."""
        return self.address + self.count

    @cached_property
    def exact_scale(self) -> Scale:
        """Scale and offset as exact whole numbers."""
        return Scale.of(self.scale, self.offset)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.type is DataType.STRING) != (self.length is not None):
            msg = "a string needs a length in registers, other types have none"
            raise ValueError(msg)
        if self.end > 0x10000:
            msg = f"{self.count} registers from {self.address} go beyond 65535"
            raise ValueError(msg)
        if not self.scale.is_finite() or self.scale == 0 or not self.offset.is_finite():
            msg = "scale must be a number other than 0, offset a number"
            raise ValueError(msg)
        return self


class AddressRange(_Part):
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


class Defaults(_Part):
    """How the meter comes from the factory."""

    unit: Annotated[int, Field(ge=0, le=255)] = 1
    tcp_port: Annotated[int, Field(ge=1, le=65535)] = 502


class Identification(_Part):
    """What it answers to function 43/14, and to function 17."""

    vendor_name: str = ""
    product_code: str = ""
    major_minor_revision: str = ""
    vendor_url: str = ""
    product_name: str = ""
    model_name: str = ""


class Profile(_Part):
    """A meter model."""

    name: str
    """`vendor/model` as the file is placed, or the name of a device written in Python."""

    vendor: str
    model: str
    description: str = ""
    kind: Literal["electricity", "water", "gas", "heat"] = "electricity"
    phases: Annotated[int, Field(ge=0, le=3)] = 0
    """Phases it measures; 0 where it has no meaning."""

    sources: tuple[str, ...] = ()
    """Where the facts come from."""

    notes: tuple[str, ...] = ()
    byte_order: Order = Order.BIG
    word_order: Order = Order.BIG
    tables: tuple[Table, ...] = (Table.HOLDING,)
    """Where points are that do not say it themselves; more than one are mirrors."""

    max_read_words: Annotated[int, Field(ge=1, le=MAX_READ_WORDS)] = MAX_READ_WORDS
    """Longest read of registers the meter answers."""

    readable: tuple[AddressRange, ...] = ()
    """Ranges that answer; empty: from the first point of a table to its last."""

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
        for key in ("points", "readable"):
            parts = data.get(key)
            if isinstance(parts, (list, tuple)):
                result[key] = [
                    {"tables": tables, **part} if isinstance(part, dict) else part for part in parts
                ]
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
        _check_overlaps(self.points)
        return self

    def order_of(self, point: Point) -> WireOrder:
        """Byte and word order of a point, its own or the profile's."""
        return WireOrder(point.byte_order or self.byte_order, point.word_order or self.word_order)

    def readable_in(self, table: Table) -> tuple[tuple[int, int], ...]:
        """Stretches of a table that answer, as first address and the one after the last."""
        ranges = sorted((r.first, r.last + 1) for r in self.readable if table in r.tables)
        if ranges:
            return tuple(ranges)
        points = [point for point in self.points if table in point.tables]
        if not points:
            return ()
        return ((min(p.address for p in points), max(p.end for p in points)),)

    @property
    def readable_points(self) -> tuple[Point, ...]:
        """All points but the commands."""
        return tuple(point for point in self.points if point.access != "w")


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

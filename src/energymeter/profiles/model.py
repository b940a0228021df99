"""What a meter looks like from outside: its points, their places and their meaning.

A profile drives both sides: the reader that asks and the simulator that answers. It is plain
data, validated on construction; a profile that exists makes sense.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.values import DataType, Encoding, Order, Scale, WireOrder, quantity_of

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

Address = Annotated[int, Field(ge=0, le=0xFFFF)]

_MAX_EXPONENT: Final = 12
"""A power of ten beyond this is no scale but a fault."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScaleSource(_Part):
    """A register that changes the scale of others while the meter runs."""

    point: str
    """Name of the point it is read from."""

    codes: dict[int, Decimal] = {}
    """Factor for each code. Empty: its value n means times 10^n."""

    bits: tuple[int, int] | None = None
    """First and last bit that count, 0 the lowest; None: all of them."""

    def factor(self, number: int) -> Fraction | None:
        """The factor this number stands for; None when it stands for none."""
        if self.bits is not None:
            first, last = self.bits
            number = number >> first & (1 << last - first + 1) - 1
        if self.codes:
            factor = self.codes.get(number)
            return None if factor is None else Fraction(factor)
        return Fraction(10) ** number if abs(number) <= _MAX_EXPONENT else None


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

    encoding: Encoding = Encoding.PLAIN
    """How it deviates from its type: sign_magnitude, bcd, ascii_float, char_per_register."""

    not_available: tuple[Annotated[str, Field(pattern=r"^0x[0-9A-F]+$")], ...] = ()
    """Raw patterns that mean there is no value, most significant digit first, after the words
    are in order."""

    scale_from: ScaleSource | None = None
    """A further factor that the meter itself tells."""

    ratio: tuple[Literal["ct", "pt"], ...] = ()
    """Transformer ratios the value has to be multiplied by, because the meter does not."""

    rate: Literal["fast", "slow", "once"] | None = None
    """How often it is worth reading; None: as its quantity suggests."""

    minimum: Decimal | None = None
    """Narrows the plausible range of its quantity, in the unit of the value."""

    maximum: Decimal | None = None
    """Likewise."""

    counts_down: bool = False
    """A counter that runs from zero into the negative."""

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

    @property
    def how_often(self) -> Literal["fast", "slow", "once"]:
        """Its rate: what is measured fast, counters slowly, what never changes once."""
        if self.rate is not None:
            return self.rate
        quantity = quantity_of(self.name)
        if quantity is None:
            is_constant = self.value is not None or self.type is DataType.STRING
            return "once" if is_constant else "slow"
        return "slow" if quantity.is_counter else "fast"

    @property
    def _is_encodable(self) -> bool:
        match self.encoding:
            case Encoding.SIGN_MAGNITUDE | Encoding.BCD:
                return self.type.is_integer
            case Encoding.CHAR_PER_REGISTER:
                return self.type is DataType.STRING
            case Encoding.ASCII_FLOAT:
                return self.type.is_float
            case _:
                return True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.type is DataType.STRING) != (self.length is not None):
            msg = "a string needs a length in registers, other types have none"
            raise ValueError(msg)
        if not self._is_encodable:
            msg = f"encoding {self.encoding} does not go with type {self.type}"
            raise ValueError(msg)
        if self.end > 0x10000:
            msg = f"{self.count} registers from {self.address} go beyond 65535"
            raise ValueError(msg)
        if len({*self.not_available}) != len(self.not_available) or any(
            len(pattern) - 2 != 4 * self.count for pattern in self.not_available
        ):
            msg = f"not_available needs different patterns of {4 * self.count} hexadecimal digits"
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
    """How the meter comes from the factory; None where it is not known."""

    unit: Annotated[int, Field(ge=0, le=255)] = 1
    tcp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    baudrate: Annotated[int, Field(ge=50, le=4_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Literal[1, 2] | None = None


class Fingerprint(_Part):
    """A register that tells what meter this is."""

    tables: tuple[Table, ...] = ()
    address: Address
    type: DataType
    length: Annotated[int, Field(ge=1, le=MAX_READ_WORDS)] | None = None
    expect: tuple[int | str, ...] = ()
    """Raw values of this model; empty: it exists, but its values are not known."""

    note: str = ""


class LoneAnswer(_Part):
    """A register that answers something else when it is read alone."""

    tables: tuple[Table, ...] = ()
    address: Address
    value: Annotated[int, Field(ge=0, le=0xFFFF)]
    note: str = ""


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
            if source is not None and (source.point not in seen or source.point == point.name):
                msg = f"{point.name}: scale_from names {source.point!r}, which is no other point"
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
        return tuple(_without(_joined(ranges), holes))

    @property
    def readable_points(self) -> tuple[Point, ...]:
        """All points but the commands."""
        return tuple(point for point in self.points if point.access != "w")


Stretch = tuple[int, int]


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same addresses in ascending stretches that neither touch nor overlap."""
    joined: list[Stretch] = []
    for first, end in sorted(stretches):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    return joined


def _without(stretches: list[Stretch], holes: Iterable[Stretch]) -> list[Stretch]:
    for first, end in holes:
        pieces = [
            piece
            for start, stop in stretches
            for piece in ((start, min(stop, first)), (max(start, end), stop))
            if piece[0] < piece[1]
        ]
        stretches = _joined(pieces)
    return stretches


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

"""One value of a meter: its place, how its registers are to be understood, what it means.

Plain data, validated on construction.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energymeter.codec.codes import MAX_READ_WORDS, Table
from energymeter.values import DataType, Encoding, Order, Scale, quantity_of

__all__ = ["Address", "Part", "Point", "ScaleSource"]

Address = Annotated[int, Field(ge=0, le=0xFFFF)]

_MAX_EXPONENT: Final = 12
"""A power of ten beyond this is no scale but a fault."""


class Part(BaseModel):
    """Frozen, and without keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ScaleSource(Part):
    """A register that changes the scale of others while the meter runs."""

    point: str
    """Name of the point it is read from."""

    codes: dict[int, Decimal] = {}
    """Factor for each code. Empty: as `form` says."""

    form: Literal["exponent", "factor"] = "exponent"
    """Without codes: its value n means times 10^n, or times n."""

    over: str | None = None
    """Name of a point whose value divides the factor, such as a full scale of counts."""

    bits: tuple[int, int] | None = None
    """First and last bit that count, 0 the lowest; None: all of them."""

    def __hash__(self) -> int:
        # `codes`, a dict, has no hash of its own; equal sources still have equal ones.
        return hash((self.point, self.form, self.over, self.bits))

    @property
    def registers(self) -> tuple[str, ...]:
        """Names of the points the factor is made of."""
        return (self.point,) if self.over is None else (self.point, self.over)

    def factor(self, number: int, over: int = 1) -> Fraction | None:
        """The factor this number stands for, divided by `over`; None when it stands for none."""
        factor = self._whole_factor(number)
        return None if factor is None or over == 0 else factor / over

    def _whole_factor(self, number: int) -> Fraction | None:
        if self.bits is not None:
            first, last = self.bits
            number = number >> first & (1 << last - first + 1) - 1
        if self.codes:
            factor = self.codes.get(number)
            return None if factor is None else Fraction(factor)
        if self.form == "factor":
            return Fraction(number) if number else None
        return Fraction(10) ** number if abs(number) <= _MAX_EXPONENT else None


class Point(Part):
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

    optional: bool = False
    """Not every meter of this model has it: older firmware or a variant refuses it."""

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
        if quantity is None or quantity.is_setting:
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

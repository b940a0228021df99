"""The kinds of value a meter keeps in its registers, and the orders of their bytes and words."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["DataType", "Order", "WireOrder"]


class DataType(StrEnum):
    """How the registers of one value are to be understood."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BITS16 = "bits16"
    """Sixteen flags in a register, shown as a number."""
    STRING = "string"
    """Text, two characters a register; its length is given separately."""
    BOOL = "bool"
    """One coil or discrete input."""

    @property
    def words(self) -> int:
        """Registers of one value; 0 for text, whose length varies, and for bits."""
        return _WORDS.get(self.value, 0)

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self in (DataType.FLOAT32, DataType.FLOAT64)

    @property
    def is_integer(self) -> bool:
        """Whether it is a whole number of 16, 32 or 64 bits."""
        return self.words > 0 and not self.is_float

    @property
    def integer_range(self) -> tuple[int, int]:
        """Smallest and largest raw value of a whole-number type."""
        bits = 16 * self.words
        if self.value.startswith("int"):
            return -(1 << bits - 1), (1 << bits - 1) - 1
        return 0, (1 << bits) - 1

    @property
    def struct_format(self) -> str:
        """The letter of the `struct` module, without byte order; empty for text and bits."""
        return _FORMATS.get(self.value, "")


_WORDS = {
    "int16": 1,
    "uint16": 1,
    "bits16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
}

_FORMATS = {
    "int16": "h",
    "uint16": "H",
    "bits16": "H",
    "int32": "i",
    "uint32": "I",
    "float32": "f",
    "int64": "q",
    "uint64": "Q",
    "float64": "d",
}


class Order(StrEnum):
    """Which end comes first."""

    BIG = "big"
    LITTLE = "little"


class WireOrder(NamedTuple):
    """Order of the bytes inside a register, and of the registers of one value."""

    byte: Order = Order.BIG
    word: Order = Order.BIG

    @property
    def letters(self) -> str:
        """The usual four letters for the value 0xAABBCCDD: ABCD, BADC, CDAB or DCBA."""
        return {
            (Order.BIG, Order.BIG): "ABCD",
            (Order.LITTLE, Order.BIG): "BADC",
            (Order.BIG, Order.LITTLE): "CDAB",
            (Order.LITTLE, Order.LITTLE): "DCBA",
        }[self]

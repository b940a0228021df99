"""Types and scales a quantity is usually kept in, to try instead of the documented ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from energymeter.profiles import Point
from energymeter.values import DataType, Encoding, quantity_of

__all__ = ["FORMS", "Form", "Kind", "in_form", "kind_of"]


class Form(NamedTuple):
    """How a number is kept."""

    type: DataType
    scale: Decimal

    def __str__(self) -> str:
        return f"{self.type} x {self.scale}" if self.scale != 1 else str(self.type)


_SCALES: Final = tuple(Decimal(text) for text in ("1", "0.1", "0.01", "0.001"))
_WHOLE: Final = (DataType.INT32, DataType.UINT32, DataType.INT16, DataType.UINT16)

FORMS: Final = (
    Form(DataType.FLOAT32, Decimal(1)),
    *(Form(data_type, scale) for data_type in _WHOLE for scale in _SCALES),
)
"""The likeliest first."""


class Kind(NamedTuple):
    """Values that are surely kept alike: one quantity, documented in one form."""

    quantity: str
    form: Form


def kind_of(point: Point) -> Kind | None:
    """What kind of number it is; None when it is not a plain number that is measured."""
    quantity = quantity_of(point.name)
    if (
        quantity is None
        or quantity.is_setting
        or point.encoding is not Encoding.PLAIN
        or point.scale_from is not None
        or point.value is not None
        or not (point.type.is_float or point.type.is_integer)
    ):
        return None
    return Kind(quantity.name, Form(point.type, point.scale))


def in_form(point: Point, form: Form) -> Point:
    """The point at the same address, kept another way."""
    return Point(
        name=point.name,
        address=point.address,
        tables=point.tables,
        unit=point.unit,
        byte_order=point.byte_order,
        word_order=point.word_order,
        counts_down=point.counts_down,
        type=form.type,
        scale=form.scale,
    )

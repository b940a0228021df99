"""Types and scales a quantity is usually kept in, to try instead of the documented ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from energymeter.profiles import Point
from energymeter.values import DataType, Encoding, quantity_of

__all__ = ["FORMS", "Form", "form_of", "in_form", "may_change"]


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


def may_change(point: Point) -> bool:
    """Whether it is a plain number that is measured or counted."""
    quantity = quantity_of(point.name)
    return (
        quantity is not None
        and not quantity.is_setting
        and point.encoding is Encoding.PLAIN
        and point.scale_from is None
        and point.value is None
        and (point.type.is_float or point.type.is_integer)
    )


def form_of(point: Point) -> Form:
    """How the document says it is kept."""
    return Form(point.type, point.scale)


def in_form(point: Point, form: Form) -> Point:
    """The point at the same address, kept another way."""
    if form == form_of(point):
        return point
    changed = {"type": form.type, "scale": form.scale, "offset": Decimal(0), "not_available": ()}
    return point.model_copy(update=changed)

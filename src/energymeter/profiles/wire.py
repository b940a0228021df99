"""A point's place in a block of registers, the same for reader and simulator."""

from __future__ import annotations

from energymeter.profiles.model import Point
from energymeter.values import Encoding, Field, WireOrder, wire_type

__all__ = ["field_of"]


def field_of(point: Point, first: int, order: WireOrder) -> Field:
    """Where the point lies in a block that begins at address `first`."""
    return Field(
        offset=point.address - first,
        type=wire_type(point.type, point.encoding),
        words=point.count,
        order=order,
        is_wide=point.encoding is Encoding.CHAR_PER_REGISTER,
    )

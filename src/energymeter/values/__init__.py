"""Words to numbers and back, and what the numbers mean; pure."""

from energymeter.values.block import BlockCodec, Field
from energymeter.values.quantities import Quantity, quantity_of, unit_factor
from energymeter.values.scale import IDENTITY, Scale
from energymeter.values.types import DataType, Order, WireOrder

__all__ = [
    "IDENTITY",
    "BlockCodec",
    "DataType",
    "Field",
    "Order",
    "Quantity",
    "Scale",
    "WireOrder",
    "quantity_of",
    "unit_factor",
]

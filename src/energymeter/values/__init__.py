"""Words to numbers and back, and what the numbers mean; pure."""

from energymeter.values.block import BlockCodec, Field
from energymeter.values.encodings import Encoding, decode_raw, encode_raw, pattern_raw, wire_type
from energymeter.values.quantities import Quantity, quantity_of, unit_factor
from energymeter.values.scale import IDENTITY, Scale
from energymeter.values.types import DataType, Order, WireOrder

__all__ = [
    "IDENTITY",
    "BlockCodec",
    "DataType",
    "Encoding",
    "Field",
    "Order",
    "Quantity",
    "Scale",
    "WireOrder",
    "decode_raw",
    "encode_raw",
    "pattern_raw",
    "quantity_of",
    "unit_factor",
    "wire_type",
]
